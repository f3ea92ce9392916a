"""Chooses what counts of the files that were handed in: modules, a notebook, a script, an archive.

Nothing is parsed here. What was chosen is bytes and text, and can be sent to another process.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.base.errors import UsageError
from grader.contract.names import shown
from grader.contract.tasks import assignments, written_in
from grader.intake import file_names
from grader.intake.archives import MAX_ARCHIVE, is_archive
from grader.intake.encodings import as_utf8
from grader.intake.files import Item, is_skipped, single
from grader.intake.notebooks import CONFLICT, MAX_NOTEBOOK
from grader.intake.sources import MAX_FILE, MAX_FILES, check_count, check_size, left_out, take_out

VERSION = re.compile(r"version (\d{1,4})", re.IGNORECASE)
COMPRESSED = (".gz", ".xz", ".bz2")
DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class RawSubmission:
    """What counts of a submission, as it was handed in.

    Attributes:
        name: what messages call it.
        files: module name to source.
        names: module name to the file name that tracebacks show.
        only: the one module that was handed in, if it was a single file.
        left_out: modules that were there and are not taken, each with a line that says why.
        notes: lines on what was read in another way than it was sent, or not at all.
        main: the content of a notebook, a script or an archive that is still to be taken apart.
        main_name: its name.
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    only: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    main: bytes = b""
    main_name: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what was handed in."""
        total = hashlib.sha256()
        for name, data in sorted({**self.files, f"/{self.main_name}": self.main}.items()):
            total.update(f"{name}\0{len(data)}\0".encode() + data)
        return total.hexdigest()


def choose(items: Iterable[Item], modules: Sequence[str], name: str) -> RawSubmission:
    """Choose what counts of a folder or an archive that messages call `name`.

    Modules win over notebooks, those over archives in it, those over a script with all parts. Of
    modules the folder nearest to the root counts.

    Raises:
        UsageError: there is nothing that could be graded, or it is unclear what is meant.
    """
    items = _newest_versions([item for item in items if not is_skipped(item.path)])
    code = [item for item in items if file_names.suffix(item.path.name) == ".py"]
    exact = [item for item in code if item.path.name in [f"{module}.py" for module in modules]]
    copies = [item for item in code if file_names.module_of(item.path.name, modules)]
    if exact or copies:
        return _modules(items, code, exact or copies, modules, name)
    notebooks = [item for item in items if file_names.suffix(item.path.name) == ".ipynb"]
    if notebooks:
        return _notebook(notebooks, code, name)
    archives = [item for item in items if _may_be_archive(item)]
    if archives:
        inner = _one(archives, name)
        return RawSubmission(name, main=inner.read(MAX_ARCHIVE), main_name=inner.path.name)
    return _script(items, code, modules, name)


def _newest_versions(items: list[Item]) -> list[Item]:
    """Leave out what is in a folder `Version 1` beside `Version 2`, as Teams calls attempts."""
    newest: dict[PurePosixPath, int] = {}
    numbers = {}
    for item in items:
        for folder in item.path.parents:
            if found := VERSION.fullmatch(folder.name):
                numbers[folder] = int(found[1])
                newest[folder.parent] = max(int(found[1]), newest.get(folder.parent, 0))
    old = {folder for folder, number in numbers.items() if number < newest[folder.parent]}
    return [item for item in items if old.isdisjoint(item.path.parents)]


def choose_single(item: Item, modules: Sequence[str], name: str) -> RawSubmission:
    """Choose what a single file is.

    Raises:
        UsageError: it is nothing that could be graded.
    """
    file = item.path.name
    kind = file_names.kind_by_name(file)
    suffix = file_names.suffix(file)
    if suffix == ".ipynb":
        return RawSubmission(name, main=item.read(MAX_NOTEBOOK), main_name=file)
    if suffix == ".py":
        return _single_module(item, modules, name)
    if suffix:
        return RawSubmission(name, main=item.read(MAX_ARCHIVE), main_name=file)
    if kind is None or kind.data or file.lower().endswith(COMPRESSED):
        data = item.read(MAX_ARCHIVE)
        if is_archive(data):
            return RawSubmission(name, main=data, main_name=file)
        if data[:100].lstrip().startswith(b"{") and b'"nbformat"' in data:
            notes = [f"{shown(file)} was read as a notebook."]
            return RawSubmission(name, notes=notes, main=data, main_name=f"{file}.ipynb")
        kind = kind or file_names.kind_by_content(data)
    raise _nothing(name, [item], modules, kind)


def _single_module(item: Item, modules: Sequence[str], name: str) -> RawSubmission:
    file = item.path.name
    module = file_names.module_of(file, modules)
    data = item.read(MAX_FILE)
    if is_archive(data):
        return RawSubmission(name, main=data, main_name=file)
    source, notes = _text(data, shown(file))
    refuse_other_content(source, name, file)
    parts = _parts(source, modules)
    if module is None and _is_named_after(file, parts):
        (module,) = parts
    if module is None and not parts:
        expected = _expected(modules)
        raise UsageError(
            f"{name}: no task has a module of this name, and nothing in it belongs to a task. "
            f"Expected one of {expected}."
        )
    if module is None or _is_everything(parts):
        return RawSubmission(name, main=source, main_name=file, notes=notes)
    if file != f"{module}.py":
        notes = [_read_as(file, module), *notes]
    return RawSubmission(name, {module: source}, {module: item.shown}, only=module, notes=notes)


def _is_named_after(file: str, parts: Collection[str]) -> bool:
    """Whether a file has the parts of one module, and nearly its name."""
    return len(parts) == 1 and bool(file_names.near_misses([file], [*parts]))


def _modules(
    items: list[Item], code: list[Item], found: list[Item], modules: Sequence[str], name: str
) -> RawSubmission:
    """Take the modules of the folder nearest to the root, and what lies beside them."""
    folders = _folders(found, modules, name)
    code = [item for item in code if item.path.parent in folders]
    for path, count in Counter(item.path for item in code).items():
        if count > 1 and len({item.read(MAX_FILE) for item in code if item.path == path}) > 1:
            raise UsageError(
                f"{name}: contains {shown(repr(str(path)))} {count} times. Zip it again."
            )
    members = {item.path.stem: item for item in code if _importable(item)}
    notes = []
    for module in modules:
        if module not in members and (copy := _copy(code, module, modules, name)):
            members[module] = copy
            notes.append(_read_as(copy.path.name, module))
    for module, item in _by_content(code, modules).items():
        if module not in members and (_is_due(module, members) or not {*members} & {*modules}):
            members[module] = item
            notes.append(_read_as(item.path.name, module))
    out = take_out(members, modules)
    check_count(name, len(members))
    files = {}
    for module, item in members.items():
        files[module], more = _source(item)
        notes += more
    check_size(name, files)
    for module in {*files} & {*modules} if len({*files} & {*modules}) == 1 else ():
        if _is_everything(_parts(files[module], modules)):
            return _with_helpers(members[module], files[module], [*members.values()], notes, name)
    missing = [module for module in modules if module not in files and _is_due(module, files)]
    chosen = {members[module].path for module in modules if module in members}
    others = [item.path.name for item in items if item.path not in chosen]
    notes += [f"{text}." for text in file_names.near_misses(map(shown, others), missing)]
    notes += [
        f"{shown(item.path.name)} was ignored: the modules beside it are graded."
        for item in items
        if file_names.suffix(item.path.name) not in ("", ".py") and item.path.parent in folders
    ]
    names = {module: item.shown for module, item in members.items()}
    return RawSubmission(name, files, names, left_out=out, notes=notes)


def _is_due(module: str, files: Iterable[str]) -> bool:
    """Whether a module belongs to an assignment of which another one was handed in."""
    own = {*files}
    return any(module in each.modules and own & {*each.modules} for each in assignments().values())


def _folders(found: list[Item], modules: Sequence[str], name: str) -> set[PurePosixPath]:
    """Choose the folder nearest to the root; where there are several, the one of the exercise.

    Folders with a module each, all different ones, are one submission.
    """
    depth = min(len(item.path.parent.parts) for item in found)
    nearest: dict[PurePosixPath, list[str | None]] = {}
    for item in found:
        if len(item.path.parent.parts) == depth:
            module = file_names.module_of(item.path.name, modules)
            nearest.setdefault(item.path.parent, []).append(module)
    exercise = {folder for folder in nearest if folder.name == "exercise"}
    if len(exercise) == 1:
        return exercise
    held = [module for each in nearest.values() for module in {*each}]
    if len(held) != len({*held}):
        names = " and ".join(sorted(shown(repr(str(folder))) for folder in [*nearest][:4]))
        raise UsageError(f"{name}: the modules are in {names}. Keep only one of them.")
    return {*nearest}


def _importable(item: Item) -> bool:
    return item.path.suffix == ".py" and item.path.stem.isidentifier()


def _copy(code: list[Item], module: str, modules: Sequence[str], name: str) -> Item | None:
    """Find the file that is a module under the name of a copy.

    Raises:
        UsageError: there are several, and they differ.
    """
    found = [item for item in code if file_names.module_of(item.path.name, modules) == module]
    if len(found) > 1 and len({item.read(MAX_FILE) for item in found}) > 1:
        names = " and ".join(shown(item.path.name) for item in found[:4])
        raise UsageError(
            f"{name}: {names} could both be {module}.py, and neither has that name. "
            f"Rename the right one to {module}.py, and remove the other."
        )
    return found[0] if found else None


def _by_content(code: list[Item], modules: Sequence[str]) -> dict[str, Item]:
    """Find the modules whose parts one single file under another name defines."""
    found: dict[str, list[Item]] = {}
    for item in code[:MAX_FILES]:
        named = file_names.module_of(item.path.name, modules)
        if named is None and not left_out(item.path.stem):
            with contextlib.suppress(UsageError):  # that counts only where the file does
                for module in _parts(_source(item)[0], modules):
                    found.setdefault(module, []).append(item)
    return {module: items[0] for module, items in found.items() if len(items) == 1}


def _read_as(file: str, module: str) -> str:
    return f"{shown(file)} was read as {module}.py."


def _notebook(notebooks: list[Item], code: list[Item], name: str) -> RawSubmission:
    """Take the only notebook, or the one with the name of an assignment, and helpers beside it."""
    named = [item for item in notebooks if item.path.stem in assignments()]
    chosen = named[0] if len(named) == 1 else _one(notebooks, name)
    notes = [
        f"{shown(item.path.name)} was ignored: {shown(chosen.path.name)} is graded."
        for item in notebooks
        if item is not chosen
    ]
    helpers = [item for item in code if item.path.parent == chosen.path.parent]
    return _with_helpers(chosen, chosen.read(MAX_NOTEBOOK), helpers, notes, name)


def _with_helpers(
    chosen: Item, main: bytes, helpers: list[Item], notes: list[str], name: str
) -> RawSubmission:
    """Take a notebook or a script with the modules beside it that it may import."""
    beside = {item.path.stem: item for item in helpers if _importable(item) and item is not chosen}
    out = take_out(beside, [])
    check_count(name, len(beside))
    files = {}
    for module, item in beside.items():
        files[module], more = _source(item)
        notes = [*notes, *more]
    check_size(name, files)
    names = {module: item.shown for module, item in beside.items()}
    return RawSubmission(
        name, files, names, None, out, notes, main=main, main_name=chosen.path.name
    )


def _may_be_archive(item: Item) -> bool:
    return file_names.suffix(item.path.name) in file_names.ARCHIVES


def _one(items: list[Item], name: str) -> Item:
    """Return the only one of several files.

    Raises:
        UsageError: they differ.
    """
    if len(items) > 1:
        names = " and ".join(shown(item.path.name) for item in items[:4])
        raise UsageError(
            f"{name}: it contains {names}, and it is unclear which one to grade. Keep one."
        )
    return items[0]


def _script(
    items: list[Item], code: list[Item], modules: Sequence[str], name: str
) -> RawSubmission:
    """Take the one .py file that defines parts of tasks, whatever it is called."""
    check_count(name, len(code))
    found = [(item, *_source(item)) for item in code]
    check_size(name, {str(index): source for index, (_, source, _) in enumerate(found)})
    scripts = [(item, source, notes) for item, source, notes in found if _parts(source, modules)]
    parts = [module for _, source, _ in scripts for module in _parts(source, modules)]
    several = len(scripts) > 1 and len({*parts}) == len(parts)
    if several or (len(scripts) == 1 and _is_named_after(scripts[0][0].path.name, parts)):
        return _modules(items, code, [item for item, _, _ in scripts], modules, name)
    if len(scripts) != 1:
        raise _nothing(name, items, modules)
    item, source, notes = scripts[0]
    helpers = [each for each in code if each.path.parent == item.path.parent]
    return _with_helpers(item, source, helpers, notes, name)


def _text(data: bytes, name: str) -> tuple[bytes, list[str]]:
    """Return source code as Python reads it, and lines on why Python would not."""
    text, notes = as_utf8(data, name)
    if found := CONFLICT.search(text):
        line = text.count(b"\n", 0, found.start()) + 1
        notes.append(f"{name} contains the markers of a merge conflict (line {line}). Resolve it.")
    return text, notes


def _source(item: Item) -> tuple[bytes, list[str]]:
    """Read a source file; also return lines on what is wrong with it."""
    data = item.read(MAX_FILE)
    kind = file_names.kind_by_content(data)
    if kind is not None:
        return data, [f"{shown(item.path.name)} is {kind.what} by its content. Submit {kind.ask}."]
    if is_archive(data):
        return data, [
            f"{shown(item.path.name)} is an archive by its content. Submit what is in it."
        ]
    return _text(data, shown(item.path.name))


def _is_everything(parts: set[str]) -> bool:
    """Whether a file that defines the parts of these modules stands for a whole assignment."""
    return len(parts) > 1 and any(
        2 * len(parts & {*each.modules}) > len(each.modules) for each in assignments().values()
    )


def modules_beside(path: Path) -> dict[str, bytes]:
    """Return the modules in the folder of a notebook; none if there are too many or odd ones."""
    items = [single(file) for file in sorted(path.parent.glob("*.py"))[: MAX_FILES + 1]]
    try:
        return _with_helpers(single(path), b"", items, [], path.name).files
    except (UsageError, OSError):
        return {}


def _parts(source: bytes, modules: Sequence[str]) -> set[str]:
    """Return the modules whose parts a source defines, as its text tells."""
    defined = {*DEFINITION.findall(source.decode("utf-8", "replace"))}
    return {
        module
        for module in modules
        if defined & {name for task in written_in(module) for name in task.names}
    }


def refuse_other_content(data: bytes, name: str, file: str) -> None:
    """Refuse a file whose content is of another kind than its name says.

    Raises:
        UsageError: it is.
    """
    kind = file_names.kind_by_content(data)
    if kind is not None:
        raise UsageError(f"{name}: {shown(file)} is {kind.what} by its content. Submit {kind.ask}.")


def _expected(modules: Sequence[str]) -> str:
    return ", ".join(f"{module}.py" for module in modules)


def _nothing(
    name: str, items: list[Item], modules: Sequence[str], kind: file_names.Kind | None = None
) -> UsageError:
    """Say what was sent instead of code, what it could have been meant for, what to ask for."""
    for item in items:
        if item.link:
            return UsageError(
                f"{name}: {shown(item.path)} is a symbolic link. Replace it with what it points to."
            )
    names = [shown(item.path.name) for item in items]
    near = file_names.near_misses(names, modules)
    if near:
        return UsageError(
            f"{name}: not a submission; {', '.join(near)}. "
            "Submit a folder, a .zip, or one .py with the expected names."
        )
    for each in names:
        of = file_names.kind_by_name(each)
        if of is not None and not of.data:
            return UsageError(
                f"{name}: not a submission; {each} is {(kind or of).what}, which the grader cannot "
                f"read. Submit {(kind or of).ask}."
            )
    if kind is not None:
        return UsageError(
            f"{name}: not a submission; it is {kind.what}, which the grader cannot read. "
            f"Submit {kind.ask}."
        )
    some = f" (it contains {', '.join(names[:4])})" if names else " (it is empty)"
    return UsageError(
        f"{name}: it has none of {_expected(modules)}{some}. "
        "Submit a folder, a .zip, one .py or a notebook that contains them."
    )
