"""The policy of a course: `course.toml`, or the kit's own defaults.

`current` is what holds in this process. The file is, first of these: what the environment variable
`GRADER_COURSE` names (the option `--course` sets it), the one in the current folder if that is an
nbgrader course, `assignments/course.toml`, and the one that came with a release.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.paths import COURSE, GRADER
from grader.contract.policy import Course

# `course_file` takes a while to import: it is imported only where there is a course.

VARIABLE = "GRADER_COURSE"
NAME = "course.toml"
NBGRADER = "nbgrader_config.py"
RELEASED = GRADER / "contract" / NAME


def find() -> Path | None:
    """Return the file of the course, or None if there is none.

    Raises:
        UsageError: the environment names one that there is not.
    """
    if named := os.environ.get(VARIABLE, ""):
        path = Path(named)
        try:
            if path.is_dir():
                path /= NAME
            is_there = path.exists()
        except (OSError, ValueError):  # the path is too long, or holds a null byte
            is_there = False
        if not is_there:
            raise UsageError(f"{path}: there is no such file; it is the course ({VARIABLE}).")
        return path
    own = [Path(NAME)] if Path(NBGRADER).is_file() else []
    return next((path for path in (*own, COURSE / NAME, RELEASED) if path.is_file()), None)


def refuse_handed_in(path: Path) -> None:
    """Refuse a course in the current folder if that is, or is in, what is graded.

    Args:
        path: the submission.

    Raises:
        UsageError: the student would decide on the points.
    """
    file = find()
    here = file is not None and not os.environ.get(VARIABLE) and file.parent == Path()
    if here and path.resolve() in Path(NAME).resolve().parents:
        raise UsageError(
            f"{NAME}: it is in the folder that is graded, so whoever handed that in decides on the "
            "points. Grade it from another folder, or name the course: --course FILE."
        )


@functools.cache
def _found() -> Course:
    path = find()
    if path is None:
        return Course()
    from grader.contract import course_file

    return course_file.read(path)


_used: list[tuple[str, Course]] = []


def current() -> Course:
    """Return what holds in this process.

    Raises:
        UsageError: the file is not valid; the message has a line per mistake.
    """
    return _used[-1][1] if _used else _found()


@contextlib.contextmanager
def chosen(path: Path | None) -> Iterator[None]:
    """Let a file, or the one in a folder, hold in this process and those that it starts."""
    if path is None:
        yield
        return
    before, used = os.environ.get(VARIABLE), [*_used]
    os.environ[VARIABLE] = str(path.absolute())
    _used.clear()
    _found.cache_clear()
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
        _used[:] = used
        _found.cache_clear()


def use(text: str, news: str = "") -> None:
    """Let the text of another process, see `Course.text`, hold in this one, and its news."""
    from grader.contract import course_file

    if not _used or (_used[-1][0], _used[-1][1].news) != (text, news):
        _used[:] = [(text, replace(course_file.parse(text, "the course"), news=news))]
