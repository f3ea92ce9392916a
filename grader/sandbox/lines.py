"""Shows the student's line that was running, and the loop that it is in, as plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

LOOP = re.compile(r"\s*(?:async\s+)?(?:while|for)\b")
DEFINITION = re.compile(r"\s*(?:async\s+)?(?:def|class)\b")
FRAME = re.compile(r'^  File "(.{1,300})", line (\d{1,7}) in (.{1,200})$', re.MULTILINE)
LONGEST = 80  # characters of a line that is shown


def place_of(dump: str, names: Mapping[str, str]) -> str:
    """Find the student's line in a dump by faulthandler.

    The thread that crashed comes first, then the main thread, which is last in the dump.
    """
    own = {name.encode("ascii", "backslashreplace").decode(): name for name in names.values()}
    stacks = re.findall(r"^(Current t|T)hread 0x.*\n((?:  .*\n?)*)", dump, re.MULTILINE)
    stacks.reverse()
    for _, stack in sorted(stacks, key=lambda found: found[0] == "T"):
        for file, line, function in re.findall(FRAME, stack):
            if file in own:
                return f"{own[file]}, line {line}, in {function}"
    return ""


def around(place: str, names: Mapping[str, str], files: Mapping[str, bytes]) -> str:
    """Return the text of a line, and the innermost loop that it is in.

    Args:
        place: "FILE, line N, in FUNCTION".
        names: the files' names by module.
        files: the sources by module.
    """
    found = re.fullmatch(r"(?s)(.*), line (\d+), in .*", place)
    source = next((files[m] for m, name in names.items() if found and name == found[1]), b"")
    lines = source.decode("utf-8", "replace").split("\n")
    if not source or found is None or not 0 < (line := int(found[2])) <= len(lines):
        return ""
    shown = [f"    {_short(lines[line - 1])}"]
    loop = _loop(lines, line - 1)
    if loop == line - 1:
        shown.append("The loop in this line was still running. Does it end?")
    elif loop is not None:
        shown.append(f"  in the loop of {found[1]}, line {loop + 1}")
        shown.append(f"    {_short(lines[loop])}")
        shown.append("This loop was still running. Does it end?")
    return "\n".join(shown)


def _loop(lines: Sequence[str], at: int) -> int | None:
    """Return the line of the innermost loop around a line, by indentation."""
    indent = len(lines[at]) - len(lines[at].lstrip()) + 1
    for number in range(at, -1, -1):
        line = lines[number]
        own = len(line) - len(line.lstrip())
        if not line.strip() or own >= indent:
            continue
        if LOOP.match(line):
            return number
        if DEFINITION.match(line):
            return None
        indent = own
    return None


def _short(line: str) -> str:
    text = line.strip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
