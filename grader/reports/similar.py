"""Pairs of submissions whose code is much alike, by copydetect (the extra `similarity`)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

FROM = 0.9  # variants of one solution that differ by hand reach 0.88 at most, most less than 0.5
SMALLEST = 100  # signs of code of a student's own, below which being alike says nothing
GRAM, WINDOW = 25, 10  # copydetect's own: 25 equal signs count as copied

Code = Mapping[str, Mapping[str, bytes]]  # student to module to source


@dataclass(frozen=True)
class Pair:
    """Two students, and the share of the code of a module that they have in common."""

    module: str
    students: tuple[str, str]
    share: float


def pairs(code: Code, given: Mapping[str, bytes]) -> list[Pair] | None:
    """Return the pairs that share `FROM` of their code or more, the most alike first.

    Args:
        code: what was handed in.
        given: the modules that were handed out; what stands there is no sign of copying.

    Returns:
        The pairs, or None where copydetect is not installed.
    """
    try:
        from copydetect.detector import CodeFingerprint, compare_files
    except ModuleNotFoundError:
        return None

    def prints(source: bytes, **options: Any) -> Any:
        text = io.StringIO(source.decode("utf-8", "replace"))
        return CodeFingerprint("module.py", GRAM, fp=text, **options)

    by_module: dict[str, dict[str, Any]] = {}
    boilerplate = {module: prints(source, win_size=1).hashes for module, source in given.items()}
    for student, files in code.items():
        for module, source in files.items():
            known = list(boilerplate.get(module, ()))
            found = prints(source, win_size=WINDOW, boilerplate=known)
            if found.token_coverage >= SMALLEST:
                by_module.setdefault(module, {})[student] = found
    seen = [
        Pair(module, (one, other), min(map(float, compare_files(mine, theirs)[1])))
        for module, students in by_module.items()
        for (one, mine), (other, theirs) in combinations(students.items(), 2)
    ]
    return sorted((p for p in seen if p.share >= FROM), key=lambda pair: -pair.share)
