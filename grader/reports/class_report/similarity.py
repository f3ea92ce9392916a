"""Pairs of submissions whose code is much alike, by copydetect (the extra `similarity`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
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


def pairs(code: Code, given: Mapping[str, bytes]) -> Iterator[Pair] | None:
    """Go through the pairs that share `FROM` of their code or more, the most alike first.

    Args:
        code: what was handed in.
        given: the modules that were handed out; what stands there is no sign of copying.

    Returns:
        The pairs, of which n equal submissions make n * n / 2, one by one; or None where
        copydetect is not installed.
    """
    if len(code) < 2:
        return iter(())
    try:
        from copydetect.detector import CodeFingerprint, compare_files
    except ModuleNotFoundError:
        return None

    def prints(source: bytes, **options: Any) -> Any:
        text = io.StringIO(source.decode("utf-8", "replace"))
        return CodeFingerprint("module.py", GRAM, fp=text, **options)

    # module to code without names and comments to its print, and who has it
    seen: dict[str, dict[str, tuple[Any, list[str]]]] = {}
    boilerplate = {module: prints(source, win_size=1).hashes for module, source in given.items()}
    for student, files in code.items():
        for module, source in files.items():
            known = list(boilerplate.get(module, ()))
            made = prints(source, win_size=WINDOW, boilerplate=known)
            if made.token_coverage >= SMALLEST:
                _, who = seen.setdefault(module, {}).setdefault(made.filtered_code, (made, []))
                who.append(student)
    found: list[tuple[float, str, Iterable[tuple[str, str]]]] = []
    for module, groups in seen.items():
        found += [(1.0, module, combinations(who, 2)) for _, who in groups.values()]
        for (mine, ones), (theirs, others) in combinations(groups.values(), 2):
            share = min(map(float, compare_files(mine, theirs)[1]))
            if share >= FROM:
                found.append((share, module, product(ones, others)))
    found.sort(key=lambda each: -each[0])
    return (Pair(module, two, share) for share, module, twos in found for two in twos)
