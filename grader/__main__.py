"""The command line: `python -m grader COMMAND`.

Exit codes: 0 full marks, or all is well; 1 points are missing, or something needs to be fixed; 2
unusable input, or a fault of the grader; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from grader import commands
from grader.base.errors import UsageError
from news import NewsError


class Parser(argparse.ArgumentParser):
    """Reports an error in the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"grader: {message}. See {self.prog} --help.\n")


def parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Describe the commands, and the arguments of the one that is asked for."""
    top = Parser(
        prog="python -m grader",
        description="Grades the exercise.",
        epilog=commands.listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added = top.add_subparsers(metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    chosen = next((each for each in arguments if not each.startswith("-")), None)
    for name, help_ in commands.available().items():
        command = added.add_parser(name, description=f"{help_.capitalize()}.")
        if name == chosen:  # the others would have to be imported
            module = commands.load(name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser(arguments).parse_args(arguments)
    try:
        return int(options.run(options))
    except (UsageError, NewsError) as error:
        print(f"grader: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ngrader: interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # never a traceback, and never the exit code of missing points
        print(f"grader: the grader itself failed: {error!r}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
