"""Takes the answers of `predict(...)` out of a lesson and writes their hashes.

In the lesson `assignments/<assignment>.py`, a cell `# %% predict=true` holds one call:

    predict(
        "outputs-shape",
        answer=(3, 6, 8),
        computed=outputs.shape,
        hint="The last dimension holds both directions.",
    )

`computed` is an expression that gives the answer after the next code cell; a test compares the two.
`decimals` says to how many decimals numbers are compared (2); `choices` lists the words to choose
from. The notebook shows `predict("outputs-shape", ...)`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.contract.policy import written
from grader.contract.predictions import TABLES, Prediction, digest
from grader.maintain.stubs import REBUILD, BuildError, read, write

HEAD = "# Generated from assignments/ by `python -m grader build`: hashes of the answers.\n"
REQUIRED = {"answer", "computed", "hint"}
ALLOWED = REQUIRED | {"decimals", "choices"}


@dataclass(frozen=True)
class Question:
    """A cell that asks for a prediction, as the lesson has it."""

    prediction: Prediction
    answer: Any
    computed: str

    @property
    def cell(self) -> str:
        """The code that students get."""
        return f'predict("{self.prediction.id}", ...)  # replace the ... by your guess, then run'


def parse(script: str, source: str) -> Question:
    """Read the call in a cell.

    Raises:
        BuildError: the cell is not one call of `predict` with the arguments described above.
    """
    try:
        call: Any = ast.parse(source, mode="eval").body
        id_ = ast.literal_eval(call.args[0])
        given = {each.arg: each.value for each in call.keywords}
        computed = ast.unparse(given["computed"])
        told = {name: ast.literal_eval(given[name]) for name in given if name != "computed"}
    except (SyntaxError, AttributeError, LookupError, ValueError) as error:
        raise _error(script, source.split("\n")[0], f"is not a question ({error!r})") from None
    if not REQUIRED <= given.keys() <= ALLOWED:
        raise _error(script, id_, f"needs {sorted(REQUIRED)} and can have {sorted(ALLOWED)}")
    if not re.fullmatch(r"[a-z0-9-]+", id_):
        raise _error(script, id_, "is not a name of lower-case letters, digits and hyphens")
    answer, decimals, choices = told["answer"], told.get("decimals", 2), told.get("choices", ())
    if choices and answer not in choices:
        raise _error(script, id_, "has an answer that is not one of its choices")
    hashed = digest(id_, answer, decimals)
    prediction = Prediction(id_, hashed, told["hint"], decimals, tuple(choices))
    return Question(prediction, answer, computed)


def questions(script: Path) -> list[Question]:
    """Return the questions of a lesson.

    Raises:
        BuildError: a cell is not a question, or two have the same id.
    """
    import jupytext

    cells = jupytext.reads(read(script), fmt="py:percent").cells
    found = [parse(script.name, cell.source) for cell in cells if "predict" in cell.metadata]
    ids = [each.prediction.id for each in found]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise _error(script.name, id_, "is asked twice")
    return found


def text(script: Path) -> str:
    """Return the table of a lesson."""
    rows = []
    for question in questions(script):
        own = question.prediction
        lines = [f"[{own.id}]", f'digest = "{own.digest}"', f"hint = {written(own.hint)}"]
        lines += [f"decimals = {own.decimals}"] if own.decimals != 2 else []
        lines += [f"choices = {written(own.choices)}"] if own.choices else []
        rows.append("\n" + "".join(f"{line}\n" for line in lines))
    return HEAD + "".join(rows)


def table(script: Path) -> Path:
    """Return the path of a lesson's table."""
    return TABLES / f"{script.stem}.toml"


def build(script: Path) -> list[Path]:
    """Write the table of a lesson, and return its path in a list if it changed."""
    return [table(script)] if write(table(script), text(script)) else []


def check(script: Path) -> list[str]:
    """Return a line if the table is not what `build` would write."""
    try:
        now = read(table(script)) if table(script).is_file() else ""
        outdated = f"grader/contract/answers/{script.stem}.toml:1: outdated; {REBUILD}"
        return [] if now == text(script) else [outdated]
    except BuildError as error:
        return [str(error)]


def _error(script: str, what: str, problem: str) -> BuildError:
    return BuildError(script, 1, f"predict {what} {problem}", "see grader/maintain/predictions.py")
