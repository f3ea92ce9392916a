"""Implements `release --github`: a template repository for students that grades each push."""

from __future__ import annotations

from pathlib import Path

from grader.base.errors import UsageError
from grader.contract.tasks import MAIN, get_assignment
from grader.maintain import release

WORKFLOW = Path(__file__).with_name("classroom.yml")
IGNORED = """\
.venv/
__pycache__/
*.egg-info/
.ipynb_checkpoints/
/exercise/.copies/
/training/
/record.json
"""
README = """
Write your solution in `exercise/` and push: each push is graded. The tab *Actions* shows the result
on the page of the run; a red cross means that points are missing. To work faster than that, install
the kit on your machine and let `python -m grader watch` grade on every save.
"""


def run(out: Path, assignment: str | None) -> int:
    """Write the repository's files and return the exit code.

    Args:
        out: a folder that is new, empty, or holds nothing but `.git`.
        assignment: the assignment that the workflow grades; None for the main one.

    Raises:
        UsageError: the folder holds files, there is no such assignment, the files would hold what
            students must not get, or they cannot be written.
    """
    if out.is_file() or (out.is_dir() and any(path.name != ".git" for path in out.iterdir())):
        raise UsageError(f"{out}: not empty. Name a new folder, or one with nothing but .git.")
    files = release.for_students()
    workflow = WORKFLOW.read_text(encoding="utf-8")
    id_ = get_assignment(assignment or MAIN).id
    title, newline, rest = files["README.md"].partition(b"\n")
    files |= {
        ".github/workflows/classroom.yml": workflow.replace(MAIN, id_).encode(),
        ".gitignore": IGNORED.encode(),
        "README.md": b"".join((title, newline, README.encode(), rest)),
    }
    release.refuse_leaks(out, files)
    try:
        for name, data in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}).") from None
    print(f"wrote {out}: {len(files)} files, no line of the solution among them")
    return 0
