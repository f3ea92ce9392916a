"""What the name of a file that a student sent means: a module, a notebook, or neither."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.base.files import read_toml
from grader.base.paths import GRADER

KINDS = GRADER / "intake" / "unreadable.toml"
MAX_NAME = 100  # characters of a name that is looked at
MAX_COMPARED = 500  # names that are compared with those of the tasks
MAX_FOUND = 4  # of them that a message names
# What browsers and operating systems add to the name of a second download or of a copy.
BEFORE = re.compile(r"(?:copy of|kopie von|copie de|copia de)[ _]+", re.IGNORECASE)
AFTER = re.compile(
    r"(?:[ _-]*(?:\(\d{1,3}\)|\[\d{1,3}\])|[ _-]+\d{1,2}"
    r"|[ _]*-?[ _-]+(?:copy|copie|copia|kopie)(?:[ _-]*\(?\d{1,3}\)?)?)\Z",
    re.IGNORECASE,
)
# A suffix for text that a browser, a mail program or Windows put behind the true one.
HIDDEN = re.compile(r"\.(?P<true>py|ipynb)(?:\.(?:txt|text|json|download|py|ipynb))+\Z", re.I)
ARCHIVES = (".zip", ".tar", ".tgz", ".txz", ".tbz", ".tbz2", ".tar.gz", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True)
class Kind:
    """A kind of file that holds no code; the fields are explained in `unreadable.toml`."""

    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    what: str
    ask: str
    data: bool


@functools.cache
def kinds() -> tuple[Kind, ...]:
    """Return the kinds of files that hold no code."""
    return tuple(
        Kind(
            tuple(row["suffixes"]),
            tuple(map(bytes.fromhex, row["magic"])),
            row["is"],
            row["ask"],
            row.get("data", False),
        )
        for row in read_toml(KINDS)["kind"]
    )


def kind_by_name(name: str) -> Kind | None:
    """Return the kind of a file that holds no code, by its name."""
    name = name.lower().strip()
    return next((kind for kind in kinds() if name.endswith(kind.suffixes)), None)


def kind_by_content(data: bytes) -> Kind | None:
    """Return the kind of a file that holds no code, by its first bytes."""
    start = data[:64].lstrip()
    return next((kind for kind in kinds() if start.startswith(kind.magic or (b"\0" * 64,))), None)


def suffix(name: str) -> str:
    """Return `.py`, `.ipynb`, or the suffix of an archive, whatever was put behind it; else ""."""
    name = name.strip().lower()[-MAX_NAME:]
    if found := HIDDEN.search(name):
        return f".{found['true']}"
    # A second download of `a.tar.gz` is `a.tar (1).gz` or `a.tar.gz (1)`.
    name = re.sub(r"[ _-]*(?:\(\d{1,3}\)|-\d{1,2})(?=\Z|\.\w+\Z)", "", name)
    return next((each for each in (".py", ".ipynb", *ARCHIVES) if name.endswith(each)), "")


def stem(name: str) -> str:
    """Return the name of a file without its suffix, as it is."""
    found = HIDDEN.search(name)
    if found:
        return name[: found.start()]
    known = suffix(name)
    if known and name.lower().endswith(known):
        return name[: -len(known)]
    return name.rpartition(".")[0] or name


def plain_stem(name: str) -> str:
    """Return what a file was called before it was copied, in small letters."""
    name = stem(name[-MAX_NAME:]).strip()
    while match := BEFORE.match(name):
        name = name[match.end() :]
    while (match := AFTER.search(name)) and match.start():
        name = name[: match.start()]
    return name.strip().lower()


def without_number(name: str) -> str:
    """Return the name of a file without the number that a browser gave to a second download."""
    return re.sub(r"[ _-]*(?:\(\d{1,3}\)|\[\d{1,3}\])(?=\.\w+\Z)", "", name)


def module_of(name: str, modules: Sequence[str]) -> str | None:
    """Return the module, one of `modules`, that a file seems to be, whatever copies are called."""
    if suffix(name) != ".py":
        return None
    plain = plain_stem(name)
    own = stem(name).lower()
    return next((each for each in modules if each.lower() in (own, plain)), None)


def near_misses(names: Iterable[str], modules: Sequence[str]) -> list[str]:
    """Say which names could have been meant for which of the modules: "found X; expected Y.py"."""
    found = []
    for name in [name for name in names if len(name) <= MAX_NAME][:MAX_COMPARED]:
        if suffix(name) not in ("", ".py") or (not suffix(name) and not _is_text(name)):
            continue
        plain = plain_stem(name)
        words = re.split(r"[\W_]+|\d+", plain)
        for module in modules:
            close = difflib.SequenceMatcher(None, plain, module.lower()).ratio() >= 0.75
            if name != f"{module}.py" and (close or module.lower() in words):
                found.append(f"found {name}; expected {module}.py")
                break
    return found[:MAX_FOUND]


def _is_text(name: str) -> bool:
    """Whether a file without one of our suffixes may be code under another name."""
    return "." not in name or name.lower().endswith((".txt", ".text", ".pyw", ".py3", ".md"))
