"""Reads a guess as students write it: `"3/4"`, `"10 %"`, `"0,75"`, `"3 x 4 x 12"`, `"yes"`."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Sequence, Set
from decimal import Decimal
from fractions import Fraction
from typing import Any

LONGEST = 200  # characters; a longer text is only compared as it is
WORDS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
COUNTS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
SIGNS = str.maketrans(
    {0x2212: "-", 0x2013: "-", 0xD7: "x", 0xB7: "*", 0xF7: "/"}
)  # minus, dash, signs
TIMES = re.compile(r"(?<=[\d ])[x*](?=[\d ])")
PERCENT = re.compile(r"[^\d]*(-?\d*[.,]?\d+) ?(%|percent|per cent)[.!]?")
COMMA = re.compile(r"[^\d]*?(-?\d+),(\d+)[^\d]*")
SUM = re.compile(r"[-+*/(). \d]+")
NUMBER = re.compile(r"(?<![\w.])(?:(?<![\d)])-)?(?:\d+(?:\.\d+)?|\.\d+)(?:e-?\d+)?")
NEGATED = {"not", "no", "neither", "nor", "never", "t"}  # "don't" is two words: don, t
SMALL = {"a", "an", "the", "of", "it", "is", "by"}
OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def readings(guess: Sequence[object], choices: Sequence[str] = ()) -> Iterator[Any]:
    """Yield what a guess may mean, literally first.

    Args:
        guess: the arguments that `predict` got.
        choices: the words that the answer is one of; empty if it is no word.
    """
    value = guess[0] if len(guess) == 1 else [*guess]
    if isinstance(value, Fraction | Decimal):
        value = float(value)
    if isinstance(value, range | Set):
        value = sorted(value)
    yield value
    if len(guess) == 2 and all(type(each) is int and each >= 0 for each in guess):
        yield float(f"{guess[0]}.{guess[1]}")  # 0,75 without quotes
    if isinstance(value, str) and len(value) <= LONGEST:
        text = " ".join(value.casefold().translate(SIGNS).split())
        yield from _choices(text, choices) if choices else _values(text)


def _choices(text: str, choices: Sequence[str]) -> Iterator[str]:
    """Yield the only choice that a text can mean, such as "the forward state" or "third"."""
    said = {*_words(text)} - SMALL
    found = []
    for choice in choices:
        words = {*_words(choice.casefold())} - SMALL
        if said and not said & NEGATED and (said <= words or words <= said):
            found.append(choice)
    if len(found) == 1:
        yield found[0]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _values(text: str) -> Iterator[Any]:
    """Yield the truth value, the numbers and the shape that a text can mean."""
    first = next(iter(_words(text)), "")
    if first in WORDS:
        yield WORDS[first]
    if text in COUNTS:
        yield COUNTS.index(text)
    if found := PERCENT.fullmatch(text):
        number = float(found[1].replace(",", "."))
        yield from (number / 100, number)
    if found := COMMA.fullmatch(text):
        yield float(f"{found[1]}.{found[2]}")
    formula = text.lstrip("~≈= ")
    if SUM.fullmatch(formula):
        yield from _computed(formula)
    if numbers := [float(each) for each in NUMBER.findall(TIMES.sub(" ", text))]:
        yield numbers


def _computed(formula: str) -> Iterator[float]:
    """Yield the value of a formula such as 3/4."""
    try:
        yield _value(ast.parse(formula, mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("not a plain formula")
