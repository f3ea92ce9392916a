"""Builds `exercise/` from `solution/`: each region between nbgrader's markers becomes a `raise`.

Lines outside of regions are copied byte for byte. Each replacement is verified on the syntax tree:
the stub must parse to the solution's tree with nothing but the region's statements replaced.
"""

import ast
import io
import os
import re
import tokenize
from collections.abc import Collection
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from grader.contract.tasks import owner

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"

_MARKER = re.compile(r"\b(BEGIN|END)\s+SOLUTION\b", re.IGNORECASE)
REBUILD = "run `python -m grader build`"
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class BuildError(Exception):
    """A source cannot be built; the message is one line with place, problem and remedy.

    Attributes:
        file: the source, such as `solution/model.py`.
        line: the line with the error, from 1.
        remedy: how to fix it.
    """

    def __init__(self, file: str, line: int, what: str, remedy: str) -> None:
        super().__init__(f"{file}:{line}: {what}; {remedy}")
        self.file, self.line, self.remedy = file, line, remedy


@dataclass(frozen=True)
class Region:
    """The lines from a BEGIN marker to its END marker, inclusive, counted from 1."""

    begin: int
    end: int

    def holds(self, statement: ast.stmt) -> bool:
        """Return whether a statement is between the markers."""
        return self.begin < statement.lineno and (statement.end_lineno or 0) < self.end


def stub(source: str, module: str, place: str | None = None) -> str:
    """Return the stub of one solution module.

    Args:
        source: the text of `solution/<module>.py`, with newlines as in Python's text mode.
        module: the module's name.
        place: where students write the code; by default `in exercise/<module>.py`.

    Raises:
        BuildError: the source does not parse, has no region, or a region or marker is misplaced.
    """
    file = f"solution/{module}.py"
    tree = _parse(source, file)
    regions = find_regions(source, file)
    if not regions:
        raise BuildError(file, 1, "no solution region", f"put one in, from `{BEGIN}` to `{END}`")
    lines = source.split("\n")
    place = place or f"in exercise/{module}.py"
    for region in reversed(regions):  # bottom up, so that the line numbers above stay valid
        _cut(tree, lines, region, module, place)
    return "\n".join(lines)


def build(solution: Path, exercise: Path) -> list[Path]:
    """Write the stubs of all modules in `solution` and return the changed files.

    Nothing is written unless all modules can be built.

    Raises:
        BuildError: a module cannot be built, or there is none.
        OSError: a stub cannot be written.
    """
    stubs = {exercise / path.name: _built(path) for path in _modules(solution)}
    exercise.mkdir(parents=True, exist_ok=True)
    return [path for path, text in stubs.items() if write(path, text)]


def check(solution: Path, exercise: Path) -> list[str]:
    """Compare the stubs with what `build` would write; return one line per problem.

    Each line has the place, the problem and the remedy.
    """
    try:
        modules = _modules(solution)
    except BuildError as error:
        return [str(error)]
    stubs = [exercise / path.name for path in modules]
    problems = [line for pair in zip(modules, stubs, strict=True) for line in _drift(*pair)]
    for extra in sorted(set(exercise.rglob("*.py")) - set(stubs)):
        name = extra.relative_to(exercise).as_posix()
        problems.append(f"exercise/{name}:1: there is no solution/{name}; delete it, or write one")
    return problems


def without(source: str, names: Collection[str]) -> str:
    """Return a module without the functions, classes and variables of these names."""
    lines = source.split("\n")
    for node in reversed(ast.parse(source).body):
        if _bound(node) & {*names}:
            decorators = getattr(node, "decorator_list", ())
            begin = min([node.lineno, *(each.lineno for each in decorators)]) - 1
            while begin and not lines[begin - 1].strip():
                begin -= 1
            del lines[begin : node.end_lineno]
    return "\n".join(lines)


def _bound(node: ast.stmt) -> set[str]:
    """Return what a function, a class or an assignment defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else ()
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _modules(solution: Path) -> list[Path]:
    """List the modules of a solution folder by name."""
    modules = sorted(solution.glob("*.py"))
    if not modules:
        raise BuildError("solution", 1, f"no .py file in {solution}", "give the reference's folder")
    return modules


def read(path: Path) -> str:
    """Read a UTF-8 text file with universal newlines."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        file = f"{path.parent.name}/{path.name}"
        raise BuildError(file, 1, f"cannot be read ({error})", "make it a UTF-8 file") from error


def write(path: Path, text: str) -> bool:
    """Write a file atomically if its content differs; return whether it did."""
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return False
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _built(path: Path) -> str:
    """Return the content of the stub of a solution's file; `__init__.py` is copied."""
    source = read(path)
    return source if path.name == "__init__.py" else stub(source, path.stem)


def _parse(source: str, file: str) -> ast.Module:
    """Parse and compile; compiling also finds errors such as a `return` outside of a function."""
    try:
        compile(source, file, "exec", dont_inherit=True)
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, before Python 3.12
        line, reason = getattr(error, "lineno", None) or 1, getattr(error, "msg", error)
        raise BuildError(file, line, f"does not compile ({reason})", "fix the line") from error


def find_regions(source: str, file: str) -> list[Region]:
    """Find the regions by the comments in a source, in order."""
    regions: list[Region] = []
    lines = source.split("\n")
    begin = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not _MARKER.search(token.string):
            continue
        line = token.start[0]
        text = lines[line - 1].strip()
        if text not in (BEGIN, END):
            raise BuildError(file, line, f"misspelt marker {text!r}", "write it alone and exactly")
        if text == BEGIN and begin:
            raise BuildError(
                file, line, f"region within that of line {begin}", f"add `{END}` above"
            )
        if text == END and not begin:
            raise BuildError(file, line, f"`{END}` without a region", f"add `{BEGIN}` above")
        if text == END:
            regions.append(Region(begin, line))
        begin = line if text == BEGIN else 0
    if begin:
        raise BuildError(file, begin, "region without an end", f"add `{END}` below")
    return regions


def _cut(tree: ast.Module, lines: list[str], region: Region, module: str, place: str) -> None:
    """Replace a region with its `raise` in the lines and in the tree, and compare both."""
    file = f"solution/{module}.py"
    scopes = _scopes(tree, region)
    name = ".".join(scope.name for scope in scopes)
    task = owner(module, scopes[0].name if scopes else "")
    if task is None:
        remedy = "name it in the table of an assignment"
        raise BuildError(file, region.begin, f"{name or 'the region'} has no task", remedy)
    text = f'raise NotImplementedError("Task {task.id}: write {name} {place}")'
    if not _replace(tree, region, ast.parse(text).body[0]):
        raise BuildError(file, region.begin, "no whole statement in the region", "put one in")
    _require_function(scopes[-1] if scopes else tree, region, file)
    marker = lines[region.begin - 1]
    indent = marker[: len(marker) - len(marker.lstrip())]
    lines[region.begin - 1 : region.end] = [indent + text]
    if not _same(tree, "\n".join(lines)):
        remedy = "put both markers around whole statements of one block, at their indentation"
        raise BuildError(file, region.begin, "the region cuts a statement in two", remedy)


def _scopes(tree: ast.Module, region: Region) -> list[_Scope]:
    """List the classes and functions around the start of a region, the outermost first."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, _Scope) and node.lineno < region.begin <= (node.end_lineno or 0)
    ]


def _replace(tree: ast.Module, region: Region, statement: ast.stmt) -> bool:
    """Replace a region's statements with one, in the outermost block that has any."""
    for node in ast.walk(tree):
        for _, block in ast.iter_fields(node):
            items = block if isinstance(block, list) else []
            inside = [
                index
                for index, item in enumerate(items)
                if isinstance(item, ast.stmt) and region.holds(item)
            ]
            if inside:
                items[inside[0] : inside[-1] + 1] = [statement]
                return True
    return False


def _require_function(scope: _Scope | ast.Module, region: Region, file: str) -> None:
    """Reject a region that is not in a function with a docstring outside of the region."""
    name = getattr(scope, "name", "the module")
    documented = ast.get_docstring(scope) is not None
    if isinstance(scope, ast.Module | ast.ClassDef):
        emptied = len(scope.body) - documented == 1
        what = f"the region would empty {name}" if emptied else "the region is in no function"
        raise BuildError(file, region.begin, what, "put the markers inside the functions")
    if not documented:
        what = f"{name} has no docstring outside of the region"
        raise BuildError(file, scope.lineno, what, "write one above the region")


def _same(tree: ast.Module, text: str) -> bool:
    """Return whether a text parses to this tree."""
    try:
        return ast.dump(ast.parse(text)) == ast.dump(tree)
    except SyntaxError:
        return False


def _drift(solution: Path, exercise: Path) -> list[str]:
    """List the problems of a stub."""
    file, source = f"exercise/{exercise.name}", f"solution/{solution.name}"
    try:
        expected = _built(solution)
        if not exercise.is_file():
            return [f"{file}:1: is missing; {REBUILD}"]
        actual = read(exercise)
    except BuildError as error:
        return [str(error)]
    remedy = REBUILD if actual != expected else f"fix {source}, then {REBUILD}"
    found = _differences(actual, expected) + _markers(actual)
    try:
        _parse(actual, file)
        found += _survivors(actual, read(solution), expected)
    except BuildError as error:
        found.append((error.line, "does not compile"))
    return [f"{file}:{line}: {what}; {remedy}" for line, what in sorted(found)]


def _differences(actual: str, expected: str) -> list[tuple[int, str]]:
    """Find the first line that differs from the built stub."""
    pairs = zip_longest(actual.split("\n"), expected.split("\n"))
    differing = [line for line, (mine, theirs) in enumerate(pairs, 1) if mine != theirs]
    return [(line, "differs from what the solution gives") for line in differing[:1]]


def _markers(actual: str) -> list[tuple[int, str]]:
    """Find markers anywhere, even in strings: nbgrader cuts at any line that contains one."""
    lines = enumerate(actual.split("\n"), 1)
    return [(line, "a solution marker survives") for line, text in lines if _MARKER.search(text)]


def _survivors(actual: str, source: str, expected: str) -> list[tuple[int, str]]:
    """Find statements that the solution has only in its regions."""
    secret = statements(source).keys() - statements(expected).keys()
    return [
        (line, f"a line of the solution survives, `{code}`")
        for code, line in statements(actual).items()
        if code in secret
    ]


def statements(source: str) -> dict[str, int]:
    """Map each statement's first line, without comments and formatting, to its line number."""
    return {
        ast.unparse(node).split("\n")[0]: node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt)
    }
