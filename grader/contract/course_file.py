"""Reads `course.toml`, and says of each mistake in it on which line it is and what may be there."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import parse_toml
from grader.base.times import moment
from grader.contract.messages import shorten
from grader.contract.names import did_you_mean
from grader.contract.policy import Course, written
from grader.contract.tables import check_rows, tables, task_rows

MAX_SHOWN = 60  # characters of a value
MAX_FILE = 1 << 16  # bytes
MAX_PROBLEMS = 20  # that are told
FEWEST_CLASSES, MOST_CLASSES = 2, 20  # of news of a course's own
NOT_TOML = {  # what to do, by the beginning of what the parser says
    "Invalid value": '; texts are in straight quotes, as in "last"; true and false are lower case',
    "Expected newline": "; decimals have a point, and times are as in 2026-11-21T23:59:00",
    "Expected '='": "; write name = value",
}
CALIBRATED = "calibrated"  # use the mark derived from recorded runs


class Wrong(Exception):
    """A value that a setting cannot have.

    Attributes:
        expected: what it may be.
        item: the item of a list that is wrong.
    """

    def __init__(self, expected: str, item: Any = None) -> None:
        super().__init__(expected)
        self.expected, self.item = expected, item


class Unknown(Wrong):
    """A setting that there is not; `expected` says what there is."""


Convert = Callable[[Any], Any]  # from a TOML value; raises Wrong


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise Wrong("a text of one line, in quotes")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise Wrong('the name of an environment variable, as in "GRADER_SECRET"')
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def _number(least: float, most: float, expected: str) -> Convert:
    def convert(value: Any) -> float:
        if type(value) not in (int, float) or not least <= value <= most:
            raise Wrong(expected)
        return float(value) if value != int(value) else int(value)

    return convert


def _choice(*allowed: str | int) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not type(allowed[0]) or value not in allowed:
            meant = did_you_mean(value, [*map(str, allowed)]) if isinstance(value, str) else ""
            raise Wrong(f"{' or '.join(map(written, allowed))}{_choices((), meant)}")
        return value

    return convert


def _accuracy(value: Any) -> float | str:
    if value == CALIBRATED:
        return CALIBRATED
    convert = _number(0, 1, f'a number from 0 to 1, or "{CALIBRATED}"')
    return convert(value)  # type: ignore[no-any-return]


def _list(each: Convert, expected: str) -> Convert:
    def convert(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(expected)
        for item in value:
            try:
                each(item)
            except Wrong as wrong:
                raise Wrong(wrong.expected, item) from None
        return tuple(dict.fromkeys(value))

    return convert


def _task(value: Any) -> str:
    known = task_rows()
    if not isinstance(value, str) or value not in known:
        name = value.partition(".")[0] if isinstance(value, str) else ""  # of a check
        meant = f" Did you mean {name}?" if name in known else did_you_mean(name, known)
        raise Wrong(f"the id of a task{_choices(known, meant)}")
    return value


def _checks(value: Any) -> str:
    known = [*task_rows(), *check_rows()]
    if not isinstance(value, str) or not fnmatch.filter(known, value):
        meant = did_you_mean(value, known) if isinstance(value, str) else ""
        raise Wrong(
            f'a task, a check, or a pattern that fits some, as in "pad.*"{_choices((), meant)}'
        )
    return value


def _package(value: Any) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise Wrong('what is imported, as in "sklearn"')
    return value


def _deadline(value: Any) -> datetime:
    expected = "a time, as in 2026-11-21T23:59:00+01:00 or 2026-11-21 (the end of that day)"
    try:
        if isinstance(value, datetime):
            return value if value.tzinfo else value.astimezone()
        if isinstance(value, date):
            return datetime.combine(value, time.max).astimezone()
        return moment(value)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise Wrong(expected) from None


def _points(value: Any) -> float:
    expected = "a number of points, 0 or more, with two decimals at most"
    points: float = _number(0, 10_000, expected)(value)
    if round(points, 2) != points:
        raise Wrong(expected)
    return points


PERCENT = _number(0, 100, "a number from 0 to 100, in percent")
SETTINGS: dict[str, Convert] = {
    "title": _text,
    "pass_mark": PERCENT,
    "attempts": _choice("last", "best"),
    "written_questions": _yes_or_no,
    "predictions": _number(0, 10_000, "a number of points, 0 or more"),
    "show": _choice("none", "message", "full"),
    "held_back": _list(_checks, 'a list of checks, as in ["pad.*"]'),
    "leave_out": _list(_task, 'a list of tasks, as in ["fast_pipeline"]'),
    "bonus": _list(_task, 'a list of tasks, as in ["gru_cell"]'),
    "packages": _list(_package, 'a list of names, as in ["sklearn"]'),
    "roster": _text,
    "data": _text,
    "classes": _list(_text, 'a list of names, as in ["negative", "positive"]'),
    "sections": _list(_text, 'a list of texts, as in ["Tuesday 10"]'),
    "secret_variable": _name,
    "late.grace_minutes": _number(0, 1e6, "a number of minutes"),
    "late.percent_per_day": PERCENT,
    "late.most_percent": PERCENT,
    "accuracy.full": _accuracy,
    "accuracy.none": _accuracy,
    "export.decimal": _choice("point", "comma"),
    "export.digits": _choice(0, 1, 2),
}
TABLES: dict[str, tuple[Convert, str]] = {  # whose keys are assignments, or tasks and checks
    "titles": (_text, "assignment"),
    "deadlines": (_deadline, "assignment"),
    "columns": (_text, "assignment"),
    "points": (_points, "task or check"),
}


def read(path: Path) -> Course:
    """Read a course's file.

    Raises:
        UsageError: it cannot be read, or is not valid; there is a line per mistake.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise UsageError(f"{path}: larger than {MAX_FILE >> 10} KiB; is it a course?")
        text = data.decode("utf-8-sig")
        if "\0" in text:
            raise UsageError(f"{path}: not in UTF-8. Save it in that encoding.")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not in UTF-8. Save it in that encoding.") from None
    return parse(text, _shown(path), path.parent.absolute())


def parse(text: str, place: str, folder: Path = Path()) -> Course:
    """Return what a text sets; `place` is what it is called in messages.

    Raises:
        UsageError: it is not valid; there is a line per mistake.
    """
    try:
        table = parse_toml(text.replace("\r\n", "\n"))
    except RecursionError:
        raise UsageError(f"{place}: not a course, but lists in lists in lists.") from None
    except ValueError as error:
        reason, _, where = f"{error}".partition(" (at ")
        lines_, found = text.split("\n"), re.match(r"line (\d+)", where)
        at = int(found[1]) if found else len(lines_)
        shown = shorten(lines_[at - 1].strip(), MAX_SHOWN)
        hint = next((more for begin, more in NOT_TOML.items() if reason.startswith(begin)), "")
        raise UsageError(f"{place}, line {at}: {shown}: not TOML ({reason}){hint}.") from None
    lines = _lines(text)
    values: dict[str, Any] = {}
    problems: list[tuple[int, str]] = []
    for name, value in _flat(table):
        if len(problems) == MAX_PROBLEMS:
            break
        try:
            values[name] = _converted(name, value)
        except Wrong as wrong:
            at = _line(lines, name, wrong.item)
            found = value if wrong.item is None else wrong.item
            but = ": " if isinstance(wrong, Unknown) else " is not "
            problems.append((at, f"{_told(name, found)}{but}{wrong.expected}"))
    problems += [(_line(lines, name), what) for name, what in _contradictions(values)]
    if problems:
        told = (
            f"{place}, line {at}: {what}{'' if what.endswith('?') else '.'}"
            for at, what in sorted(problems)
        )
        raise UsageError("\n".join(told))
    own: dict[str, Any] = {name: {} for name in TABLES}
    for name, value in values.items():
        head, _, key = name.partition(".")
        if head in TABLES:
            own[head][key] = value
        else:
            own[name.replace(".", "_")] = value
    at_line = {name: _line(lines, name) for name in values}
    return Course(**own, place=place, folder=folder, values=values, lines=at_line)


def _shown(path: Path) -> str:
    own = path.absolute()
    return own.relative_to(Path.cwd()).as_posix() if own.is_relative_to(Path.cwd()) else str(path)


def _flat(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings with dotted names; that of a check needs no quotes in the file."""
    nested = {*TABLES, *_inner()}
    for key, value in table.items():
        if key not in nested or not isinstance(value, dict):
            yield key, value
            continue
        for name, each in value.items():
            if key == "points" and isinstance(each, dict):
                yield from ((f"{key}.{name}.{last}", one) for last, one in each.items())
            else:
                yield f"{key}.{name}", each


def _converted(name: str, value: Any) -> Any:
    """Return the value of a setting.

    Raises:
        Wrong: there is no such setting, or it cannot have this value.
    """
    if name in SETTINGS:
        return SETTINGS[name](value)
    head, _, key = name.partition(".")
    known: Collection[str]
    if head in TABLES and key:
        convert, kind = TABLES[head]
        known = {*task_rows(), *check_rows()} if kind == "task or check" else tables()
        if key in known:
            return convert(value)
        named = tables() if kind == "assignment" else task_rows()
        meant = did_you_mean(key, named) or did_you_mean(key, known)
        raise Unknown(f"there is no {kind} {key}{_choices(named, meant)}")
    if head in TABLES or any(setting.startswith(f"{head}.") for setting in SETTINGS):
        if not key:
            raise Wrong(f"a table, which begins with the line [{head}]")
        known = [each.partition(".")[2] for each in SETTINGS if each.startswith(f"{head}.")]
        meant = did_you_mean(key, known)
    else:
        known = [*(each for each in SETTINGS if "." not in each), *TABLES, *_inner()]
        meant = did_you_mean(name, known)
    raise Unknown(f"there is no such setting{_choices(known, meant)}")


def _inner() -> list[str]:
    """Return the tables that hold settings."""
    return list(dict.fromkeys(name.partition(".")[0] for name in SETTINGS if "." in name))


def _contradictions(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with several settings together: the name of one, and a text."""
    left_out, bonus = values.get("leave_out", ()), values.get("bonus", ())
    for task in bonus:
        if task in left_out:
            yield "bonus", f"{task} is left out, so it cannot be bonus; take it out of one list"
    for id_, row in check_rows().items():
        task = id_.partition(".")[0]
        missing = [each for each in row.get("tasks", ()) if each in left_out]
        if row["points"] and missing and task not in left_out:
            yield (
                "leave_out",
                f"{task} cannot be graded without {missing[0]}; leave out {task}, too",
            )
    for id_, table in tables().items():
        counted = [row["id"] for row in table["task"] if row["id"] not in {*left_out, *bonus}]
        if not counted:
            yield (
                "leave_out" if left_out else "bonus",
                f"no task of {id_} counts; one must be neither left out nor bonus",
            )
        elif not any(_has_points(check, values) for task in counted for check in _of(task)):
            yield "points", f"the tasks of {id_} have no points at all"
    yield from _endless(values)
    yield from _own_news(values)
    for name in values:
        head, _, check = name.partition(".")
        task = check.partition(".")[0]
        if head == "points" and "." in check and f"points.{task}" in values:
            yield name, f"{check} and {task} both have points; set the task's or its checks'"
    full, none = values.get("accuracy.full"), values.get("accuracy.none")
    if isinstance(full, float | int) and isinstance(none, float | int) and none >= full:
        yield "accuracy.none", f"none = {none} is not below full = {full}; points begin below full"


def _of(task: str) -> list[str]:
    """Return the ids of a task's checks."""
    return [id_ for id_ in check_rows() if id_.startswith(f"{task}.")]


def _has_points(check: str, values: dict[str, Any]) -> bool:
    task, kits = check.partition(".")[0], check_rows()[check]["points"]
    whole = values.get(f"points.{task}")
    own = values.get(f"points.{check}", kits)
    return bool(kits and whole) if whole is not None else bool(own)


def _own_news(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the news of a course's own lack."""
    classes = values.get("classes")
    if "data" not in values:
        if classes is not None:
            yield "classes", "these are the classes of data, which is not set"
        return
    if classes is None:
        yield "data", 'the names of its classes are missing: classes = ["...", "..."]'
    elif not FEWEST_CLASSES <= len(classes) <= MOST_CLASSES:
        yield (
            "classes",
            f"{len(classes)} different classes; data needs {FEWEST_CLASSES} to {MOST_CLASSES}",
        )
    marks = [values.get(f"accuracy.{name}") for name in ("full", "none")]
    if "accuracy" not in values.get("leave_out", ()) and not all(
        isinstance(mark, float | int) for mark in marks
    ):
        yield (
            "data",
            "the calibrated marks are for the kit's news; set full and none in [accuracy] to "
            "numbers, by what your reference reaches",
        )


def _endless(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the assignments in which checks are held back, but until no deadline."""
    for id_, table in tables().items():
        if f"deadlines.{id_}" in values:
            continue
        rows = (row["id"] for row in table["task"] if row["id"] not in values.get("leave_out", ()))
        for task in rows:
            own = [task, *_of(task)]
            for pattern in values.get("held_back", ()):
                if held := fnmatch.filter(own, pattern):
                    yield (
                        "held_back",
                        f"{held[0]} is held back until the deadline of {id_}, which has none; set "
                        f"{id_} in the table [deadlines]",
                    )
                    return


def _choices(names: Collection[str], meant: str) -> str:
    """Return the name that was meant, or all that there are."""
    return f".{meant}" if meant else f"; there are {', '.join(names)}" if names else ""


def _told(name: str, value: Any) -> str:
    try:
        shown = written(value)
    except TypeError:
        shown = "a table"
    except ValueError:  # Python does not write it
        shown = "a huge number"
    return f"{name} = {shorten(shown, MAX_SHOWN)}"


def _lines(text: str) -> list[tuple[str, str]]:
    """Return each line with the name of the table or setting that it begins, or goes on with."""
    found, table, name = [], "", ""
    for line in text.split("\n"):
        if header := re.match(r"\s*\[{1,2}([^\[\]=,]+)\]{1,2}\s*(#.*)?$", line):
            table = name = _plain(header[1])
        elif setting := re.match(r"([\w.\"' \t-]+)=", line):
            name = f"{table}.{_plain(setting[1])}" if table else _plain(setting[1])
        found.append((name, line))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\"'\s]", "", name)


def _line(lines: list[tuple[str, str]], name: str, item: Any = None) -> int:
    """Return the number of the line with a setting, or with an item of its list."""
    while name:
        own = [number for number, (each, _) in enumerate(lines, 1) if each == name]
        if own and item is not None:
            shown = str(item)
            return next((n for n in own if shown in lines[n - 1][1].split("=")[-1]), own[0])
        if own:
            return own[0]
        name = name.rpartition(".")[0]
    return 1
