"""What marks the task accuracy gives: read from `calibration.json`, made by recorded runs."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "calibration.json"


@functools.cache
def calibration() -> dict[str, Any]:
    """Return the recorded calibration."""
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data
