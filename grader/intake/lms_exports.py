"""Finds and reads the submissions of a class in a folder, including exports of LMSs.

Nothing of a submission is executed here. Its names become ids, never paths.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count, islice
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract import course
from grader.contract.names import plain_id
from grader.contract.tasks import MAIN
from grader.intake import file_names, files, reader
from grader.intake.choice import RawSubmission, choose
from grader.intake.sources import MAX_FILES, bounded

LAYOUTS = GRADER / "intake" / "lms_layouts.toml"
ATTEMPT = "_attempt_"  # in names of Blackboard
MAX_PEOPLE = 16 << 20  # bytes
SUBMITTERS = re.compile(r"(?m)^submission_(\d+):\n *:submitters:\n((?: *- .*\n(?: {3,}.*\n)*)+)")
PERSON = re.compile(r"(?m)^ *:(name|sid|email): *(.*?) *$")
DATES = tuple(
    f"{day} %Y %I%M %p" for day in ("%b %d,", "%B %d,", "%d %b,", "%d %B,")
)  # "Nov 21, 2026 1130 PM"
NOT_CODE = ("__MACOSX", "__pycache__", ".git", ".ipynb_checkpoints")


@dataclass(frozen=True)
class Layout:
    """How an export names its entries; `lms_layouts.toml` explains the fields."""

    name: str
    entry: str
    ignore: str = ""
    holds: str = ""
    inner: str = ""
    root: str = ""
    people: str = ""

    def of(self, assignment: str) -> Layout:
        """Return the layout with an assignment's id filled in."""
        inner, holds = (text.format(assignment=assignment) for text in (self.inner, self.holds))
        return dataclasses.replace(self, inner=inner, holds=holds)

    def filled(self, names: Sequence[str]) -> Layout:
        """Return the layout with what the names of all entries begin with filled in."""
        attempts = [name.partition(ATTEMPT)[0] for name in names if ATTEMPT in name]
        starts = {"{prefix}": _start(names, "-"), "{title}": _start(attempts, "_")}
        entry, ignore = self.entry, self.ignore
        for place, start in starts.items():
            entry = entry.replace(place, re.escape(start))
            ignore = ignore.replace(place, re.escape(start))
        return dataclasses.replace(self, entry=entry, ignore=ignore)

    def matches(self, entries: Iterable[Path]) -> dict[Path, re.Match[str]]:
        """Return the entries whose names match this layout."""
        pattern = re.compile(self.entry, re.DOTALL)
        found = {entry: pattern.fullmatch(entry.name) for entry in entries}
        return {
            entry: match
            for entry, match in found.items()
            if match and (not self.holds or (entry / self.holds).exists())
        }

    def ignored(self, entries: Iterable[Path]) -> dict[Path, re.Match[str]]:
        """Return the entries that this layout ignores."""
        found = {entry: re.fullmatch(self.ignore, entry.name) for entry in entries}
        return {entry: match for entry, match in found.items() if match}


def _start(names: Sequence[str], end: str) -> str:
    """Return what all names begin with, up to the last of a sign."""
    common = os.path.commonprefix(names)  # noqa: RUF071
    return common[: common.rfind(end) + 1]


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
        notes: lines on what else was handed in, and what counts.
        owner: the id without the number of another hand-in: `ada` of `ada~2`.
    """

    student: str
    name: str
    path: str
    parts: tuple[HandInFile, ...]
    notes: tuple[str, ...] = ()
    owner: str = ""

    @property
    def late(self) -> bool | None:
        """Whether the export marks it as late; None if the export marks nothing."""
        told = [part.late for part in self.parts if part.late is not None]
        return any(told) if told else None


@functools.cache
def layouts() -> dict[str, Layout]:
    """Read the known layouts by name."""
    return {row["name"]: Layout(**row) for row in read_toml(LAYOUTS)["layout"]}


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
        if layout.people and not (root / layout.people).is_file():
            continue
        entries = [entry for entry in _visible(root) if entry.name != layout.people]
        layout = layout.filled([entry.name for entry in entries])
        ignored = layout.ignored(entries)
        entries = [entry for entry in entries if entry not in ignored]
        matches = layout.matches(entries)
        if entries and 2 * len(matches) > len(entries):
            break
    else:
        layout, entries, matches, ignored = Layout("folders", ""), _visible(folder), {}, {}
    for entry, match in [*ignored.items()]:
        found = match.groupdict().get("student")
        if found and all(each["student"] != found for each in matches.values()):
            matches[entry] = ignored.pop(entry)
            entries.append(entry)
    if not any(entry in matches or _is_handed_in(entry) for entry in entries):
        raise UsageError(f"{folder}: no submission found. Give the class's folder.")
    people, more = _people(root / layout.people) if layout.people else ({}, [])
    handed, notes = _by_student(folder, layout, entries, matches, people)
    notes += more
    others = [entry for entry in entries if entry not in matches and not _is_handed_in(entry)]
    notes += [f"{_shown(folder, entry)}: holds no code; skipped" for entry in [*ignored, *others]]
    notes += [
        f"{plain_id(path.name)}: its name begins with a dot; skipped"
        for path in _listed(folder)
        if path.name.startswith(".") and _is_code(path)
    ]
    return layout.name, handed, notes


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
    return path.is_symlink() or path.is_dir() or bool(file_names.suffix(path.name))


def _is_handed_in(path: Path) -> bool:
    """Tell whether an entry is a student's: code, or what was sent instead of it."""
    kind = file_names.kind_by_name(path.name)
    return _is_code(path) or (kind is not None and not kind.data)


def _shown(folder: Path, path: Path) -> str:
    return plain_id(path.relative_to(folder).as_posix())


def _by_student(
    folder: Path,
    layout: Layout,
    entries: list[Path],
    matches: dict[Path, re.Match[str]],
    people: Mapping[str, tuple[str, str]],
) -> tuple[list[HandIn], list[str]]:
    """Group the entries by student; `people` has the id and the name of some, by their number."""
    parts: dict[str, list[HandInFile]] = {}
    names: dict[str, str] = {}
    called: defaultdict[str, set[str]] = defaultdict(set)
    for match in matches.values():
        name = plain_id(match.groupdict().get("name") or "")
        called[plain_id(match["student"])].add(name)
    notes = [
        f"{student}: there are {len(some)} names with this id; each is graded by itself"
        for student, some in called.items()
        if len(some) > 1
    ]
    for entry in entries:
        if entry not in matches:
            if not _is_handed_in(entry):
                continue
            student = entry.name if entry.is_dir() else file_names.stem(entry.name)
            parts.setdefault(plain_id(student), []).append(HandInFile(entry))
            continue
        told = {"name": "", "file": "", "suffix": "", "number": None, "upload": None, "date": ""}
        groups = matches[entry].groupdict()
        told |= groups
        late = groups["late"] is not None if "late" in groups else None
        student, name = plain_id(str(told["student"])), plain_id(str(told["name"]))
        if len(called[student]) > 1:  # a name may have been chosen to look like another's id
            student = f"{student} ({name})"
        student, name = people.get(student, (student, name))
        names[student] = name
        newness = (_number(told["number"]) or _time(told["date"]), _number(told["upload"]))
        place = entry / layout.inner if layout.inner else entry
        file = f"{told['file'] or ''}{told['suffix'] or ''}"
        parts.setdefault(student, []).append(HandInFile(place, file, newness, late))
    handed, more = [], []
    for student, found in parts.items():
        several, lines = _hand_ins(student, names.get(student, ""), folder, found, parts)
        handed += several
        more += lines
    return handed, [*notes, *more]


def _hand_ins(
    student: str, name: str, folder: Path, found: list[HandInFile], taken: Container[str]
) -> tuple[list[HandIn], list[str]]:
    """Return what a student's entries are graded as, and notes if there is more than one."""
    groups = _attempts(found) if course.current().attempts == "best" else _choose(found)
    free = (id_ for number in count(2) if (id_ := f"{student}~{number}") not in taken)
    ids = [student, *islice(free, len(groups) - 1)]
    paths = [", ".join(_shown(folder, part.place) for part in chosen) for chosen in groups]
    kept = {part for chosen in groups for part in chosen}
    lines = [
        *(f"{path} is graded as {id_}" for id_, path in zip(ids[1:], paths[1:], strict=True)),
        *(f"{_shown(folder, part.place)} is skipped" for part in found if part not in kept),
    ]
    notes = tuple(bounded([f"Handed in more than once; {line}." for line in lines]))
    handed = [
        HandIn(id_, name, path, tuple(chosen), notes, owner=student)
        for id_, path, chosen in zip(ids, paths, groups, strict=True)
    ]
    return handed, [f"{student}: handed in more than once; {line}" for line in lines]


def _number(told: str | None) -> int:
    """Return the digits of a number, or of a date from the year on, as one number."""
    return int("".join(filter(str.isdecimal, told or "")) or 0)


def _time(told: str | None) -> int:
    """Return a date as one number, the higher the later; 0 if it is none."""
    for form in DATES:
        with contextlib.suppress(ValueError):
            return int(datetime.strptime(told or "", form).replace(tzinfo=timezone.utc).timestamp())
    return 0


def _people(path: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Read whose submissions an export has, from YAML as Gradescope writes it.

    Returns:
        The id and the name of a student, by the number of the submission; of a group, the first
        one's, and a note.
    """
    text = files.read(path, MAX_PEOPLE).decode("utf-8", "replace")
    found: dict[str, tuple[str, str]] = {}
    notes = []
    for number, block in SUBMITTERS.findall(text):
        group = [dict(PERSON.findall(each)) for each in re.split(r"(?m)^ *- ", block)[1:]]
        known = [{key: value.strip("'\"") for key, value in each.items()} for each in group]
        names = [plain_id(each.get("name", "")) for each in known]
        ids = [plain_id(each.get("sid") or each.get("email") or number) for each in known]
        found[number] = (ids[0], names[0])
        if len(known) > 1:
            notes.append(f"submission_{number}: by {', '.join(names)}; it is graded as {ids[0]}")
    return found, notes


def _attempts(parts: list[HandInFile]) -> list[list[HandInFile]]:
    """Return every attempt that the names tell apart, the newest first."""
    numbers = sorted({part.newness[0] for part in parts}, reverse=True)
    return [
        group
        for number in numbers
        for group in _choose([part for part in parts if part.newness[0] == number])
    ]


def _choose(parts: list[HandInFile]) -> list[list[HandInFile]]:
    """Choose the newest of a student's entries, or all if the names do not say which is newer.

    Single modules with names of their own make one submission. What holds no code counts only
    where there is nothing else.
    """
    newest: dict[str, HandInFile] = {}
    for part in sorted(parts, key=lambda part: part.newness):
        name = file_names.without_number(part.file) if any(part.newness) else part.file
        newest[name or str(part.place)] = part
    left = [part for part in newest.values() if _holds_code(part)] or [*newest.values()]
    modules = [part for part in left if file_names.suffix(part.file) == ".py"]
    others = [part for part in left if part not in modules]
    groups = [modules, *([part] for part in others)] if modules else [[part] for part in others]
    groups.sort(key=lambda group: max(part.newness for part in group))
    if len({part.newness for part in left}) == len(left):
        return groups[-1:]
    return groups


def _holds_code(part: HandInFile) -> bool:
    return (
        part.place.is_dir()
        or part.place.is_symlink()
        or bool(file_names.suffix(part.file or part.place.name))
    )


def read(handed: HandIn, modules: Sequence[str]) -> RawSubmission:
    """Read a submission, of which `modules` are the tasks' modules.

    Raises:
        UsageError: the submission cannot be read, or breaks a limit.
    """
    if len(handed.parts) == 1:
        part = handed.parts[0]
        raw = reader.read(part.place, modules, part.file)
    else:
        items = [files.single(part.place, part.file) for part in handed.parts[:MAX_FILES]]
        raw = choose(items, modules, handed.student)
    return dataclasses.replace(raw, name=handed.student)
