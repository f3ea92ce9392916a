"""The command line: `python -m grader COMMAND`.

Exit codes: 0 for full marks or success; 1 if points are missing or something must be fixed; 2 for
unusable input or a failure of the grader; 130 if interrupted.
"""

from __future__ import annotations

import argparse
import errno
import sys
import traceback
from pathlib import Path
from typing import NoReturn

if not __package__:  # `python grader` puts the package's folder on the path, not its parent
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from grader import commands
from grader.base.environment import activate
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract.names import did_you_mean
from news import NewsError

LONGEST = 80  # characters of a path in a message


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error on one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(2, f"grader: {message}. See {self.prog} --help.\n")


def parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Build the parser, with the arguments of the requested command only."""
    top = Parser(
        prog="python -m grader",
        description="Grade the exercise and work with the results.",
        epilog=f"{commands.listed()}\n\n--course FILE, with any of them: the course that holds.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added = top.add_subparsers(metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    chosen = next((each for each in arguments if not each.startswith("-")), None)
    if chosen is not None and chosen not in commands.available():
        raise UsageError(
            f"{chosen}: no such command.{did_you_mean(chosen, commands.available())} "
            f"Choose from {', '.join(commands.available())}."
        )
    for name, help_ in commands.available().items():
        command = added.add_parser(name, description=f"{help_.capitalize()}.")
        if name == chosen:  # adding the arguments of the others would import their modules
            module = commands.load(name)
            module.add_arguments(command)
            command.set_defaults(run=module.run, command=name)
    return top


def check_environment(command: str) -> None:
    """See that a command can run here, before it does anything.

    Raises:
        UsageError: something is missing.
    """
    from grader.grading import requirements

    if command not in requirements.commands():
        return
    requirements.require(command)
    for problem in requirements.other_versions():
        print(f"grader: note: {problem}. Marks may differ.", file=sys.stderr)


def _course(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """Return the course's file or folder of `--course`, wherever that is, and other arguments.

    `course export` takes the folder of an nbgrader course, too, and may take one without a file.
    """
    from grader.contract.course import NAME

    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--course", type=Path)
    found, others = first.parse_known_args(arguments)
    path: Path | None = found.course
    if path is not None and others[:2] == ["course", "export"] and not path.is_file():
        return (path if (path / NAME).is_file() else None), arguments
    return path, others


def _tell(problem: str) -> None:
    """Print what went wrong; it may quote the name of a file that a student handed in."""
    from grader.contract.messages import clean

    print(clean(f"grader: {problem}"), file=sys.stderr)


def _place(error: BaseException) -> str:
    """Return the line of the kit's that an error comes from, such as one of an author's check."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if Path(each.filename).is_relative_to(ROOT)]
    if not own:
        return ""
    return f" ({Path(own[-1].filename).relative_to(ROOT).as_posix()}, line {own[-1].lineno})"


def _run(arguments: list[str]) -> int:
    from grader.contract import course

    path, arguments = _course(arguments)
    with course.chosen(path):
        if not arguments:
            parser([]).print_help(sys.stderr)
            return 2
        options = parser(arguments).parse_args(arguments)
        check_environment(options.command)
        return int(options.run(options))


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except (UsageError, NewsError) as error:
        _tell(f"{error}")
        return 2
    except ModuleNotFoundError as error:
        remedy = activate() or "Install the kit, as README.md says."
        _tell(f"{error.name} is not installed for {sys.executable}. {remedy}")
        return 2
    except KeyboardInterrupt:
        print("\ngrader: interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # no traceback, and not the exit code for missing points
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            _tell(f"a path is too long: {str(error.filename)[:LONGEST]} ... Give another one.")
            return 2
        _tell(f"the grader itself failed: {error!r}{_place(error)}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
