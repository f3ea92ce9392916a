"""The accuracy marks, derived from recorded runs, and the settings of training."""

from __future__ import annotations

import functools
import json
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract import course
from grader.contract.course_file import CALIBRATED

FILE = GRADER / "grading" / "calibration.json"
SETTINGS = read_toml(GRADER / "grading" / "accuracy.toml")
DATA: dict[str, Any] = SETTINGS["data"]
TRAINING: dict[str, Any] = SETTINGS["training"]


@functools.cache
def calibration() -> dict[str, Any]:
    """Read the recorded runs and the marks derived from them."""
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data


def marks() -> tuple[float, float]:
    """Return the accuracy that earns full marks, and the one above which points begin.

    Raises:
        UsageError: the marks are not numbers from 0 to 1 in this order.
    """
    own, found = course.current(), dict(SETTINGS["marks"])
    if own.accuracy_full is not None:
        found["full"] = own.accuracy_full
    if own.accuracy_none is not None:
        found["none"] = own.accuracy_none
    full, none = (
        calibration()["marks"][name] if found[name] == CALIBRATED else found[name]
        for name in ("full", "none")
    )
    if not all(type(mark) in (int, float) for mark in (full, none)) or not 0 <= none < full <= 1:
        given = own.accuracy_full, own.accuracy_none
        place = "grader/grading/accuracy.toml" if given == (None, None) else own.place
        raise UsageError(
            f"{place}: full = {full!r}, none = {none!r}. "
            f'Each is "{CALIBRATED}" or a number, with 0 <= none < full <= 1.'
        )
    return full, none
