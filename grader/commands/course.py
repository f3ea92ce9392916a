"""`python -m grader course`: checks the nbgrader course, and exports its marks."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.paths import COURSE
from grader.commands.arguments import add_csv, add_roster

PLUGINS = {"csv": "MarksCsv", "canvas": "CanvasCsv", "moodle": "MoodleCsv"}
FILES = {"csv": "marks.csv", "canvas": "canvas.csv", "moodle": "moodle.csv"}
CONFIG, GRADEBOOK = "nbgrader_config.py", "gradebook.db"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the subcommand `check`."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
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


def _check(options: argparse.Namespace) -> int:
    from grader.maintain import course_check

    return course_check.run(options.keep)


def _export(options: argparse.Namespace) -> int:
    from nbgrader.apps import ExportApp
    from traitlets.config import Config

    from grader.course import export

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
        "decimal": options.decimal if options.decimal != "point" else "",
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
