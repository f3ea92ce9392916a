"""Hooks of mkdocs: README.md and CONTRIBUTING.md become pages of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
NOTEBOOK = re.compile(r"^\[(\w+)\]: \.\./assignments/.*\n?", re.MULTILINE)
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=_linked(text, "](")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that leave docs/ lead to those pages; notebooks are not part of the site."""
    for name in NOTEBOOK.findall(markdown):
        markdown = re.sub(rf"\[([^]]+)\]\[{name}\]", r"\1", markdown)
    return _linked(NOTEBOOK.sub("", markdown), "](../")


def _linked(text: str, before: str) -> str:
    for name, page in PAGES.items():
        text = text.replace(f"{before}{name}", f"]({page}")
    return text
