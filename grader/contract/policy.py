"""What a course decides; the defaults are the kit's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

# What decides points, and so travels with a submission that another machine grades.
GRADING = ("leave_out", "bonus", "packages", "points", "accuracy", "data", "classes")
STUDENTS = (
    *GRADING,
    *("title", "pass_mark", "attempts", "written_questions", "predictions", "titles"),
    *("deadlines", "late", "show", "held_back"),
)


@dataclass(frozen=True, eq=False)
class Course:
    """What holds in a course; `maintain/course.toml` explains each setting.

    Attributes:
        news: what `data` holds, if the file is on another machine, see `course_news.text`.
        place: the file, as messages name it; empty if there is none.
        folder: the file's folder.
        values: what the file sets, by the name of the setting, such as `late.percent_per_day`.
        lines: the line of each of them.
    """

    title: str = ""
    pass_mark: float | None = None
    attempts: str = "last"
    written_questions: bool = True
    predictions: float = 0
    show: str = "full"
    held_back: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    bonus: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    roster: str = ""
    sections: tuple[str, ...] = ()
    data: str = ""
    classes: tuple[str, ...] = ()
    secret_variable: str = "GRADER_SECRET"
    points: Mapping[str, float] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    deadlines: Mapping[str, datetime] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    late_grace_minutes: float = 0
    late_percent_per_day: float = 0
    late_most_percent: float = 100
    accuracy_full: float | str | None = None
    accuracy_none: float | str | None = None
    export_decimal: str = "point"
    export_digits: int = 2
    news: str = ""
    place: str = ""
    folder: Path = Path()
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def roster_file(self) -> Path | None:
        """The roster, whose path is relative to the course's file."""
        return self.folder / self.roster if self.roster else None

    def text(self, settings: Sequence[str] = GRADING) -> str:
        """Return the part of `course.toml` with these settings or tables."""
        own = [name for name in self.values if name.partition(".")[0] in settings]
        own.sort(key=lambda name: "." in name)  # what is in no table comes first
        lines: list[str] = []
        last = ""
        for name in own:
            table, _, key = name.rpartition(".") if name.count(".") < 2 else name.partition(".")
            if table != last:
                lines, last = [*lines, "", f"[{table}]"], table
            lines.append(f"{_key(key)} = {written(self.values[name])}")
        return "\n".join(lines).lstrip("\n")


def written(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)
