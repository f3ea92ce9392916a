"""`python -m grader handin`: packs the exercise into the file that an instructor wants."""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import write_whole
from grader.base.paths import EXERCISE
from grader.commands.arguments import add_assignment
from grader.contract.tasks import assignments, choose_assignment

STUB = re.compile(rb'^\s*raise NotImplementedError\("Task ', re.MULTILINE)  # still to be written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define what to pack, and where to."""
    parser.add_argument("path", type=Path, nargs="?", default=EXERCISE, help="a folder [exercise]")
    add_assignment(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.zip", help="archive to write [ASSIGNMENT.zip]"
    )


def run(options: argparse.Namespace) -> int:
    """Write the archive and return the exit code."""
    from grader.grading.session import load
    from grader.reports import hints

    found = load(options.path, options.assignment)
    if not options.path.is_dir():
        raise UsageError(f"{options.path}: not a folder. Hand in a single file as it is.")
    chosen = choose_assignment(options.assignment, found.files)
    foreign = {name for each in assignments().values() for name in each.modules} - {*chosen.modules}
    files = {
        name: data
        for name, data in found.files.items()
        if name not in foreign and name != "__init__"
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.py", data)
        if (recorded := options.path / hints.FILE).is_file():
            archive.write(recorded, hints.FILE)
    out = options.out or Path(f"{chosen.id}.zip")
    write_whole(out, content.getvalue())
    print(f"Wrote {out}: {', '.join(f'{name}.py' for name in files)}. Hand in this file.")
    if missing := [f"{name}.py" for name in chosen.modules if name not in files]:
        print(f"Not in it, because it is not in {options.path}: {', '.join(missing)}.")
    if open_ := [f"{name}.py" for name in chosen.modules if STUB.search(files.get(name, b""))]:
        print(f"Functions are still to be written in {', '.join(open_)}.")
        if len(open_) == len(chosen.modules):
            others = ", ".join(id_ for id_ in assignments() if id_ != chosen.id)
            print(f"For a different assignment ({others}), add --assignment ID.")
    return 0
