"""The marks for accuracy, from recorded runs, and the settings of training."""

from __future__ import annotations

import functools
import json
from typing import Any

from grader.base.files import read_toml
from grader.base.paths import GRADER

FILE = GRADER / "grading" / "calibration.json"
TRAINING: dict[str, Any] = read_toml(GRADER / "grading" / "accuracy.toml")["training"]


@functools.cache
def calibration() -> dict[str, Any]:
    """Return the recorded calibration."""
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data
