"""Builds all files of an assignment that is written in one file, `own/<assignment>.py`.

Its docstring is the title and the beginning of the lesson. The reference follows, as in
`solution/`: students write the functions that hold a solution region. The rest are the checks:

    # %% checks
    HINTS = ("vague", "clearer", "explicit")
    POINTS = {"whole": 60, "empty": 40}  # of each check
    check_whole = close("mean", [[1, 2, 6]], 3.0, "The mean of whole numbers.")
    check_empty = raises("mean", [[]], ValueError, "No numbers have no mean.")

Each of these functions is a task. `HINTS` can also be a dict with three texts per function, and
`PACKAGES = ("sklearn",)` lists further packages that student code may import. A check that
something is raised waits for the function's first other check: else a function that always raises
would earn points.
Delete the file if the assignment outgrows it: what was built from it is as any other assignment.
"""

from __future__ import annotations

import ast
import keyword
import symtable
import sys
import traceback
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.paths import CHECKS, COURSE, ROOT, SOLUTION
from grader.contract import signatures
from grader.contract.policy import written
from grader.contract.tables import ASSIGNMENTS
from grader.contract.tasks import all_tasks, read_again
from grader.maintain.stubs import REBUILD, BuildError, find_regions, read, write

OWN = ROOT / "own"
MARK = "# %% checks"
MOST_POINTS = 10_000  # of a check
PACKAGES = ("IPython", "numpy", "torch", "tqdm", "typing_extensions")
OTHER_PART = f"the checks do not see what is above `{MARK}`: import or define it below it, too"
HEAD = "# Built from own/{}.py by `python -m grader build`: change that file, not this one."


class Twice(Exception):
    """A check with a name that another one has; `line` is counted from the mark."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(name)
        self.line = line


@dataclass(frozen=True)
class Made:
    """A check in the file: the function that makes it, what it calls, and its lines, from 1."""

    by: str
    calls: str
    lines: range


@dataclass(frozen=True)
class OneFile:
    """An assignment in one file.

    Attributes:
        id: its name; that of its module, too.
        title: the first line of its docstring.
        text: the rest of the docstring.
        reference: the code before the mark.
        checks: the code after it.
        titles: the first line of each docstring of what students write, by name.
        tables: HINTS, POINTS and PACKAGES.
        made: the checks by name.
        table_lines: the lines of the tables in the code after the mark.
    """

    id: str
    title: str
    text: str
    reference: str
    checks: str
    titles: dict[str, str]
    tables: dict[str, Any]
    made: dict[str, Made]
    table_lines: set[int]

    def files(self) -> dict[Path, str]:
        """Return all files that are built from it."""
        head = HEAD.format(self.id) + "\n"
        package = CHECKS / self.id
        tasks_ = "".join(map(self._task, self.titles))
        packages = written([*PACKAGES, *self.tables.get("PACKAGES", ())])
        return {
            SOLUTION / f"{self.id}.py": self.reference,
            ASSIGNMENTS / f"{self.id}.toml": (
                f"{head}\ntitle = {written(self.title)}\npackages = {packages}\n{tasks_}"
            ),
            package / "__init__.py": f'"""Checks of the assignment {self.id}."""\n',
            **{package / f"{name}.py": self._checks(head, name) for name in self.titles},
            COURSE / f"{self.id}.py": f"{head}\n{self._lesson()}",
        }

    def _task(self, name: str) -> str:
        """Return the table of a task."""
        own = {key: made for key, made in self.made.items() if made.calls == name}
        first = next((key for key, made in own.items() if made.by != "raises"), None)
        hints = self.tables["HINTS"]
        rows = ""
        for key, points in self.tables["POINTS"].items():
            if key in own:
                waits = f', needs = ["{first}"]' if own[key].by == "raises" and first else ""
                rows += f'    {{ id = "{key}", points = {points}, hint = 1{waits} }},\n'
        lines = [
            "\n[[task]]",
            f"id = {written(name)}",
            f"title = {written(self.titles[name])}",
            f"module = {written(self.id)}",
            f"names = {written([name])}",
            f"hints = {written(list(hints[name] if isinstance(hints, dict) else hints))}",
            f"checks = [\n{rows}]\n",
        ]
        return "\n".join(lines)

    def _checks(self, head: str, name: str) -> str:
        """Return the code of a task's checks."""
        own = "\n".join(text for text in self.lines_of(name) if text is not None)
        return f'"""Checks of {name}."""\n\n{head}\n{own.strip()}\n'

    def lines_of(self, name: str) -> list[str | None]:
        """Return the lines after the mark; None for tables and for checks of other tasks."""
        others = {
            line for made in self.made.values() if made.calls != name for line in made.lines
        } | self.table_lines
        lines = enumerate(self.checks.split("\n"), 1)
        return [None if line in others else text for line, text in lines]

    def _lesson(self) -> str:
        lines = f"# {self.title}\n\n{self.text}".rstrip().split("\n")
        text = "\n".join(f"# {line}".rstrip() for line in lines)
        cells = [
            f" [markdown]\n{text}\n",
            " setup=true\n",
            " imports=true\n",
            "\nfrom grader.notebook import check\n",
        ]
        for name in self.titles:
            cells.append(f' definition="{name}.{name}"\n')
            cells.append(f' check="{name}"\ncheck("{name}", {name})\n')
        return "\n".join(f"# %%{cell}" for cell in cells)


def build() -> list[Path]:
    """Write what all files in `own` give, and return the files that changed.

    Raises:
        BuildError: a file has an error; then nothing is written.
    """
    wanted = {path: text for each in _read_all() for path, text in each.files().items()}
    for path in wanted:
        path.parent.mkdir(exist_ok=True)
    changed = [path for path, text in wanted.items() if write(path, text)]
    read_again()
    signatures.expected.cache_clear()
    return changed


def check() -> list[str]:
    """Compare the files with what `build` would write; return one line per problem."""
    try:
        wanted = {path: text for each in _read_all() for path, text in each.files().items()}
    except BuildError as error:
        return [str(error)]
    return [
        f"{path.relative_to(ROOT).as_posix()}:1: outdated; {REBUILD}"
        for path, text in wanted.items()
        if not path.is_file() or read(path) != text
    ]


def _read_all() -> Iterator[OneFile]:
    for path in sorted(OWN.glob("*.py")):
        yield parse(path.stem, read(path))


def parse(id_: str, source: str) -> OneFile:
    """Read an assignment in one file.

    Raises:
        BuildError: it does not compile, or something is missing.
    """
    file = f"own/{id_}.py"
    if not id_.isidentifier() or keyword.iskeyword(id_) or id_ in sys.stdlib_module_names:
        raise BuildError(file, 1, f"a module cannot be called {id_}", "give it another name")
    try:
        compile(source, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        what = f"does not compile ({error.msg})"
        raise BuildError(file, error.lineno or 1, what, "fix the line") from None
    reference, mark, checks = source.partition(f"\n{MARK}\n")
    if not mark:
        raise BuildError(file, 1, f"no line `{MARK}`", "write it between reference and checks")
    title, _, text = (ast.get_docstring(ast.parse(reference)) or "").partition("\n")
    if not title:
        raise BuildError(file, 1, "no docstring", "its first line is the title")
    titles = dict(_written(reference, file))
    if not titles:
        raise BuildError(file, 1, "no solution region", "put one into a function")
    checks = checks.rstrip("\n") + "\n"
    above = reference.count("\n") + 2  # lines, the mark included
    try:
        tables, made, table_lines = _assigned(checks, next(iter(titles)))
    except ValueError:
        what = "HINTS, POINTS, PACKAGES or the name of a function is computed"
        raise BuildError(file, above, what, "write it out") from None
    except Twice as twice:
        raise BuildError(
            file, above + twice.line, f"check_{twice} is there twice", "rename one"
        ) from None
    one = OneFile(
        id=id_,
        title=title.rstrip("."),
        text=text.strip(),
        reference=f"{reference.rstrip()}\n",
        checks=checks,
        titles=titles,
        tables=tables,
        made=made,
        table_lines=table_lines,
    )
    _require_whole(file, above, one)
    _try_out(file, one, above)
    return one


def _written(reference: str, file: str) -> Iterator[tuple[str, str]]:
    """Yield the names of what holds a solution region, with the first lines of the docstrings."""
    regions = find_regions(reference, file)
    for node in ast.parse(reference).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            end = node.end_lineno or 0
            if any(node.lineno < region.begin <= end + 1 for region in regions):
                yield node.name, (ast.get_docstring(node) or node.name).split("\n")[0].rstrip(".")


def _try_out(file: str, one: OneFile, above: int) -> None:
    """Execute what is built, and compute what its checks call and expect.

    Raises:
        BuildError: that fails, or the checks use what only the reference defines.
    """
    reference = _executed(file, one.reference)
    for name in one.titles:
        source = above * "\n" + "\n".join(text or "" for text in one.lines_of(name))
        used = {*_globals(symtable.symtable(source, file, "exec"))} & reference.keys()
        made = _executed(file, source, used)
        for other in used - made.keys():
            line = next(n for n, text in enumerate(source.split("\n"), 1) if other in text)
            raise BuildError(file, line, f"NameError: name '{other}' is not defined", OTHER_PART)


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the global names that the code of a table uses."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _executed(file: str, source: str, elsewhere: Collection[str] = ()) -> dict[str, Any]:
    """Execute code, and try out the checks in it; return what it defines.

    Raises:
        BuildError: that fails; the message says in which line. `elsewhere` has the names that are
            defined in the other part of the file.
    """
    name = ""
    made: dict[str, Any] = {"__name__": f"own.{Path(file).stem}"}
    try:
        exec(compile(source, file, "exec", dont_inherit=True), made)
        for name, value in made.items():
            if name.startswith("check_") and (try_out := getattr(value, "try_out", None)):
                try_out()
    except Exception as error:
        frames = [
            each for each in traceback.extract_tb(error.__traceback__) if each.filename == file
        ]
        defined = (
            n for n, text in enumerate(source.split("\n"), 1) if text.startswith(f"{name} =")
        )
        line = frames[-1].lineno if frames else next(defined, 1)
        what = f"{error}" if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
        is_elsewhere = isinstance(error, NameError) and error.name in elsewhere
        remedy = OTHER_PART if is_elsewhere else "fix this line, or what it calls"
        raise BuildError(file, line or 1, what.rstrip("."), remedy) from None
    return made


def _assigned(checks: str, first: str) -> tuple[dict[str, Any], dict[str, Made], set[int]]:
    """Return the tables, the checks, and the lines of the tables.

    A check that is a function of its own belongs to the `first` task.
    """
    tables: dict[str, Any] = {}
    made, lines = dict[str, Made](), set[int]()
    for node in ast.parse(checks).body:
        own = range(node.lineno, (node.end_lineno or 0) + 1)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
            made[node.name.removeprefix("check_")] = Made("def", first, own)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if name.removeprefix("check_") in made:
                raise Twice(name.removeprefix("check_"), node.lineno)
            if name in ("HINTS", "POINTS", "PACKAGES"):
                tables[name] = ast.literal_eval(value)
                lines |= {*own}
            elif name.startswith("check_") and isinstance(value, ast.Call):
                named = (each.value for each in value.keywords if each.arg == "name")
                called = ast.literal_eval(next(iter([*value.args, *named]), ast.Constant("")))
                made[name.removeprefix("check_")] = Made(ast.unparse(value.func), called, own)
    return tables, made, lines


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _require_whole(file: str, line: int, one: OneFile) -> None:
    """Require that hints, points and checks are there and fit together."""

    def at(name: str) -> int:
        lines = enumerate(one.checks.split("\n"), line + 1)
        return next((number for number, text in lines if text.startswith(f"{name} =")), line)

    hints, names = one.tables.get("HINTS", ()), {*one.titles}
    of_each = [hints.get(name, ()) for name in names] if isinstance(hints, dict) else [hints]
    if any(not _is_texts(texts) or len(texts) != 3 for texts in of_each):
        raise BuildError(
            file, at("HINTS"), "HINTS is not three texts", "write them from vague to clear"
        )
    if not _is_texts(one.tables.get("PACKAGES", ())):
        raise BuildError(
            file, at("PACKAGES"), "PACKAGES is not a list of texts", 'write ("sklearn",)'
        )
    points = one.tables.get("POINTS", {})
    if not isinstance(points, dict) or any(
        type(each) not in (int, float) or not 0 <= each <= MOST_POINTS for each in points.values()
    ):
        what = "POINTS is not a dict of numbers from 0"
        raise BuildError(file, at("POINTS"), what, 'write the points of each check: {"name": 10}')
    if differing := {*points} ^ {*one.made}:
        what = f"only POINTS, or only the checks, have {', '.join(sorted(differing))}"
        raise BuildError(file, line, what, "give each check_<name> its points")
    if differing := {made.calls for made in one.made.values()} ^ names:
        what = f"{', '.join(sorted(differing))}: no check, or not a function that students write"
        raise BuildError(file, line, what, "check each function that students write")
    foreign = [task for task in all_tasks().values() if task.assignment != one.id]
    if one.id in {name for task in foreign for name in (task.id, task.module)}:
        raise BuildError(file, 1, f"{one.id} is taken", "give the file another name")
    others = {task.id for task in foreign}
    if taken := others & names or (names & {one.id} if len(names) > 1 else ()):
        raise BuildError(file, 1, f"{', '.join(taken)} is taken", "rename the function")
