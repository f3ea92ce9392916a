"""The kit's own environment, which beginners forget to activate."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grader.base.paths import ROOT

FOLDER = ROOT / ".venv"  # as README.md has it


def activate() -> str:
    """Return a line that says how to activate the environment.

    It is empty if there is none, or if this Python is one of an environment already.
    """
    if not FOLDER.is_dir() or sys.prefix != sys.base_prefix:
        return ""
    folder = Path(FOLDER.name) if Path.cwd() == FOLDER.parent else FOLDER
    script = folder / ("Scripts/activate" if os.name == "nt" else "bin/activate")
    return f"Activate the kit's environment first: {'' if os.name == 'nt' else 'source '}{script}"
