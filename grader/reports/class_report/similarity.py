"""Finds pairs of submissions with similar code, using copydetect (the extra `similarity`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

FROM = 0.9  # hand-written variants of one solution share at most 0.88, most of them less than 0.5
SMALLEST = 100  # characters of a student's own code; less is too short to compare
GRAM, WINDOW = 25, 10  # copydetect's defaults: 25 equal characters count as copied

Tokens = Mapping[str, Mapping[str, str]]  # by student and module


@dataclass(frozen=True)
class Pair:
    """Two students, and the share of a module's code that they have in common."""

    module: str
    students: tuple[str, str]
    share: float


def tokens(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the code of each module without names, comments and layout; none without copydetect.

    This parses what a student wrote: call it in the process with limits.
    """
    try:
        from copydetect.utils import filter_code
    except ModuleNotFoundError:
        return {}
    texts = {module: source.decode("utf-8", "replace") for module, source in files.items()}
    return {module: str(filter_code(text, "module.py")[0]) for module, text in texts.items()}


def pairs(code: Tokens, given: Mapping[str, bytes]) -> Iterator[Pair] | None:
    """Yield the pairs that share at least `FROM` of their code, the most similar first.

    Args:
        code: the tokens of the submissions.
        given: the stubs; their code is not counted.

    Returns:
        An iterator, because n equal submissions make about n * n / 2 pairs; None if copydetect is
        not installed.
    """
    if len(code) < 2:
        return iter(())
    try:
        from copydetect.detector import CodeFingerprint, compare_files
    except ModuleNotFoundError:
        return None

    def prints(text: str, **options: Any) -> Any:
        return CodeFingerprint("module.py", GRAM, fp=io.StringIO(text), filter=False, **options)

    # module -> its tokens -> their fingerprint, and the students who have them
    seen: dict[str, dict[str, tuple[Any, list[str]]]] = {}
    stubs = tokens(given)
    boilerplate = {module: prints(text, win_size=1).hashes for module, text in stubs.items()}
    for student, modules in code.items():
        for module, text in modules.items():
            known = list(boilerplate.get(module, ()))
            made = prints(text, win_size=WINDOW, boilerplate=known)
            if made.token_coverage >= SMALLEST:
                _, who = seen.setdefault(module, {}).setdefault(text, (made, []))
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
