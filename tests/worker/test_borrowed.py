"""Nothing in a worker's process is an answer to a task."""

import re

import pytest

from grader.contract.tasks import Task, get_assignment, tasks
from grader.grading import pipeline
from grader.grading.session import Session
from grader.intake.sources import Sources
from grader.sandbox import fork_server
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import choose
from grader.sandbox.worker_client import ProcessWorker
from tests.hostile.bank import bank
from tests.hostile.run import grade

# The names of a task are bound to CHOSEN, a callable of the worker. Without one, the first call
# tries all of them with its arguments, and prints what happened.
SOURCE = """
import sys, torch

CHOSEN = {chosen!r}
ENDS_OR_CONFINES = "serve fork_server layers libc landlock rlimits seccomp syscalls scratch".split()

def callables():
    for name, module in sorted(sys.modules.items()):
        package, _, part = name.partition(".")
        if package != "_worker" or part in ENDS_OR_CONFINES:
            continue
        for key, value in sorted(vars(module).items()):
            if callable(value) and getattr(value, "__module__", "").startswith("_worker"):
                yield f"{{name}}:{{key}}", value
                for attribute in sorted(vars(value)) if isinstance(value, type) else ():
                    found = getattr(value, attribute)
                    if callable(found) and not attribute.startswith("__"):
                        yield f"{{name}}:{{key}}.{{attribute}}", found

TRIED = []

def fresh(value):
    return value.clone() if isinstance(value, torch.Tensor) else value

def answer(args, kwargs):
    if CHOSEN:
        return dict(callables())[CHOSEN](*args, **kwargs)
    for name, value in () if TRIED else callables():
        TRIED.append(name)
        try:
            value(*map(fresh, args), **kwargs)
            print("RETURNS", name)
        except BaseException:
            print("FAILS", name)
    raise ValueError("none chosen")
{names}
"""


def marks(task: Task, chosen: str | None) -> tuple[dict[str, float], str]:
    """Grade a task with its names bound to a callable; return the points and the output."""
    names = "".join(
        f"\ndef {name}(*args, **kwargs): return answer(args, kwargs)" for name in task.names
    )
    files = {task.module: SOURCE.format(chosen=chosen, names=names).encode()}
    shown = {task.module: f"exercise/{task.module}.py"}
    worker = ProcessWorker(files, shown, Limits(), choose(None, "cpu"))
    try:
        session = Session(
            Sources("borrowed", files, shown), get_assignment(task.assignment), worker
        )
        session.tries_edits = False
        results = [session.run(check) for check in task.checks]
    finally:
        worker.close()
    return {result.id: result.score for result in results if result.score}, worker.output


TASKS = [task for task in tasks().values() if task.names]
OF_A_COPY = {"dataset.length": 2.0, "dataset.index": 1.0}  # a list of the samples has their length


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_no_callable_of_a_worker_earns_points_as_an_answer(task: Task) -> None:
    earned, printed = marks(task, None)
    assert earned == {}
    returned = set(re.findall(r"^RETURNS (\S+)$", printed, re.MULTILINE))
    assert len(returned) + printed.count("FAILS") > 80
    for name in sorted(returned):
        assert marks(task, name)[0].items() <= OF_A_COPY.items(), name


@pytest.mark.full
def test_no_pipeline_that_is_ready_for_many_submissions_is_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker finds the whole pipeline, although the grader's own has a short one ready."""
    confined_by = choose(None, "cpu")
    if confined_by.tier != "sandbox":
        pytest.skip("only a fork server has pipelines ready")
    monkeypatch.setattr(fork_server, "_many", [True])
    pipeline.close()
    fork_server.close()
    try:
        pipeline.tokens("this starts the grader's own worker")
        thief = bank()["a-pipeline-that-is-found-in-memory"].sources()["text"].encode()
        results, _ = grade({"text": thief}, ["fast_pipeline"], confined_by)
    finally:
        pipeline.close()
        fork_server.close()
    assert [result.score for result in results["fast_pipeline"]] == [1, 2, 0, 0]
