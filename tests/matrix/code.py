"""The code that the result of a task depends on, and the checks that a submission affects."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from grader.contract.tasks import Check, Task, assignments, tasks, written_in
from grader.maintain.submission_bank import REFERENCE, Variant, definitions

CALIBRATED = "accuracy.unseen"  # skipped for accepted variants, see calibration.json


def code_of(task: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the module of a task without the code of other tasks, and the helpers."""
    module = tasks()[task].module
    text = files[module].decode()
    others = {name for each in written_in(module) if each.id != task for name in each.names}
    with contextlib.suppress(SyntaxError):
        for name, definition in definitions(text).items():
            text = text.replace(definition, "") if name in others else text
    return {**helpers(files), task: text.encode()}


def helpers(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the modules that belong to no assignment."""
    modules = {name for each in assignments().values() for name in each.modules}
    return {name: files[name] for name in sorted(files.keys() - modules)}


def own_tasks(entry: Variant) -> list[str]:
    """Return the tasks that a submission affects: those whose code differs from the reference.

    They include a mutant's own task. A task without a module uses all modules; it counts for
    accepted variants and for its own mutants.
    """
    found = assignments()[entry.assignment].tasks.values()
    return [task.id for task in found if task.id == entry.task or _can_change(entry, task)]


def _can_change(entry: Variant, task: Task) -> bool:
    if not task.module:
        return not entry.task
    return code_of(task.id, entry.files) != code_of(task.id, REFERENCE)


def own_checks(entry: Variant) -> list[Check]:
    """Return the checks of a submission's own tasks.

    For an accepted variant, `CALIBRATED` is skipped.
    """
    checks = [check for task in own_tasks(entry) for check in tasks()[task].checks]
    return [check for check in checks if entry.task or check.id != CALIBRATED]
