"""`python -m grader course`: the policy of a course; its nbgrader course and the marks of that."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.paths import COURSE
from grader.commands.arguments import add_csv, add_roster, check_columns
from grader.contract.course import NAME

PLUGINS = {"csv": "MarksCsv", "canvas": "CanvasCsv", "moodle": "MoodleCsv"}
FILES = {"csv": "marks.csv", "canvas": "canvas.csv", "moodle": "moodle.csv"}
CONFIG, GRADEBOOK = "nbgrader_config.py", "gradebook.db"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    init = commands.add_parser("init", help="write a course.toml that explains every setting")
    init.add_argument(
        "--out", type=Path, metavar="FILE", default=COURSE / NAME, help="[assignments/course.toml]"
    )
    init.set_defaults(course_command=_init, command="course init")  # needs no nbgrader
    show = commands.add_parser("show", help="print what holds in this course, and why")
    show.set_defaults(course_command=_show, command="course show")
    check = commands.add_parser("check", help="run the whole cycle in a scratch copy")
    check.add_argument("--keep", type=Path, metavar="FOLDER", help="put the copy here and keep it")
    check.set_defaults(course_command=_check)
    export = commands.add_parser("export", help="write the marks of the gradebook as CSV")
    export.add_argument("--as", dest="format", choices=PLUGINS, default="csv", help="[csv]")
    export.add_argument("--out", type=Path, metavar="FILE", help="[marks.csv, canvas.csv, ...]")
    export.add_argument(
        "--course", type=Path, metavar="FOLDER", help="with gradebook.db [this one, assignments/]"
    )
    export.add_argument("--assignment", metavar="ID", help="this one alone")
    export.add_argument(
        "--without-written-answers",
        action="store_true",
        help="leave out the points that a person gives, and wait for none",
    )
    add_roster(export)
    add_csv(export)
    export.set_defaults(course_command=_export)


def run(options: argparse.Namespace) -> int:
    """Run a command of the course; returns the exit code."""
    code: int = options.course_command(options)
    return code


def _init(options: argparse.Namespace) -> int:
    from grader.maintain import course_policy

    return course_policy.init(options.out)


def _show(_options: argparse.Namespace) -> int:
    from grader.maintain import course_policy

    check_columns()
    return course_policy.show()


def _check(options: argparse.Namespace) -> int:
    from grader.maintain import course_check

    return course_check.run(options.keep)


def _export(options: argparse.Namespace) -> int:
    from nbgrader.apps import ExportApp
    from traitlets.config import Config

    from grader.course import export

    check_columns()
    folder = options.course or (Path() if Path(CONFIG).is_file() else COURSE)
    if not (folder / GRADEBOOK).is_file():
        raise UsageError(
            f"{folder / GRADEBOOK}: there is no such file. Grade with `nbgrader autograde`, or "
            "give the course's folder with --course."
        )
    out = (options.out or Path(FILES[options.format])).absolute()
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"--out {out}: it cannot be written. Name a file in a folder.")
    deadline = options.deadline.isoformat() if options.deadline else ""
    settings = {  # empty: as nbgrader_config.py says
        "to": str(out),
        "assignment": [options.assignment] if options.assignment else [],
        "written_answers": False if options.without_written_answers else "",
        "roster": str(options.roster.absolute()) if options.roster else "",
        "deadline": deadline,
        "column": options.column or "",
        "decimal": options.decimal or "",
    }
    plugin = PLUGINS[options.format]
    with _in_folder(folder):
        app = ExportApp()
        app.initialize([])
        given = {name: value for name, value in settings.items() if value not in ("", [])}
        chosen = {"plugin_class": getattr(export, plugin)}
        app.update_config(Config({plugin: given, "ExportApp": chosen}))
        app.start()
    print(f"wrote {out}")
    return 0


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """Work in another folder, as nbgrader's own commands are to be run in the course's."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
