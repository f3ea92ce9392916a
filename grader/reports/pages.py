"""Self-contained HTML pages from the templates; whatever stands in a page is escaped."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.messages import shorten
from grader.reports import board, words

LONGEST = 60  # characters of a name in a list
TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **content: Any) -> str:
    """Return a page of `templates/`."""
    return _environment().get_template(template).render(style=own("style.css"), **content)


def own(name: str) -> Markup:
    """Return a file of `templates/` that is put into pages as it is."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def short(name: str) -> str:
    """Return a name as part of a list or a sentence."""
    return shorten(words.one_line(name), LONGEST)


def ticks(text: str) -> Markup:
    """Show what stands between backticks as code."""
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
    environment.filters.update(one_line=words.one_line, short=short, ticks=ticks)
    environment.globals.update(
        BAD=board.BAD,
        STATUS_WORDS=board.STATUS_WORDS,
        first=board.first,
        hint=words.hint,
        hint_command=board.hint_command,
        mistake=words.mistake,
        name=words.name,
        not_taken=words.left_out,
        points_of=board.points_of,
        next_line=board.next_line,
        promise=words.promise,
        title=words.title,
        to_mend=board.to_mend,
        told_accuracy=board.accuracy,
    )
    return environment
