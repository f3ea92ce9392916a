"""Renders self-contained HTML pages from the templates; all inserted values are escaped."""

from __future__ import annotations

import functools
import re
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.base.paths import GRADER
from grader.contract.messages import shorten
from grader.reports import board, labels

LONGEST = 60  # characters of a name in a list
TEMPLATES = GRADER / "reports" / "templates"


def render(template: str, **content: Any) -> str:
    """Render a template in `templates/`."""
    return (
        _environment().get_template(template).render(style=template_source("style.css"), **content)
    )


def template_source(name: str) -> Markup:
    """Return a file in `templates/` that pages include verbatim."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def short(name: str) -> str:
    """Shorten a name for a list or a sentence."""
    return shorten(labels.one_line(name), LONGEST)


def ticks(text: str) -> Markup:
    """Turn text between backticks into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(one_line=labels.one_line, short=short, ticks=ticks)
    environment.globals.update(
        PRINTED=board.PRINTED,
        STATUS_WORDS=board.STATUS_WORDS,
        first=board.first,
        hint=labels.hint,
        hint_command=board.hint_command,
        mark_line=labels.mark_line,
        mistake=labels.mistake,
        name=labels.name,
        not_taken=labels.left_out,
        notes_of=labels.notes,
        points_of=board.points_of,
        next_line=board.next_line,
        promise=labels.promise,
        title=labels.title,
        to_fix=board.to_fix,
        told_accuracy=board.accuracy,
    )
    return environment
