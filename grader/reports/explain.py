"""Everything behind the verdict of one check, as text: for appeals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from grader.contract import course
from grader.contract.messages import clean, show
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import tasks
from grader.reports import labels
from grader.worker.wire import Opaque, TensorData

if TYPE_CHECKING:
    from grader.grading.replay import Operation

MAX_NUMBERS = 2000  # of a tensor that is written out
WITH_WEIGHTS = """\
def with_weights(layer, weights):
    layer.load_state_dict(weights)
    return layer"""


def text(
    record: Record,
    check: CheckResult,
    operations: Sequence[Operation] = (),
    resembles: Sequence[str] = (),
    *,
    for_student: bool = False,
) -> str:
    """Return everything behind a verdict.

    Args:
        record: the record.
        check: the check in it.
        operations: what the worker was asked for it, if the check was judged again.
        resembles: known wrong submissions that are told the same.
        for_student: leave out the environment in which it was graded.
    """
    sections = {
        f"{check.id}: {check.status.words}, {check.score:g} of {check.max_score:g} points": [],
        "Requires": [labels.promise(check.id)],
        "Message": check.message.split("\n"),
        "Mistake": _mistake(check),
        "Like the known wrong submissions": resembles,
        "Printed by the student's code": check.printed.split("\n"),
        f"Hint {check.hint}": [labels.hint(check)],
        "Needs": _needs(record, check),
        "Inputs": [*_inputs(check.task, operations)],
        "Graded": [*_graded(record, for_student)],
    }
    return "\n".join(_sections(sections)) + "\n"


def _sections(sections: dict[str, Sequence[str]]) -> Iterator[str]:
    for at, (heading, lines) in enumerate(sections.items()):
        if at == 0:
            yield heading
        elif any(lines):
            yield f"\n{heading}"
            yield from (f"  {line}".rstrip() for line in lines)


def _mistake(check: CheckResult) -> list[str]:
    if check.mistake is None:
        return []
    known = labels.mistake(check.mistake)
    return [f"{known.title} ({known.id})"]


def _needs(record: Record, check: CheckResult) -> list[str]:
    task = tasks().get(check.task)
    needs = (
        [need for row in task.checks if row.id == check.id for need in row.needs] if task else []
    )
    return [f"{each.id}: {each.status.words}" for each in record.checks if each.id in needs]


def _graded(record: Record, for_student: bool) -> Iterator[str]:
    """Yield how the submission was graded, and how to grade it again."""
    about, environment = record.submission, record.environment
    seed = environment.get("seed", 0)
    yield f"assignment  {about.get('assignment')}"
    yield f"submission  {about.get('digest')} (SHA-256 of its files)"
    yield f"seed        {seed}"
    if for_student:
        return
    kept = environment.get("secret")
    yield f"secret      {'the published one' if kept == 'published' else 'that of the course'}"
    layers = environment.get("confinement_layers", ())
    layers = ", ".join(map(str, layers)) if isinstance(layers, list) else layers
    yield f"confinement {environment.get('confinement')} ({layers})"
    versions = ("python", "torch", "spacy", "model", "platform", "device", "data")
    yield "versions    " + ", ".join(f"{key} {environment.get(key)}" for key in versions)
    variable = "" if kept == "published" else f"{course.current().secret_variable}=... "
    yield (
        f"again       {variable}python -m grader grade SUBMISSION "
        f"--assignment {about.get('assignment')} --seed {seed}"
    )


# --- inputs as Python -------------------------------------------------------------------------


def _inputs(task: str, operations: Sequence[Operation]) -> Iterator[str]:
    """Yield what the worker was asked, as Python to paste where the task is defined."""
    code = [line for each in operations for line in _operation(each)]
    if code and task in tasks():
        yield f"from exercise.{tasks()[task].module} import {', '.join(tasks()[task].names)}"
    if any("torch." in line for line in code):
        yield "import torch"
    if any("with_weights(" in line for line in code):
        yield from WITH_WEIGHTS.split("\n")
    yield from code


def _operation(operation: Operation) -> Iterator[str]:
    given = operation.arguments
    if operation.name not in ("call.function", "call.instance"):
        yield f"# {operation.name}"
        yield from (f"{name} = {_python(value)}" for name, value in given.items())
        return
    called = given["name"]
    if operation.name == "call.instance":
        yield f"made = {called}({_arguments(given['make'])})"
        if given["state"] is not None:
            yield f"made.load_state_dict({_python(given['state'])})"
        called = "made"
    answers = _answers(operation.answer)
    for at, call in enumerate(given["calls"]):
        method = f".{call['method']}" if call.get("method") else ""
        yield f"{called}{method}({_arguments(call)})"
        if at < len(answers):
            yield f"# returned {show(answers[at])}".replace("\n", " ")


def _answers(answer: Any) -> list[Any]:
    """Return the results of calls; a hostile worker may answer anything."""
    called = answer.get("called") if isinstance(answer, dict) else answer
    rows = called if isinstance(called, list) else []
    return [row.get("result") if isinstance(row, dict) else None for row in rows]


def _arguments(call: dict[str, Any]) -> str:
    named = (f"{name}={_python(value)}" for name, value in call["kwargs"].items())
    return ", ".join([*map(_python, call["args"]), *named])


def _python(value: Any) -> str:
    """Write an argument as Python."""
    if hasattr(value, "detach"):
        dtype, shape = str(value.dtype).removeprefix("torch."), tuple(value.shape)
        return _tensor(dtype, shape, value.tolist() if value.numel() <= MAX_NUMBERS else None)
    if isinstance(value, TensorData):
        few = math.prod(value.shape) <= MAX_NUMBERS
        return _tensor(value.dtype, value.shape, value.tolist() if few else None)
    if isinstance(value, dict) and "make" in value:
        made = f"{value['make'].removeprefix('builtins.')}({_arguments(value)})"
        state = value.get("state")
        return made if state is None else f"with_weights({made}, {_python(state)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_python(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        parts = ", ".join(map(_python, value))
        if isinstance(value, list):
            return f"[{parts}]"
        return f"({parts}{',' if len(value) == 1 else ''})"
    return clean(value.text if isinstance(value, Opaque) else repr(value))


def _tensor(dtype: str, shape: tuple[int, ...], numbers: Any) -> str:
    if numbers is None:
        return f"...  # a {dtype} tensor of shape {shape}"
    if not math.prod(shape):
        return f"torch.zeros({shape}, dtype=torch.{dtype})"
    return f"torch.tensor({numbers}, dtype=torch.{dtype})"
