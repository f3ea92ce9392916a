"""Records which hints a student asked for, in courses that want to know.

Nothing is recorded unless the folder of the submission holds a file `hints.json`, which a course
hands out with the content `{}`. Whoever asks for a hint is told that it is recorded.
"""

from __future__ import annotations

import json
from pathlib import Path

from grader.base.files import written_whole

FILE = "hints.json"
SAYS = "Recorded in {}: your instructor may see which hints you asked for."


def record(folder: Path, task: str, level: int) -> str:
    """Add a hint to the folder's record, if there is one, and return a line that says so.

    The record maps each task to the levels of the hints that were asked for.
    """
    path = folder / FILE
    if not path.is_file():
        return ""
    try:
        levels = json.loads(path.read_text(encoding="utf-8"))
        levels[task] = sorted({*levels.get(task, []), level})
        with written_whole(path) as stream:
            stream.write(json.dumps(levels).encode())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"Not recorded: {path.name} cannot be used ({type(error).__name__})."
    return SAYS.format(path.name)
