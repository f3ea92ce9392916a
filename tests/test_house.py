"""Rules for the whole tree: imports, sizes, and tables that match code and pages."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from grader.base.paths import ROOT
from grader.contract.enums import State
from grader.contract.mistakes import mistakes
from grader.contract.tasks import assignments, tasks
from grader.reports.board import STATUS_WORDS

CHECKS = [check for task in tasks().values() for check in task.checks]


def imports(folder: str) -> set[str]:
    """The absolute names of all modules that the Python files in a folder import."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module or "")
    return found


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("folder", ["solution", "exercise"])
def test_nothing_of_the_grader_is_imported_by(folder: str) -> None:
    assert "grader" not in top(imports(folder))


def test_the_grader_imports_neither_solution_nor_exercise() -> None:
    assert not {"solution", "exercise"} & top(imports("grader"))


def test_the_wire_carries_no_pickle() -> None:
    assert not {"pickle", "marshal", "shelve", "dill", "cloudpickle"} & top(imports("grader"))
    assert "torch.load" not in (ROOT / "grader/worker/wire.py").read_text(encoding="utf-8")


def test_the_points_of_each_assignment_sum_to_100() -> None:
    assert {assignment.points for assignment in assignments().values()} == {100}
    main = assignments()["news-classifier"].tasks.values()
    assert {task.id: task.points for task in main} == {
        "dataset": 15,
        "collate": 20,
        "model": 30,
        "train": 20,
        "accuracy": 15,
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_row_of_the_table_has_a_function_that_says_what_it_promises(check) -> None:  # type: ignore[no-untyped-def]
    assert inspect.getdoc(check.load())


def test_every_check_function_has_a_row_in_the_table() -> None:
    functions = [
        (f"{path.parent.name}.{path.stem}", name)
        for path in (ROOT / "grader/checks").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        for name in _defined(node)
        if name.startswith("check_")
    ]
    assert sorted(functions) == sorted((check.module, check.function) for check in CHECKS)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.name] if isinstance(node, ast.FunctionDef) else []


def test_no_file_of_the_grader_is_over_450_lines_and_no_function_over_60() -> None:
    for path in (ROOT / "grader").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 450, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{path}: {node.name}"


def test_a_check_needs_only_checks_that_come_before_it() -> None:
    for task in tasks().values():
        before: set[str] = set()
        for check in task.checks:
            assert set(check.needs) <= before, check.id
            before.add(check.id)


def test_every_task_has_three_hints_and_every_check_asks_for_one_of_them() -> None:
    assert all(len(task.hints) == 3 and all(task.hints) for task in tasks().values())
    assert {check.hint for check in CHECKS} <= {1, 2, 3}


def test_every_task_module_has_the_names_that_the_contract_gives_it() -> None:
    for task in filter(lambda task: task.module, tasks().values()):
        tree = ast.parse((ROOT / "solution" / f"{task.module}.py").read_text(encoding="utf-8"))
        defined = {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
        assert set(task.names) <= defined


def test_no_task_or_module_is_of_two_assignments() -> None:
    ids = [id_ for assignment in assignments().values() for id_ in assignment.tasks]
    modules = [name for assignment in assignments().values() for name in assignment.modules]
    assert len(set(ids)) == len(ids)
    assert len(set(modules)) == len(modules)
    assert {id_ for id_ in set(ids) & set(modules) if tasks()[id_].module != id_} == set()


def test_every_mistake_that_code_names_is_explained_and_the_other_way_round() -> None:
    paths = (ROOT / "grader").rglob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in paths)
    named = set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', code)) & set(mistakes())
    assert named == set(mistakes())


def test_the_readme_shows_the_line_that_installs_the_model() -> None:
    from grader.grading.requirements import INSTALL_MODEL

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert INSTALL_MODEL.removeprefix("python -m pip") in readme


def test_the_readme_fits_a_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 50


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target


def test_every_page_of_docs_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    shown = set(re.findall(r"[\w-]+\.md$", navigation, re.MULTILINE))
    written = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert shown == written | {"index.md", "contributing.md"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_names_only_files_that_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:grader|tests|docs|news|bench|packages)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def test_the_students_page_explains_every_word_that_the_board_uses() -> None:
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    words = [state.words for state in State] + list(STATUS_WORDS.values())
    missing = [word for word in words if not re.search(rf"^\| {word}\b.* \|", text, re.MULTILINE)]
    assert missing == []
