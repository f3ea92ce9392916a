import ast
import os
import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.base.paths import ROOT
from grader.contract.tasks import all_tasks, owner
from grader.maintain.clear_solutions import ClearTaskSolutions
from grader.maintain.stubs import BuildError, build, check, stub

SOLUTION, EXERCISE = ROOT / "solution", ROOT / "exercise"
MODULES = sorted({task.module for task in all_tasks().values() if task.module})  # of any course

SOURCE = '''\
"""Task model: ünïcode, and a marker-like line in a string."""

import math
from typing import Any

NOTE = """
    given text, not code: x = [
"""


class Box:
    """A box."""

    def __init__(self, side: "float" = 1.0, *rest: Any) -> None:
        """Keep the side."""
        super().__init__()
        ### BEGIN SOLUTION
        # A comment.
        self.side = [
            side
        ]
        ### END SOLUTION

    @property
    def area(self)   ->   float:  # oddly spaced on purpose
        """Return the area."""
        ### BEGIN SOLUTION
        def square(x):
            return x ** 2

        return square(self.side[0])
        ### END SOLUTION


async def root(x: float) -> float:
    """Return the root."""
    if x < 0:
        ### BEGIN SOLUTION
        raise ValueError("negative")
        ### END SOLUTION
    return math.sqrt(x)
'''

STUB = '''\
"""Task model: ünïcode, and a marker-like line in a string."""

import math
from typing import Any

NOTE = """
    given text, not code: x = [
"""


class Box:
    """A box."""

    def __init__(self, side: "float" = 1.0, *rest: Any) -> None:
        """Keep the side."""
        super().__init__()
        raise NotImplementedError("Task model: write Box.__init__ in exercise/model.py")

    @property
    def area(self)   ->   float:  # oddly spaced on purpose
        """Return the area."""
        raise NotImplementedError("Task model: write Box.area in exercise/model.py")


async def root(x: float) -> float:
    """Return the root."""
    if x < 0:
        raise NotImplementedError("Task model: write root in exercise/model.py")
    return math.sqrt(x)
'''


def function(*body: str, doc: str = '    """Do."""') -> str:
    """A module of one function, whose body starts on line 4 (with a docstring)."""
    return "\n".join(["import os", "def f(a):", doc, *body, ""])


def write(folder: Path, **modules: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_bytes(text.encode("utf-8"))
    return folder


@pytest.fixture
def kit(tmp_path: Path) -> tuple[Path, Path]:
    """A solution of two files and its stubs, as built."""
    solution = write(tmp_path / "solution", __init__='"""Shapes."""\n', model=SOURCE)
    build(solution, tmp_path / "exercise")
    return solution, tmp_path / "exercise"


# The committed solution and stubs


def modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py"))


def functions(tree: ast.AST, prefix: str = "") -> dict[str, ast.FunctionDef]:
    found: dict[str, ast.FunctionDef] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            found |= functions(node, f"{prefix}{node.name}.")
        if isinstance(node, ast.FunctionDef):
            found[prefix + node.name] = node
    return found


def outline(source: str) -> str:
    """All of a module but what follows the docstring in each function."""
    tree = ast.parse(source)
    for node in functions(tree).values():
        assert ast.get_docstring(node)
        node.body = node.body[:1]
    return ast.dump(tree)


def test_each_module_has_a_stub() -> None:
    assert modules(SOLUTION) == modules(EXERCISE) == ["__init__", *MODULES]


def test_committed_stubs_are_what_the_solution_gives() -> None:
    assert check(SOLUTION, EXERCISE) == []


@pytest.mark.parametrize("module", MODULES)
def test_committed_module_builds_a_stub_that_compiles(module: str) -> None:
    text = stub((SOLUTION / f"{module}.py").read_text(encoding="utf-8"), module)
    compile(text, module, "exec")


@pytest.mark.parametrize("module", MODULES)
def test_signatures_docstrings_and_annotations_are_the_solutions(module: str) -> None:
    source = (SOLUTION / f"{module}.py").read_text(encoding="utf-8")
    assert outline(stub(source, module)) == outline(source)


@pytest.mark.parametrize("module", MODULES)
def test_every_function_ends_with_a_raise_that_names_task_function_and_file(module: str) -> None:
    source = (SOLUTION / f"{module}.py").read_text(encoding="utf-8")
    for name, node in functions(ast.parse(stub(source, module))).items():
        task = owner(module, name.split(".")[0])
        assert task is not None
        message = f"Task {task.id}: write {name} in exercise/{module}.py"
        assert ast.unparse(node.body[-1]) == f"raise NotImplementedError({message!r})"


@pytest.mark.parametrize("module", MODULES)
def test_lines_outside_of_regions_are_byte_for_byte_the_solutions(module: str) -> None:
    source = (SOLUTION / f"{module}.py").read_text(encoding="utf-8")
    region = re.compile(r" *### BEGIN SOLUTION\n.*?### END SOLUTION\n", re.DOTALL)
    raised = re.compile(r" *raise NotImplementedError\(\"Task .*\n")
    assert raised.sub("", stub(source, module)) == region.sub("", source)


# stub


def test_a_region_becomes_one_raise_at_its_indentation_and_the_rest_stays() -> None:
    assert stub(SOURCE, "model") == STUB


def test_a_missing_newline_at_the_end_stays_missing() -> None:
    source = function("    ### BEGIN SOLUTION", "    return a", "    ### END SOLUTION").rstrip("\n")
    assert stub(source, "train").endswith('exercise/train.py")')


def test_markers_in_a_string_are_text() -> None:
    given = ['    text = """', "    ### BEGIN SOLUTION", "    ### END SOLUTION", '    """']
    source = function(*given, "    ### BEGIN SOLUTION", "    return text", "    ### END SOLUTION")
    assert "\n".join(given) in stub(source, "train")


def test_a_form_feed_does_not_shift_the_lines() -> None:
    source = SOURCE.replace("class Box", "\f\nclass Box")
    assert stub(source, "model") == STUB.replace("class Box", "\f\nclass Box")


def test_a_method_of_a_class_in_a_function_has_its_full_name() -> None:
    source = (
        "def make():\n    class A:\n        def f(self):\n            'Do.'\n"
        "            ### BEGIN SOLUTION\n            return 1\n            ### END SOLUTION\n"
        "    return A\n"
    )
    assert "write make.A.f in" in stub(source, "model")


IN, OUT = "    ### BEGIN SOLUTION", "    ### END SOLUTION"
REFUSED = {
    "end_missing": (function(IN, "    return a"), 4, "add `### END SOLUTION` below"),
    "begin_missing": (function("    return a", OUT), 5, "add `### BEGIN SOLUTION` above"),
    "nested": (function(IN, "    a", IN, "    a", OUT, OUT), 6, "add `### END SOLUTION` above"),
    "misspelt": (function("    # begin solution", "    return a", OUT), 4, "alone and exactly"),
    "after_code": (function("    a  ### BEGIN SOLUTION", OUT), 4, "alone and exactly"),
    "no_region": (function("    return a"), 1, "put one in"),
    "syntax_error": (function(IN, "    return (", OUT), 5, "fix the line"),
    "compile_error": ("import os\nreturn os\n", 2, "fix the line"),
    "empty": (function("    a", IN, "    # to do", OUT), 5, "put one in"),
    "in_a_call": (function("    f(", IN, "    a", OUT, "    )"), 5, "put one in"),
    "starts_in_a_statement": (function("    b = [", IN, "    a]", "    b", OUT), 5, "whole"),
    "ends_in_a_statement": (function(IN, "    a", "    b = [", OUT, "    a]"), 4, "whole"),
    "ends_in_a_block": (
        function(IN, "    a", "    if a:", "        a", OUT, "        a"),
        4,
        "whole",
    ),
    "takes_an_else": (
        function("    if a:", IN, "        a", "    else:", OUT, "        a"),
        5,
        "whole",
    ),
    "reaches_into_the_next_function": (
        function("    a", IN, "    a", "def g():", "    'Do.'", "    a", OUT, "    a"),
        5,
        "whole",
    ),
    "leaves_a_decorator": (
        function("    @a", IN, "    def g(): pass", OUT, "    return g"),
        5,
        "whole",
    ),
    "not_indented": (function("    a", "### BEGIN SOLUTION", "    a", OUT), 5, "their indentation"),
    "no_docstring": (function(IN, "    return a", OUT, doc="    a"), 2, "write one above"),
    "takes_the_docstring": (function("    'Do.'", OUT, doc=IN), 2, "write one above"),
    "module_level": ("import os\n### BEGIN SOLUTION\nos\n### END SOLUTION\n", 2, "inside the func"),
    "whole_function": (
        "import os\n\n### BEGIN SOLUTION\ndef f():\n    'Do.'\n### END SOLUTION\n",
        3,
        "inside the func",
    ),
}


@pytest.mark.parametrize(("source", "line", "remedy"), REFUSED.values(), ids=REFUSED)
def test_a_misplaced_region_is_refused_with_its_line_and_remedy(
    source: str, line: int, remedy: str
) -> None:
    with pytest.raises(BuildError) as caught:
        stub(source, "train")
    assert (caught.value.file, caught.value.line) == ("solution/train.py", line)
    assert remedy in caught.value.remedy
    assert str(caught.value).startswith(f"solution/train.py:{line}: ")
    assert "\n" not in str(caught.value)


def test_a_region_that_would_empty_a_class_is_refused_by_name() -> None:
    body = "    ### BEGIN SOLUTION\n    def f(self):\n        'Do.'\n    ### END SOLUTION\n"
    with pytest.raises(BuildError, match=r"train\.py:3: the region would empty Box;"):
        stub(f"class Box:\n    'A box.'\n{body}", "train")


def test_a_region_that_would_empty_the_module_is_refused() -> None:
    with pytest.raises(BuildError, match=r"train\.py:2: the region would empty the module;"):
        stub("'Task.'\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", "train")


# build


def test_build_writes_every_module_and_copies_init(kit: tuple[Path, Path]) -> None:
    _, exercise = kit
    assert (exercise / "model.py").read_text(encoding="utf-8") == STUB
    assert (exercise / "__init__.py").read_text(encoding="utf-8") == '"""Shapes."""\n'
    assert sorted(os.listdir(exercise)) == ["__init__.py", "model.py"]  # no temporary file


def test_build_returns_and_writes_only_what_changed(kit: tuple[Path, Path]) -> None:
    solution, exercise = kit
    before = (exercise / "__init__.py").stat()
    write(exercise, model="x = 1\n")
    assert build(solution, exercise) == [exercise / "model.py"]
    assert build(solution, exercise) == []
    after = (exercise / "__init__.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_build_writes_utf8_and_line_feeds_whatever_the_checkout_has(
    kit: tuple[Path, Path],
) -> None:
    solution, exercise = kit
    write(solution, model=SOURCE.replace("\n", "\r\n"))
    write(exercise, model=STUB.replace("\n", "\r\n"))
    assert build(solution, exercise) == [exercise / "model.py"]
    assert (exercise / "model.py").read_bytes() == STUB.encode("utf-8")


def test_build_writes_nothing_when_one_module_is_at_fault(tmp_path: Path) -> None:
    solution = write(tmp_path / "solution", dataset=SOURCE, model="x = 1\n")
    with pytest.raises(BuildError, match=r"solution/model\.py:1"):
        build(solution, tmp_path / "exercise")
    assert not (tmp_path / "exercise").exists()


def test_a_failed_write_keeps_the_old_stub_and_leaves_no_temporary_file(
    kit: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    solution, exercise = kit
    write(exercise, model="old\n")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        build(solution, exercise)
    assert (exercise / "model.py").read_text() == "old\n"
    assert sorted(os.listdir(exercise)) == ["__init__.py", "model.py"]


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no \.py file"):
        build(tmp_path / "nowhere", tmp_path / "exercise")
    assert len(check(tmp_path / "nowhere", tmp_path / "exercise")) == 1


def test_a_source_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    solution = write(tmp_path / "solution")
    (solution / "model.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(BuildError, match=r"solution/model\.py:1: cannot be read"):
        build(solution, tmp_path / "exercise")


# check: every drift gives a line, every line has a place and a remedy


def test_check_finds_nothing_in_what_build_wrote(kit: tuple[Path, Path]) -> None:
    assert check(*kit) == []


def test_check_ignores_the_newlines_of_the_checkout(kit: tuple[Path, Path]) -> None:
    write(kit[1], model=STUB.replace("\n", "\r\n"))
    assert check(*kit) == []


RAISE = 'raise NotImplementedError("Task model: write Box.area in exercise/model.py")'
DRIFTS = {
    "edited": (STUB.replace("Keep the", "Hold the"), ":15: differs from what the solution gives; "),
    "shorter": (STUB.rstrip("\n"), ":30: differs"),
    "marker": (STUB.replace(RAISE, "### BEGIN SOLUTION"), ":22: a solution marker survives; "),
    "marker_in_a_string": (STUB.replace("A box.", "END SOLUTION"), ":12: a solution marker"),
    "not_python": (STUB.replace(RAISE, "return ("), ":22: does not compile; "),
    "not_compiled": (f"{STUB}return 1\n", ":30: does not compile; "),
    "survivor": (
        STUB.replace(RAISE, "return square(self.side[0])"),
        ":22: a line of the solution survives, `return square(self.side[0])`; ",
    ),
    "reformatted_survivor": (
        STUB.replace(RAISE, "pass; self.side=[side,] # mine"),
        ":22: a line of the solution survives, `self.side = [side]`; ",
    ),
    "survivor_over_lines": (
        STUB.replace(RAISE, "return (\n            square( self . side [ 0 ] )\n        )"),
        ":22: a line of the solution survives, `return square(self.side[0])`; ",
    ),
    "surviving_block_header": (
        STUB.replace(RAISE, "def square( x ):\n            return 0"),
        ":22: a line of the solution survives, `def square(x):`; ",
    ),
}


@pytest.mark.parametrize(("text", "problem"), DRIFTS.values(), ids=DRIFTS)
def test_check_finds_a_drift_of_a_stub(kit: tuple[Path, Path], text: str, problem: str) -> None:
    write(kit[1], model=text)
    problems = check(*kit)
    assert any(line.startswith(f"exercise/model.py{problem}") for line in problems), problems
    assert all(line.endswith("; run `python -m grader build`") for line in problems)


def test_check_does_not_take_given_lines_for_survivors(tmp_path: Path) -> None:
    body = ("    b = 1", "    ### BEGIN SOLUTION", "    b = 1", "    c = 2", "    ### END SOLUTION")
    solution = write(tmp_path / "solution", train=function(*body))
    build(solution, tmp_path / "exercise")
    assert check(solution, tmp_path / "exercise") == []


def test_check_finds_a_missing_stub(kit: tuple[Path, Path]) -> None:
    (kit[1] / "model.py").unlink()
    assert check(*kit) == ["exercise/model.py:1: is missing; run `python -m grader build`"]


@pytest.mark.parametrize("name", ["extra.py", "deep/extra.py"])
def test_check_finds_an_extra_file(kit: tuple[Path, Path], name: str) -> None:
    write((kit[1] / name).parent, extra="")
    problem = f"exercise/{name}:1: there is no solution/{name}; delete it, or write one"
    assert check(*kit) == [problem]


def test_check_finds_a_changed_init(kit: tuple[Path, Path]) -> None:
    write(kit[1], __init__="")
    [problem] = check(*kit)
    assert problem.startswith("exercise/__init__.py:1: differs")


def test_check_finds_a_stub_that_is_not_utf8(kit: tuple[Path, Path]) -> None:
    (kit[1] / "model.py").write_bytes(b"\xff")
    [problem] = check(*kit)
    assert problem.startswith("exercise/model.py:1: cannot be read")


def test_check_finds_a_region_that_would_empty_a_class(kit: tuple[Path, Path]) -> None:
    body = "    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION\n"
    write(kit[0], model=f"class Box:\n    'A box.'\n{body}")
    [problem] = check(*kit)
    assert problem.startswith("solution/model.py:3: the region would empty Box; put the markers")


def test_check_finds_a_marker_that_the_given_code_holds(kit: tuple[Path, Path]) -> None:
    write(kit[0], model=SOURCE.replace("given text", "BEGIN SOLUTION"))
    build(*kit)
    remedy = "fix solution/model.py, then run `python -m grader build`"
    assert check(*kit) == [f"exercise/model.py:7: a solution marker survives; {remedy}"]


def test_check_finds_a_stub_whose_given_code_needs_the_solution(kit: tuple[Path, Path]) -> None:
    region = ("    ### BEGIN SOLUTION", "    b = 1", "    ### END SOLUTION")
    given = ("    def g():", "        nonlocal b", "        b = 2", "    return g")
    write(kit[0], model=function(*region, *given))
    build(*kit)
    remedy = "fix solution/model.py, then run `python -m grader build`"
    assert check(*kit) == [f"exercise/model.py:6: does not compile; {remedy}"]


def test_check_reports_every_module(kit: tuple[Path, Path]) -> None:
    write(kit[0], train="x = 1\n", dataset="x = (\n")
    write(kit[1], model="")
    files = [problem.split(":")[0] for problem in check(*kit)]
    assert files == ["solution/dataset.py", "exercise/model.py", "solution/train.py"]


def test_check_writes_nothing(kit: tuple[Path, Path]) -> None:
    write(kit[1], model="x = 1\n")
    check(*kit)
    assert (kit[1] / "model.py").read_text() == "x = 1\n"


def test_check_reports_a_stub_from_top_to_bottom(kit: tuple[Path, Path]) -> None:
    write(kit[1], model="# END SOLUTION\nself.side = [side]\nx = 1\n# END SOLUTION\n")
    assert [int(problem.split(":")[1]) for problem in check(*kit)] == [1, 1, 2, 4]


def test_a_cell_with_points_for_a_guess_is_released_as_it_is() -> None:
    cell = new_code_cell('predict("q", ...)  # replace the ... by your guess, then run')
    worth = {"grade": True, "solution": True, "locked": False, "points": 1, "schema_version": 3}
    cell.metadata["nbgrader"] = {**worth, "grade_id": "predict-q", "task": False}
    before = cell.source
    ClearTaskSolutions().preprocess(new_notebook(cells=[cell]), {})
    assert cell.source == before


def test_a_written_answer_that_is_missing_is_named_by_its_question() -> None:
    answer = {"grade": True, "solution": True, "locked": False, "points": 5, "schema_version": 3}
    cells = []
    for number in (1, 2):
        cells.append(new_markdown_cell(f"### Question {number}\n\nWhy?"))
        cells.append(new_markdown_cell("*A full answer says:* because."))
        cells[-1].metadata["nbgrader"] = {**answer, "grade_id": f"q{number}", "task": False}
    ClearTaskSolutions().preprocess(new_notebook(cells=cells), {})
    assert [cell.source for cell in cells[1::2]] == [
        "Your answer to question 1.",
        "Your answer to question 2.",
    ]
