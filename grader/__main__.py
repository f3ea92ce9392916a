"""The command line: `python -m grader ...`.

Exit codes: 0 full marks or all well; 1 points are missing or something is to be mended; 2 input
that cannot be used, or a fault of the grader; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.base.paths import ROOT
from grader.contract.record import TIERS, Record
from grader.contract.tasks import assignments, tasks
from grader.reports import FACES
from news import NewsError, read_csv

# From 3,600 rows of AG News on the reference reaches 0.56 to 0.61, with 1,200 only 0.42 to 0.53,
# on both sides of the pass mark.
MIN_ROWS = 3600
LEAST_MEMORY = 1 << 30  # bytes of address space; torch alone takes more than half of it


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"grader: {message}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    top = Parser(prog="python -m grader", description="Grades the exercise.")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    grade = commands.add_parser("grade", help="grade a submission and show the board")
    grade.add_argument("path", type=Path, help="a folder, a .zip, or one .py of a task")
    _add_assignment(grade)
    grade.add_argument("--json", metavar="FILE", help="write the record; - prints it alone")
    grade.add_argument(
        "--data",
        metavar="sample|FILE.csv",
        default="sample",
        help="the news for the task accuracy: the sample, or a CSV in AG News' layout",
    )
    grade.add_argument("-v", "--verbose", action="store_true", help="show every message")
    _add_common(grade)
    grade.set_defaults(run=_grade)

    report = commands.add_parser("report", help="show a record in another form")
    report.add_argument(
        "records", type=Path, nargs="+", metavar="RECORD.json", help="written by grade --json"
    )
    report.add_argument(
        "--as", dest="face", metavar="FORM", default="board", help=f"{', '.join(FACES)} [board]"
    )
    report.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write; stdout if left out"
    )
    report.set_defaults(run=_report)

    class_ = commands.add_parser("class", help="grade a class; run it again to go on")
    class_.add_argument(
        "folder",
        type=Path,
        help="submissions as folders, zips, notebooks or .py, or an export of Moodle, Canvas, "
        "GitHub Classroom or nbgrader",
    )
    _add_assignment(class_)
    class_.add_argument("--out", type=Path, metavar="REPORT", required=True, help="a folder")
    class_.add_argument(
        "--only",
        choices=("failed", "error", "changed"),
        help="grade again: below full marks; with an error; what was handed in anew",
    )
    class_.add_argument("--student", action="append", default=[], metavar="ID", help="repeatable")
    class_.add_argument(
        "--workers", type=_count, default=os.cpu_count() or 1, help="processes [one a core]"
    )
    class_.add_argument(
        "--limit-memory", type=_size, default="6G", metavar="SIZE", help="of a submission [6G]"
    )
    class_.add_argument(
        "--cluster", metavar="tcp://HOST:8786", help="grade on the Dask cluster of this scheduler"
    )
    _add_common(class_)
    class_.set_defaults(run=_class, confine="sandbox")

    diff = commands.add_parser("diff", help="whose mark changes between two runs, and why")
    diff.add_argument("old", type=Path, help="a REPORT of `class`, or a record")
    diff.add_argument("new", type=Path, help="the same, made later")
    diff.add_argument("--json", action="store_true", help="as JSON")
    diff.set_defaults(run=_diff)

    release = commands.add_parser("release", help="make what students get, without the solution")
    release.add_argument("out", type=Path, metavar="OUT.zip")
    release.set_defaults(run=_release)

    gradescope = commands.add_parser("gradescope", help="make an autograder for Gradescope")
    gradescope.add_argument("out", type=Path, metavar="OUT.zip")
    _add_assignment(gradescope)
    _add_common(gradescope)
    gradescope.set_defaults(run=_gradescope, confine="sandbox")

    hint = commands.add_parser("hint", help="read a hint for a task")
    hint.add_argument("task", help=", ".join(tasks()))
    hint.add_argument("level", type=int, nargs="?", default=1, help="1 to 3; 1 by default")
    hint.set_defaults(run=_hint)

    train = commands.add_parser("train", help="train a submission on news")
    train.add_argument("path", type=Path, help="a folder or .zip with model.py and train.py")
    train.add_argument(
        "--data", default="sample", help="sample (default), ag_news, or a CSV in AG News' layout"
    )
    train.add_argument("--val", type=Path, metavar="FILE.csv", help="validate on this file")
    train.add_argument("--rows", type=int, help="learn from this many rows only")
    train.add_argument("--epochs", type=int, default=8)
    train.add_argument("--lr", type=float, default=0.002)
    train.add_argument("--batch-size", type=int, default=32)
    train.add_argument(
        "--out",
        type=Path,
        help="folder for curves.png, confusion.png, metrics.json and weights.pt [training]",
    )
    _add_common(train)
    train.set_defaults(run=_train)

    build = commands.add_parser("build", help="write exercise/ and notebooks from solution/")
    build.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    build.set_defaults(run=_build)

    calibrate = commands.add_parser(
        "calibrate", help="derive the marks for accuracy from recorded runs (for maintainers)"
    )
    calibrate.add_argument("--seeds", type=int, default=60, help="draws of the reference [60]")
    calibrate.add_argument("--few", type=int, default=8, help="draws of each accepted variant [8]")
    calibrate.add_argument(
        "--add", metavar="NAME", help="draw this new accepted variant alone, keep the other runs"
    )
    calibrate.set_defaults(run=_calibrate)

    course = commands.add_parser("course", help="the nbgrader course (for instructors)")
    of_course = course.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = of_course.add_parser("check", help="run the whole cycle in a scratch copy")
    check.add_argument("--keep", type=Path, metavar="FOLDER", help="make the copy here, keep it")
    check.set_defaults(run=_course_check)

    doctor = commands.add_parser("doctor", help="see whether all is there to work with")
    doctor.set_defaults(run=_doctor)
    return top


def _add_assignment(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--assignment",
        metavar="ID",
        help=f"{', '.join(assignments())}; by default the one that its files belong to",
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=DEVICES, default="auto")
    command.add_argument("--seed", type=_seed, default=0, help="0 to 2**32 - 1")
    command.add_argument(
        "--confine",
        choices=TIERS,
        help="the least confinement that will do; the strongest there is, is used in any case",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([MG])i?B?", text, re.IGNORECASE)
    size = float(match[1]) * (1 << {"M": 20, "G": 30}[match[2].upper()]) if match else 0
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is no size from 1G; write it as 4G or 1500M")
    return int(size)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 2**32 - 1")
    return int(text)


def _grade(options: argparse.Namespace) -> int:
    from grader.grading.session import grade, load
    from grader.reports import board

    if options.json not in (None, "-"):
        file = Path(options.json)
        if file.is_dir() or not file.absolute().parent.is_dir():
            raise UsageError(f"--json {file}: it cannot be written. Name a file in a folder.")
    rows = None if options.data == "sample" else _rows(Path(options.data))
    taken = load(options.path, options.assignment)
    _tell_if_unconfined(options)
    record = grade(
        taken,
        assignment=options.assignment,
        keep=lambda partial: _keep(partial, options.json),
        device=options.device,
        seed=options.seed,
        rows=rows,
        confine=options.confine,
    )
    if options.json == "-":
        print(record.to_json(), end="")
    else:
        board.show(record, verbose=options.verbose)
    if any(check.status == "error" for check in record.checks):
        return 2
    return 0 if record.full_marks else 1


def _tell_if_unconfined(options: argparse.Namespace) -> None:
    """Say so if there are only limits round a submission, unless they were asked for."""
    from grader.sandbox.tiers import choose

    if options.confine is None and (lacks := choose(None, options.device).lacks):
        print(
            f"grader: there is no sandbox, only limits: {lacks}. "
            "Grade your own code, and that of people you trust. See docs/instructor.md.",
            file=sys.stderr,
        )


def _keep(record: Record, file: str | None) -> None:
    """Write a record to the file of `--json`, whole or not at all."""
    if file is None or file == "-":
        return
    try:
        with written_whole(Path(file)) as stream:
            stream.write(record.to_json().encode())
    except OSError as error:
        raise UsageError(
            f"--json {file}: cannot be written ({error.strerror}). "
            "What is there is the last record that could be written. Make room, and grade again."
        ) from None


def _rows(path: Path) -> list[tuple[int, str]]:
    rows = read_csv(path)
    if len(rows) < MIN_ROWS:
        raise UsageError(f"--data {path}: {len(rows)} rows. Give at least {MIN_ROWS}.")
    return rows


def _report(options: argparse.Namespace) -> int:
    from grader import reports

    try:
        text = reports.convert(options.records, options.face)
    except ModuleNotFoundError as error:
        raise _not_installed(error, "class") from None
    if options.out is None:
        sys.stdout.buffer.write(text.encode())
        return 0
    try:
        with written_whole(options.out) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise UsageError(
            f"--out {options.out}: cannot be written ({error.strerror}). Name another file."
        ) from None
    return 0


def _not_installed(error: ModuleNotFoundError, extra: str) -> UsageError:
    install = f"python -m pip install -c constraints.txt -e '.[{extra}]'"
    return UsageError(f"{error.name} is not installed: {install}")


def _class(options: argparse.Namespace) -> int:
    from grader.classroom import job, run
    from grader.grading import heldout_accuracy

    try:
        import vl_convert  # noqa: F401 - told before the class is graded

        import grader.reports.class_report.page  # noqa: F401
    except ModuleNotFoundError as error:
        raise _not_installed(error, "class") from None

    setting = job.Setting(
        assignment=options.assignment or "",
        device=options.device,
        seed=options.seed,
        confine=options.confine,
        memory=options.limit_memory,
        secret=os.environ.get(heldout_accuracy.SECRET, ""),
        versions=job.versions(),
    )
    return run.run(
        run.Wanted(
            folder=options.folder,
            out=options.out,
            only=options.only,
            students=options.student,
            workers=options.workers,
            cluster=options.cluster,
            setting=setting,
        )
    )


def _diff(options: argparse.Namespace) -> int:
    from grader.classroom import diff as impact

    return impact.run(options.old, options.new, as_json=options.json)


def _release(options: argparse.Namespace) -> int:
    from grader.maintain import release

    return release.run(options.out)


def _gradescope(options: argparse.Namespace) -> int:
    from grader.maintain import gradescope_zip

    return gradescope_zip.run(
        options.out,
        assignment=options.assignment,
        confine=options.confine,
        seed=options.seed,
        device=options.device,
    )


def _hint(options: argparse.Namespace) -> int:
    task = tasks().get(options.task)
    if task is None:
        raise UsageError(f"{options.task}: there is no such task. It can be {', '.join(tasks())}.")
    if not 1 <= options.level <= len(task.hints):
        raise UsageError(f"Hint {options.level}: there are hints 1 to {len(task.hints)}.")
    from grader.reports import board

    board.show_hint(task, options.level)
    return 0


def _train(options: argparse.Namespace) -> int:
    from grader.training import run as training

    return training.run(
        options.path,
        data=options.data,
        val=options.val,
        rows=options.rows,
        epochs=options.epochs,
        lr=options.lr,
        batch_size=options.batch_size,
        device=options.device,
        seed=options.seed,
        confine=options.confine,
        out=options.out,
    )


def _build(options: argparse.Namespace) -> int:
    from grader.maintain import notebooks, stubs

    solution, exercise = ROOT / "solution", ROOT / "exercise"
    if not solution.is_dir():
        raise UsageError("solution/ is not here: only its owner can build the exercise from it.")
    course = ROOT / "assignments"
    lessons = {
        script: course / "source" / script.stem / f"{script.stem}.ipynb"
        for script in sorted(course.glob("*.py"))
        if script.name != "nbgrader_config.py"
    }
    if options.check:
        problems = stubs.check(solution, exercise)
        for script, notebook in lessons.items():
            problems += notebooks.check(script, solution, notebook)
        print("\n".join(problems) or "exercise/ is what solution/ makes, and so are the notebooks.")
        return 1 if problems else 0
    try:
        written = stubs.build(solution, exercise)
        for script, notebook in lessons.items():
            written += notebooks.build(script, solution, notebook)
    except (stubs.BuildError, OSError) as error:
        raise UsageError(str(error)) from None
    print("\n".join(f"wrote {path.relative_to(ROOT)}" for path in written) or "nothing to do")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from grader.base.files import written_whole
    from grader.grading.calibration import FILE, calibration
    from grader.maintain import calibrate
    from grader.maintain.submission_bank import BANK, REFERENCE

    if not REFERENCE or not BANK.is_dir():
        raise UsageError("solution/ and tests/submissions/ are not here: calibrate in the kit.")
    if options.seeds < 2 or options.few < 2:
        raise UsageError("--seeds and --few: give 2 or more, a spread needs two numbers.")
    if options.add is None:
        found = calibrate.calibrate(options.seeds, options.few)
    else:
        found = calibrate.add(options.add, calibration(), options.seeds, options.few)
    with written_whole(FILE) as stream:
        stream.write(calibrate.to_json(found).encode())
    calibrate.show(found)
    return 0


def _course_check(options: argparse.Namespace) -> int:
    try:
        from grader.maintain import course_check
    except ModuleNotFoundError as error:
        raise _not_installed(error, "course") from None
    return course_check.run(options.keep)


def _doctor(_options: argparse.Namespace) -> int:
    from grader.commands import doctor

    return doctor.run()


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = parser().parse_args(arguments)
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
