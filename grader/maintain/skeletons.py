"""Implements `python -m grader new`: skeletons of a check, a task or an assignment.

An assignment and a task are small examples that work, for the author to change. A check is not
written yet: until it is, it is an error of the grader, which costs nobody a point.
"""

from __future__ import annotations

import ast
import keyword
import sys
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import CHECKS, COURSE, GRADER, ROOT, SOLUTION
from grader.contract.tables import ASSIGNMENTS
from grader.contract.tasks import Task, assignments, get_assignment, get_task, tasks
from grader.maintain.one_file import OWN
from grader.maintain.stubs import BEGIN, END, read
from grader.maintain.submission_bank import BANK, definitions

SKELETONS = GRADER / "maintain" / "skeletons.toml"
ONE_LINE = "grader.checks.one_line", "equal"
ERROR = "grader.base.errors", "UsageError"


def new_assignment(name: str) -> list[Path]:
    """Write an assignment in one file, with mutants and an accepted variant."""
    _require_free(name)
    return _create(
        {
            OWN / f"{name}.py": filled("assignment", "own", name=name),
            **_entries("assignment", name=name),
        }
    )


def new_task(name: str, assignment: str) -> list[Path]:
    """Write a task of an assignment: reference, table, checks, lesson, mutants, variant."""
    _require_free(name)
    chosen = get_assignment(assignment)
    if (own := OWN / f"{assignment}.py").exists():
        raise UsageError(
            f"{own.relative_to(ROOT)} is the whole assignment: write a function into it. Or delete "
            "it, and add tasks to what was built from it."
        )
    module = chosen.modules[0] if len(chosen.modules) == 1 else name
    given = {"name": name, "module": module}
    solution = SOLUTION / f"{module}.py"
    head = "" if solution.exists() else f'"""{name}."""\n'
    package = CHECKS / chosen.checks[0].package
    checks = {package / f"{name}.py": filled("task", "checks", **given)}
    created = _create(checks | _entries("task", **given))  # first: it can be refused
    return [
        _append(solution, head + filled("task", "solution", **given)),
        _append(ASSIGNMENTS / f"{assignment}.toml", filled("task", "table", **given)),
        _append(COURSE / f"{assignment}.py", filled("task", "lesson", **given)),
        *created,
    ]


def new_check(name: str) -> list[Path]:
    """Write a check, `TASK.NAME`: row, function, mutant, accepted variant."""
    task_id, _, check = name.partition(".")
    task = get_task(task_id)
    if not check.isidentifier():
        raise UsageError(f"{name}: name the new check as TASK.NAME.")
    if name in {each.id for each in task.checks}:
        raise UsageError(f"{name} exists. Choose another name.")
    if not task.module:
        raise UsageError(f"{task_id} has no module of its own: write its check by hand.")
    function = task.names[0]
    definition = definitions(read(SOLUTION / f"{task.module}.py"))[function]
    definition = definition.replace(f"    {BEGIN}\n", "")
    given = {"name": check, "task": task_id, "function": function, "definition": definition}
    changed = _add_to_own(task, given) or _add_to_table(task, given)
    for folder, key in (("mutants", "mutant"), ("accepted", "accepted")):
        entries = BANK / folder / f"{task_id}.toml"
        changed.append(_append(entries, filled("check", key, **given)))
    return changed


def _add_to_own(task: Task, given: dict[str, str]) -> list[Path]:
    """Add a check to an assignment in one file; return nothing if it is not one."""
    path = OWN / f"{task.assignment}.py"
    if not path.exists():
        return []
    text = read(path)
    points = next(
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "POINTS"
    )
    lines = text.split("\n")
    line, column = (points.end_lineno or 0) - 1, (points.end_col_offset or 0) - 1
    before = lines[line][:column].rstrip().rstrip(",")
    lines[line] = f'{before}, "{given["name"]}": 1{lines[line][column:]}'
    written = _importing("\n".join(lines), *ONE_LINE) + filled("check", "line", **given)
    path.write_text(written, encoding="utf-8")
    return [path]


def _add_to_table(task: Task, given: dict[str, str]) -> list[Path]:
    """Add a check to the table and to the checks of its task."""
    table = ASSIGNMENTS / f"{task.assignment}.toml"
    text = read(table)
    start = text.index(f'\nid = "{task.id}"')
    end = text.index("\n]", text.index("\nchecks = [", start))
    row = f'\n    {{ id = "{given["name"]}", points = 1, hint = 1 }},'
    table.write_text(text[:end] + row + text[end:], encoding="utf-8")
    checks = CHECKS / task.checks[0].package / f"{task.id}.py"
    is_function = given["definition"].startswith("def ")
    text = _importing(read(checks), *(ONE_LINE if is_function else ERROR))
    kind = "line" if is_function else "function"
    checks.write_text(text + filled("check", kind, **given), encoding="utf-8")
    return [table, checks]


def _importing(text: str, module: str, name: str) -> str:
    """Import a name of a module of the grader's, in the place that ruff gives it."""
    lines = text.split("\n")
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    for node in imports:
        if node.module == module:
            names = sorted({name, *(alias.name for alias in node.names)})
            line = f"from {module} import {', '.join(names)}"
            return "\n".join([*lines[: node.lineno - 1], line, *lines[node.end_lineno :]])
    later = (
        node.lineno - 1
        for node in imports
        if (node.module or "").startswith("grader.") and module < (node.module or "")
    )
    at = next(later, imports[-1].end_lineno or 0)
    return "\n".join([*lines[:at], f"from {module} import {name}", *lines[at:]])


def _require_free(name: str) -> None:
    """Require a name that a module and a task can have.

    Raises:
        UsageError: it is not an identifier, or it is taken.
    """
    taken = {*assignments(), *tasks(), *(task.module for task in tasks().values())}
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name}: use letters, digits and _ only, as for a module of Python's.")
    if name in taken or name in sys.stdlib_module_names or (ROOT / name).exists():
        raise UsageError(f"{name} is the name of something else. Choose another one.")


def _entries(kind: str, **given: str) -> dict[Path, str]:
    folders = ("mutants", "accepted")
    return {
        BANK / folder / f"{given['name']}.toml": filled(kind, folder, **given) for folder in folders
    }


def filled(kind: str, key: str, **given: str) -> str:
    """Return a text of skeletons.toml with the names in braces replaced."""
    text: str = read_toml(SKELETONS)[kind][key]
    for name, value in {**given, "begin": BEGIN, "end": END}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _append(path: Path, text: str) -> Path:
    before = read(path).rstrip("\n") + "\n" if path.exists() else ""
    path.write_text(before + text, encoding="utf-8")
    return path


def _create(files: dict[Path, str]) -> list[Path]:
    for path in files:
        if path.exists():
            raise UsageError(f"{path.relative_to(ROOT)} exists. Choose another name.")
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [*files]
