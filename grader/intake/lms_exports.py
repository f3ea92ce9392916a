"""Finds and reads the submissions of a class in a folder, including exports of LMSs.

Nothing of a submission is executed here. Its names become ids, never paths.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract.names import plain_id
from grader.contract.tasks import MAIN, assignments, get_assignment
from grader.intake import sources
from grader.intake.sources import Sources

LAYOUTS = GRADER / "intake" / "lms_layouts.toml"
MAX_NOTEBOOK = 20 << 20  # bytes
DEPTH = 4  # levels of nested folders to search for a submission
NOT_CODE = ("__MACOSX", "__pycache__", ".git", ".ipynb_checkpoints")
TAKEN = (".zip", ".py", ".ipynb")


@dataclass(frozen=True)
class Layout:
    """How an export names its entries; `lms_layouts.toml` explains the fields."""

    name: str
    entry: str
    ignore: str = ""
    holds: str = ""
    inner: str = ""
    root: str = ""

    def of(self, assignment: str) -> Layout:
        """Return the layout with an assignment's id filled in."""
        inner, holds = (text.format(assignment=assignment) for text in (self.inner, self.holds))
        return dataclasses.replace(self, inner=inner, holds=holds)

    def matches(self, entries: Iterable[Path]) -> dict[Path, re.Match[str]]:
        """Return the entries whose names match this layout."""
        entries = list(entries)
        prefix = os.path.commonprefix([entry.name for entry in entries])  # noqa: RUF071
        start = prefix[: prefix.rfind("-") + 1]
        pattern = re.compile(self.entry.replace("{prefix}", re.escape(start)), re.DOTALL)
        found = {entry: pattern.fullmatch(entry.name) for entry in entries}
        return {
            entry: match
            for entry, match in found.items()
            if match and (not self.holds or (entry / self.holds).exists())
        }


@dataclass(frozen=True)
class HandInFile:
    """A student's entry in the folder; `file` is the name that the student gave it."""

    place: Path
    file: str = ""
    newness: tuple[int, int] = (0, 0)
    late: bool | None = None


@dataclass(frozen=True)
class HandIn:
    """The files that a student handed in.

    Attributes:
        student: the student's id.
        name: the student's name, if the export has it.
        path: the path relative to the class's folder.
        parts: the entries: one, or several single modules.
    """

    student: str
    name: str
    path: str
    parts: tuple[HandInFile, ...]

    @property
    def late(self) -> bool | None:
        """Whether the export marks it as late; None if the export marks nothing."""
        told = [part.late for part in self.parts if part.late is not None]
        return any(told) if told else None


@dataclass(frozen=True)
class RawSubmission:
    """The contents of a submission before modules are extracted.

    Attributes:
        sources: the modules, if it has any.
        notebook: the JSON of a notebook.
        script: a file that holds all modules.
    """

    sources: Sources | None = None
    notebook: bytes = b""
    script: bytes = b""

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the contents."""
        if self.sources is not None:
            return self.sources.digest
        return hashlib.sha256(self.notebook or self.script).hexdigest()


@functools.cache
def layouts() -> dict[str, Layout]:
    """Read the known layouts by name."""
    return {row["name"]: Layout(**row) for row in read_toml(LAYOUTS)["layout"]}


def module_names(assignment: str | None) -> list[str]:
    """Return the modules to look for: an assignment's, or those of all assignments.

    Raises:
        UsageError: the id is unknown.
    """
    named = [get_assignment(assignment)] if assignment else assignments().values()
    return [module for each in named for module in each.modules]


def find(folder: Path, assignment: str | None = None) -> tuple[str, list[HandIn], list[str]]:
    """Find the submissions of a class, for one assignment or for any.

    Returns:
        The layout's name or "folders", the submissions by student, and notes on skipped entries.

    Raises:
        UsageError: the folder cannot be read or holds no submission.
    """
    for known in layouts().values():
        layout = known.of(assignment or MAIN)
        root = folder / layout.root if (folder / layout.root).is_dir() else folder
        entries = _visible(root)
        ignored = [entry for entry in entries if re.fullmatch(layout.ignore, entry.name)]
        entries = [entry for entry in entries if entry not in ignored]
        matches = layout.matches(entries)
        if entries and 2 * len(matches) > len(entries):
            break
    else:
        layout, entries, matches, ignored = Layout("folders", ""), _visible(folder), {}, []
    if not any(entry in matches or _is_code(entry) for entry in entries):
        raise UsageError(f"{folder}: no submission found. Give the class's folder.")
    handed, notes = _by_student(folder, layout, entries, matches)
    ignored += [entry for entry in entries if entry not in matches and not _is_code(entry)]
    notes += [f"{_shown(folder, entry)}: holds no code; skipped" for entry in ignored]
    notes += [
        f"{plain_id(path.name)}: its name begins with a dot; skipped"
        for path in _listed(folder)
        if path.name.startswith(".") and _is_code(path)
    ]
    return layout.name, handed, notes


def _entries(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if _is_code(path)]


def _visible(folder: Path) -> list[Path]:
    found = _listed(folder)
    return [p for p in found if not p.name.startswith(".") and p.name not in NOT_CODE]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be read ({error.strerror}). Give a folder that you may read."
        ) from None


def _is_code(path: Path) -> bool:
    """Return whether an entry may be, or contain, a submission."""
    if path.name in NOT_CODE:
        return False
    return path.is_symlink() or path.is_dir() or path.suffix.lower() in TAKEN


def _shown(folder: Path, path: Path) -> str:
    return plain_id(path.relative_to(folder).as_posix())


def _by_student(
    folder: Path, layout: Layout, entries: list[Path], matches: dict[Path, re.Match[str]]
) -> tuple[list[HandIn], list[str]]:
    """Group the entries by student."""
    parts: dict[str, list[HandInFile]] = {}
    names: dict[str, str] = {}
    for entry in entries:
        if entry not in matches:
            if not _is_code(entry):
                continue
            student = entry.stem if entry.suffix.lower() in TAKEN else entry.name
            parts.setdefault(plain_id(student), []).append(HandInFile(entry))
            continue
        told = {"name": "", "file": "", "suffix": "", "number": None, "upload": None}
        groups = matches[entry].groupdict()
        told |= groups
        late = groups["late"] is not None if "late" in groups else None
        student = plain_id(str(told["student"]))
        names.setdefault(student, plain_id(str(told["name"])))
        newness = (int(told["number"] or 0), int(told["upload"] or 0))
        place = entry / layout.inner if layout.inner else entry
        file = f"{told['file'] or ''}{told['suffix'] or ''}"
        parts.setdefault(student, []).append(HandInFile(place, file, newness, late))
    handed, notes = [], []
    for student, found in parts.items():
        free = (id_ for number in count(2) if (id_ := f"{student}~{number}") not in parts)
        for number, chosen in enumerate(_choose(found)):
            path = ", ".join(_shown(folder, part.place) for part in chosen)
            id_ = next(free) if number else student
            if number:
                notes.append(f"{student}: handed in more than once; {path} is graded as {id_}")
            handed.append(HandIn(id_, names.get(student, ""), path, tuple(chosen)))
        kept = {part for chosen in _choose(found) for part in chosen}
        notes += [
            f"{student}: handed in more than once; {_shown(folder, part.place)} is skipped"
            for part in found
            if part not in kept
        ]
    return handed, notes


def _choose(parts: list[HandInFile]) -> list[list[HandInFile]]:
    """Choose the newest of a student's entries, or all if the names do not say which is newer.

    Single modules with different names form one submission.
    """
    newest: dict[str, HandInFile] = {}
    for part in sorted(parts, key=lambda part: part.newness):
        newest[part.file or str(part.place)] = part
    left = [part for part in newest.values() if _is_code(part.place)] or [*newest.values()]
    if len(left) > 1 and all(part.file.endswith(".py") for part in left):
        return [left]
    if len({part.newness for part in left}) == len(left):
        return [left[-1:]]
    return [[part] for part in left]


def read(handed: HandIn, modules: Sequence[str]) -> RawSubmission:
    """Read a submission, of which `modules` are the tasks' modules.

    Raises:
        UsageError: the submission cannot be read, or breaks a limit.
    """
    if len(handed.parts) == 1:
        part = handed.parts[0]
        content = _read_one(part, handed.student, modules)
    else:
        named = {Path(part.file).stem: part.place for part in handed.parts[: sources.MAX_FILES]}
        out = sources.take_out(named, modules)
        files = {name: sources.read(place) for name, place in named.items() if name.isidentifier()}
        sources.check_size(Path(handed.student), files)
        content = RawSubmission(Sources(handed.student, files, {}, left_out=out))
    if content.sources is None:
        return content
    names = {module: f"{module}.py" for module in content.sources.files}
    return RawSubmission(dataclasses.replace(content.sources, name=handed.student, names=names))


def _read_one(part: HandInFile, student: str, modules: Sequence[str]) -> RawSubmission:
    place = _locate(part.place, modules)
    suffix = place.suffix.lower()
    if suffix == ".ipynb" and not place.is_dir():
        return RawSubmission(notebook=sources.read(place, MAX_NOTEBOOK))
    if suffix == ".py" and not place.is_dir():
        module = Path(part.file or place.name).stem
        if module in modules:
            return RawSubmission(Sources(student, {module: sources.read(place)}, {}, only=module))
        return RawSubmission(script=sources.read(place))
    if suffix == ".zip" and not place.is_dir():
        notebook = sources.notebook_in_zip(place, modules, MAX_NOTEBOOK)
        if notebook is not None:
            return RawSubmission(notebook=notebook)
    return RawSubmission(sources.load(place, modules))


def _locate(place: Path, modules: Sequence[str], depth: int = DEPTH) -> Path:
    """Descend to the code, through folders that hold a single folder, zip or notebook.

    Raises:
        UsageError: a folder holds several of them.
    """
    if place.is_symlink() or not place.is_dir() or depth == 0 or _has(place, modules):
        return place
    inside = [entry for entry in _entries(place) if entry.suffix != ".py" or entry.is_dir()]
    folders = [entry for entry in inside if not entry.is_dir() or _holds_something(entry)]
    if len(folders) == 1:
        return _locate(folders[0], modules, depth - 1)
    if len(folders) > 1:
        names = " and ".join(plain_id(entry.name) for entry in folders[:4])
        raise UsageError(f"It holds {names}: which one counts is unclear. Keep only one.")
    scripts = [entry for entry in _entries(place) if entry.suffix == ".py"]
    return scripts[0] if len(scripts) == 1 else place


def _has(folder: Path, modules: Sequence[str]) -> bool:
    return any(
        (place / f"{module}.py").exists()
        for module in modules
        for place in (folder, folder / "exercise")
    )


def _holds_something(folder: Path) -> bool:
    return any(True for _ in _walk(folder, DEPTH))


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the possible code files below a folder."""
    for entry in _entries(folder):
        if entry.is_dir() and not entry.is_symlink():
            if depth:
                yield from _walk(entry, depth - 1)
        else:
            yield entry
