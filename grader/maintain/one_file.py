"""Builds all files of an assignment that is written in one file, `own/<assignment>.py`.

Its docstring is the title and the beginning of the lesson. The reference follows, as in
`solution/`: students write the functions that hold a solution region. The rest are the checks:

    # %% checks
    HINTS = ("vague", "clearer", "explicit")
    POINTS = {"whole": 60, "empty": 40}  # of each check
    check_whole = close("mean", [[1, 2, 6]], 3.0, "The mean of whole numbers.")
    check_empty = raises("mean", [[]], ValueError, "No numbers have no mean.")

`PACKAGES = ("numpy",)` lists further packages that student code may import. A check that something
is raised waits for the first of the others: else a function that always raises would earn points.
Delete the file if the assignment outgrows it: what was built from it is as any other assignment.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.base.paths import CHECKS, COURSE, ROOT, SOLUTION
from grader.contract import signatures
from grader.contract.tables import ASSIGNMENTS
from grader.contract.tasks import read_again
from grader.maintain.stubs import REBUILD, BuildError, find_regions, read, write

OWN = ROOT / "own"
MARK = "# %% checks"
PACKAGES = ("IPython", "numpy", "torch", "tqdm", "typing_extensions")
HEAD = "# Built from own/{}.py by `python -m grader build`: change that file, not this one."


@dataclass(frozen=True)
class OneFile:
    """An assignment in one file.

    Attributes:
        id: its name; that of its task and its module, too.
        title: the first line of its docstring.
        text: the rest of the docstring.
        reference: the code before the mark.
        checks: the code after it.
        names: the functions and classes that students write.
        tables: HINTS, POINTS and PACKAGES.
        raising: the names of the checks that something is raised.
    """

    id: str
    title: str
    text: str
    reference: str
    checks: str
    names: list[str]
    tables: dict[str, Any]
    raising: set[str]

    def files(self) -> dict[Path, str]:
        """Return all files that are built from it."""
        head = HEAD.format(self.id) + "\n"
        package = CHECKS / self.id
        return {
            SOLUTION / f"{self.id}.py": self.reference,
            ASSIGNMENTS / f"{self.id}.toml": f"{head}\n{self._table()}",
            package / "__init__.py": f'"""Checks of the assignment {self.id}."""\n',
            package / f"{self.id}.py": f'"""Checks of {self.id}."""\n\n{head}\n{self.checks}',
            COURSE / f"{self.id}.py": f"{head}\n{self._lesson()}",
        }

    def _table(self) -> str:
        packages = [*PACKAGES, *self.tables.get("PACKAGES", ())]
        first = next((name for name in self.tables["POINTS"] if name not in self.raising), None)
        rows = "".join(
            f'    {{ id = "{name}", points = {points}, hint = 1'
            + (f', needs = ["{first}"]' if name in self.raising and first else "")
            + " },\n"
            for name, points in self.tables["POINTS"].items()
        )
        texts = [
            f"title = {_quoted(self.title)}",
            f"packages = {_quoted(packages)}",
            "\n[[task]]",
            f"id = {_quoted(self.id)}",
            f"title = {_quoted(self.title)}",
            f"names = {_quoted(self.names)}",
            f"hints = {_quoted(list(self.tables['HINTS']))}",
            f"checks = [\n{rows}]\n",
        ]
        return "\n".join(texts)

    def _lesson(self) -> str:
        lines = f"# {self.title}\n\n{self.text}".rstrip().split("\n")
        text = "\n".join(f"# {line}".rstrip() for line in lines)
        cells = [
            f"[markdown]\n{text}",
            "setup=true\n",
            "imports=true\n",
            "\nfrom grader.notebook import check\n",
            *(f'definition="{self.id}.{name}"\n' for name in self.names),
            f'check="{self.id}"\ncheck("{self.id}", {", ".join(self.names)})\n',
        ]
        return "\n".join(f"# %% {cell}".replace("%% \n", "%%\n") for cell in cells)


def build() -> list[Path]:
    """Write what all files in `own` give, and return the files that changed.

    Raises:
        BuildError: a file has an error; then nothing is written.
    """
    wanted = {path: text for each in _read_all() for path, text in each.files().items()}
    for path in wanted:
        path.parent.mkdir(exist_ok=True)
    written = [path for path, text in wanted.items() if write(path, text)]
    read_again()
    signatures.expected.cache_clear()
    return written


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
    if not id_.isidentifier() or id_ in sys.stdlib_module_names:
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
    names = [*_written(reference, file)]
    if not names:
        raise BuildError(file, 1, "no solution region", "put one into a function")
    tables, made = _assigned(checks)
    _require_tables(file, reference.count("\n") + 2, tables, made)
    return OneFile(
        id=id_,
        title=title.rstrip("."),
        text=text.strip(),
        reference=f"{reference.rstrip()}\n",
        checks=checks.lstrip("\n"),
        names=names,
        tables=tables,
        raising={name for name, function in made.items() if function == "raises"},
    )


def _written(reference: str, file: str) -> Iterator[str]:
    """Yield the names of the functions and classes that hold a solution region."""
    regions = find_regions(reference, file)
    for node in ast.parse(reference).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            end = node.end_lineno or 0
            if any(node.lineno < region.begin <= end + 1 for region in regions):
                yield node.name


def _assigned(checks: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tables, and for each check the function that makes it."""
    tables, made = {}, {}
    for node in ast.parse(checks).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
            made[node.name.removeprefix("check_")] = "def"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            if name in ("HINTS", "POINTS", "PACKAGES"):
                tables[name] = ast.literal_eval(value)
            elif name.startswith("check_") and isinstance(value, ast.Call):
                made[name.removeprefix("check_")] = ast.unparse(value.func)
    return tables, made


def _require_tables(file: str, line: int, tables: dict[str, Any], made: dict[str, str]) -> None:
    if len(tables.get("HINTS", ())) != 3:
        raise BuildError(file, line, "HINTS is not three texts", "write them from vague to clear")
    if differing := {*tables.get("POINTS", {})} ^ {*made}:
        what = f"only POINTS, or only the checks, have {', '.join(sorted(differing))}"
        raise BuildError(file, line, what, "give each check_<name> its points")


def _quoted(value: str | list[str]) -> str:
    """Write a text or a list of texts as TOML."""
    return json.dumps(value, ensure_ascii=False)
