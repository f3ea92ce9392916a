"""The result of grading one submission. Every report is made from a record alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from grader.base.files import to_json
from grader.contract.enums import State, Status
from grader.contract.messages import clean, shorten

SCHEMA_VERSION = 1
PLACEHOLDER = "placeholder-left"  # the mistake of a task that is in progress, not wrong
ACCURACY = "accuracy.unseen"  # the check whose figures are the record's `accuracy`
MAX_MESSAGE = 4000  # characters
TYPES = {  # of what is kept of a check; a file may hold anything
    **dict.fromkeys(("id", "task", "message", "printed"), str),
    **dict.fromkeys(("score", "max_score"), int | float),
    "mistake": str | None,
}
MAX_PRINTED, MAX_LINES = 2000, 20  # characters and lines of what student code printed


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        id: `task.name`.
        task: the task's id.
        status: how it ended.
        score: points earned, 0 to `max_score`.
        max_score: points to earn.
        mistake: the id of the known mistake that was recognised, if any.
        message: what happened, what was expected, what to do next; empty if passed. Whatever it
            is made of, it holds no control characters and at most `MAX_MESSAGE` characters.
        hint: the hint level to ask for, 1 to 3, if the check failed.
        seconds: wall time.
        printed: the beginning of what student code printed, as safe to show as the message; empty
            if the check passed.
        bonus: whether its points count on top of the others.
    """

    id: str
    task: str
    status: Status
    score: float
    max_score: float
    mistake: str | None = None
    message: str = ""
    hint: int | None = None
    seconds: float = 0.0
    printed: str = ""
    bonus: bool = False

    def __post_init__(self) -> None:
        """Make the texts safe to keep and to show.

        Raises:
            TypeError: a text, or a number, is something else.
        """
        for name, types in TYPES.items():
            if not isinstance(value := getattr(self, name), types):
                raise TypeError(f"the {name} of {self.id} is {value!r}")
        object.__setattr__(self, "message", shorten(clean(self.message), MAX_MESSAGE))
        object.__setattr__(self, "printed", _beginning(self.printed))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON data; `printed` and `bonus` only if there is any."""
        return {k: v for k, v in asdict(self).items() if v or k not in ("printed", "bonus")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckResult:
        """Return the result for the output of `as_dict`."""
        return cls(**data | {"status": Status(data["status"])})

    @classmethod
    def not_run(cls, id_: str, task: str, max_score: float, *, bonus: bool = False) -> CheckResult:
        """Return the result of a check that has not run."""
        return cls(id_, task, Status.NOT_RUN, 0.0, max_score, bonus=bonus)


@dataclass(frozen=True)
class TaskResult:
    """The points and the state of a task."""

    id: str
    score: float
    max_score: float
    state: State


@dataclass(frozen=True)
class Record:
    """The result of grading a submission.

    Attributes:
        submission: its `name`, `digest` and `assignment`; `left_out`: a line per skipped file;
            `notes`: what was read differently from how it was sent, or not at all.
        checks: the result of each planned check.
        environment: the versions and settings used for grading.
        accuracy: the figures of the task accuracy, if it ran.
    """

    submission: dict[str, Any]
    checks: list[CheckResult]
    environment: dict[str, Any]
    accuracy: dict[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> list[TaskResult]:
        """The results of the tasks, in the order of their checks."""
        ids = dict.fromkeys(check.task for check in self.checks)
        return [_sum_up(id_, [c for c in self.checks if c.task == id_]) for id_ in ids]

    @property
    def score(self) -> float:
        """The points earned."""
        return round(sum(check.score for check in self.checks), 2)

    @property
    def max_score(self) -> float:
        """The points available, without those of bonus tasks."""
        return _sum(check.max_score for check in self.checks if not check.bonus)

    @property
    def held_back(self) -> float:
        """The points of the checks that are held back, without those of bonus tasks."""
        held = (check for check in self.checks if check.status is Status.HELD_BACK)
        return _sum(check.max_score for check in held if not check.bonus)

    @property
    def full_marks(self) -> bool:
        """Whether every point is earned that is not bonus, nor held back."""
        judged = [check for check in self.checks if check.status is not Status.HELD_BACK]
        return bool(judged) and all(
            check.bonus or check.score == check.max_score for check in judged
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON data, as `record.schema.json` describes it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "submission": self.submission,
            "score": self.score,
            "max_score": self.max_score,
            "tasks": [asdict(task) for task in self.tasks],
            "checks": [check.as_dict() for check in self.checks],
            "environment": self.environment,
            "accuracy": self.accuracy,
        }

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return to_json(self.as_dict(), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Record:
        """Return the record for the output of `as_dict`; sums are computed again.

        Raises:
            KeyError, TypeError, ValueError: it is no such output.
        """
        for name in ("submission", "environment", "accuracy"):
            if not isinstance(data[name], dict):
                raise TypeError(f"{name} is {data[name]!r}")
        checks = [CheckResult.from_dict(check) for check in data["checks"]]
        return cls(data["submission"], checks, data["environment"], data["accuracy"])


def _beginning(printed: str) -> str:
    """Return the first lines of what was printed, and whether there are more."""
    text = clean(printed[: 2 * MAX_PRINTED].replace("\t", "    ").rstrip())
    lines = text.split("\n")
    if len(text) > MAX_PRINTED or len(lines) > MAX_LINES:
        shown = "\n".join(lines[: MAX_LINES - 1])[: MAX_PRINTED - 4]
        return f"{shown}\n..."
    return text


def _sum(points: Iterable[float]) -> float:
    """Add points; those of a course's own may have two decimals."""
    total = sum(points)
    return total if isinstance(total, int) else round(total, 2)


def _sum_up(id_: str, checks: list[CheckResult]) -> TaskResult:
    score = round(sum(check.score for check in checks), 2)
    return TaskResult(id_, score, _sum(check.max_score for check in checks), state_of(checks))


def state_of(checks: Sequence[CheckResult]) -> State:
    """Derive a task's state from its checks; those without points, or held back, do not count."""
    judged = [check for check in checks if check.status is not Status.HELD_BACK] or checks
    scored = [check for check in judged if check.max_score] or judged
    state = State.of({check.status for check in scored}, sum(check.score for check in scored))
    unfinished = state is State.WRONG and any(check.mistake == PLACEHOLDER for check in scored)
    return State.IN_PROGRESS if unfinished else state
