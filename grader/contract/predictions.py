"""What students predict before they run a cell: compares a guess with the hash of the answer.

`answers/<assignment>.toml` is generated from the lessons and holds no answer in plain text.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract.guesses import readings
from grader.contract.names import did_you_mean

TABLES = GRADER / "contract" / "answers"
CELL = "predict-"  # how the name of a notebook's cell that asks for a guess begins
GUESS = re.compile(r"""^[ \t]*predict\(\s*["'][\w-]+["']\s*,\s*(?!\.\.\.)[^\s)#]""", re.MULTILINE)
FIRST = "Write your guess first: replace the `...`, then run this cell."


@dataclass(frozen=True)
class Prediction:
    """A question of a lesson.

    Attributes:
        id: unique across all lessons.
        digest: the hash of the answer.
        hint: what to look at; shown after a wrong guess.
        decimals: to how many decimals numbers are compared.
        choices: the possible answers; empty if the answer is not one of a few words.
    """

    id: str
    digest: str
    hint: str
    decimals: int = 2
    choices: tuple[str, ...] = ()


@functools.cache
def predictions() -> dict[str, Prediction]:
    """Return the questions of all lessons by id."""
    return {
        id_: Prediction(id_, **row | {"choices": tuple(row.get("choices", ()))})
        for path in sorted(TABLES.glob("*.toml"))
        for id_, row in read_toml(path).items()
    }


def reply(question: str, *guess: object) -> str:
    """Say whether a guess is right; if it is wrong, say what to look at, but not the answer."""
    prediction = predictions().get(question)
    if prediction is None:
        return f"There is no question {question!r}.{did_you_mean(question, predictions())}"
    value = guess[0] if len(guess) == 1 else guess
    parts = value if isinstance(value, list | tuple) else (value,)
    if not parts or any(map(_is_left_out, parts)):
        return FIRST
    meant = [*readings(guess, prediction.choices)]
    if any(digest(question, each, prediction.decimals) == prediction.digest for each in meant):
        return "Right! Run the next cell to see it."
    choices = {normal_form(each, 0) for each in prediction.choices}
    if choices and not choices & {normal_form(each, 0) for each in meant}:
        return "Choose one of these: " + ", ".join(f'"{each}"' for each in prediction.choices) + "."
    again = "Change your guess and run this cell again, or run the next cell and compare."
    return f"Not quite. {prediction.hint} {again}"


def _is_left_out(part: object) -> bool:
    return part is ... or (isinstance(part, str) and not part.strip(" ."))


def digest(question: str, answer: object, decimals: int) -> str:
    """Return the hash of an answer, salted with the question."""
    text = f"{question}: {normal_form(answer, decimals)}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def is_made(source: str) -> bool:
    """Tell whether a cell passes a guess to `predict`, right or wrong."""
    return bool(GUESS.search(source))


def normal_form(value: Any, decimals: int) -> str:
    """Return a text that is the same for all ways to write an answer.

    Shapes can be tuples, lists, tensors or text; a sequence of one element is that element. Upper
    case and white space do not matter.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return "".join(value.casefold().split())
    if isinstance(value, list | tuple):
        parts = [normal_form(each, decimals) for each in value]
        return parts[0] if len(parts) == 1 else f"({','.join(parts)})"
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = round(value, decimals)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
    return "".join(str(value).casefold().split())
