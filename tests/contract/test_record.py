"""Records have the values that the schema lists, and those of other versions can be read."""

import json
from dataclasses import replace

import pytest

from grader.base.paths import GRADER
from grader.contract.enums import State, Status, Tier
from grader.contract.record import MAX_MESSAGE, CheckResult, Record

SCHEMA = json.loads((GRADER / "contract" / "record.schema.json").read_text(encoding="utf-8"))


def listed(*path: str) -> list[str]:
    """Return the enum at a path of properties in the schema."""
    found = SCHEMA
    for name in path:
        found = found["properties"][name]
        found = found.get("items", found)
    return list(found["enum"])


def test_the_schema_lists_the_values_of_the_enums() -> None:
    assert listed("checks", "status") == [*Status]
    assert listed("tasks", "state") == [*State]
    assert listed("environment", "confinement") == [*Tier]


def test_a_status_of_another_version_is_read_as_an_error() -> None:
    check = {"id": "t.c", "task": "t", "status": "postponed", "score": 0.0, "max_score": 1.0}
    data = {"submission": {}, "checks": [check], "environment": {}, "accuracy": {}}
    record = Record.from_dict(data)
    assert [task.state for task in record.tasks] == [State.ERROR]


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred\u202e\x00", "?[31mred??"),
        ("x" * 5000, "x" * (MAX_MESSAGE - 4) + " ..."),
    ],
)
def test_a_message_is_clean_and_short_whatever_it_is_made_of(message: str, kept: str) -> None:
    result = CheckResult("t.c", "t", Status.FAILED, 0.0, 1.0, message=message)
    assert result.message == kept
    assert replace(result, score=0.5, message=message).message == kept


def test_a_message_that_is_not_a_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the message of t\.c is 3"):
        CheckResult("t.c", "t", Status.FAILED, 0.0, 1.0, message=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", Status)
def test_each_status_but_passed_is_either_pending_or_broken(status: Status) -> None:
    kinds = [status is Status.PASSED, status.is_pending, status.is_broken]
    assert kinds.count(True) == 1
    assert status.is_judged == (status not in (Status.ERROR, *filter(pending, Status)))


def pending(status: Status) -> bool:
    return status.is_pending


@pytest.mark.parametrize(
    ("statuses", "score", "state"),
    [
        (["passed", "passed"], 2.0, State.DONE),
        (["passed", "error"], 1.0, State.ERROR),
        (["passed", "failed"], 1.0, State.IN_PROGRESS),
        (["failed", "not_started"], 0.5, State.IN_PROGRESS),  # a share of a failed check
        (["passed", "failed"], 0.0, State.WRONG),  # the one that passed earns no points
        (["not_started", "blocked", "not_run"], 0.0, State.NOT_STARTED),
        (["blocked", "not_run"], 0.0, State.BLOCKED),
        (["not_run"], 0.0, State.WRONG),
        (["timeout", "blocked"], 0.0, State.WRONG),
    ],
)
def test_the_state_of_a_task_follows_from_its_checks(
    statuses: list[str], score: float, state: State
) -> None:
    points = [score] + [0.0] * (len(statuses) - 1)
    checks = [
        CheckResult(f"t.{number}", "t", Status(status), earned, 1.0)
        for number, (status, earned) in enumerate(zip(statuses, points, strict=True))
    ]
    (task,) = Record({}, checks, {}).tasks
    assert task.state is state
