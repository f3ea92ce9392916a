"""The operation that imports a submission's module, before any other uses it."""

from __future__ import annotations

import importlib

from ..pipeline import MODEL
from ..student import student
from ..wire import Raised, text


def module(name: str, needs: list[str]) -> list[Raised]:
    """Import `exercise.<name>` and check that it defines the names in `needs`.

    Returns:
        Why it does not run as a whole, if only some of its tasks can be graded.
    """
    broken: list[Raised] = []
    for attribute in needs:
        try:
            student.get(name, attribute)
        except BaseException as error:
            if error is not student.broken.get(name, {}).get(attribute):
                raise
            broken = broken or [student.describe(error)]
    return broken


def packages(names: list[str]) -> dict[str, str]:
    """Import packages and write a file, as a submission may; return what failed, and why."""
    found = {}
    for name in names:
        try:
            importlib.import_module(name)
            if name == MODEL:
                importlib.import_module("spacy").load(MODEL)
        except BaseException as error:
            found[name] = text(str, error).partition("\n")[0]
    try:
        with open("probe", "w") as stream:
            stream.write("probe")
    except OSError as error:
        found["the working folder"] = text(str, error)
    return found
