"""`python -m grader release OUT.zip`: builds the archive for students."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from grader.base.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the archive, or the notebook."""
    parser.add_argument("out", type=Path, metavar="OUT", help="the archive or notebook to write")
    parser.add_argument(
        "--notebook",
        metavar="ASSIGNMENT",
        help="write this assignment's notebook with the kit inside, for Colab and the like",
    )
    parser.add_argument(
        "--url", default="", help="with --notebook: what pip installs the kit from instead"
    )
    parser.add_argument(
        "--repo",
        type=_repository,
        metavar="OWNER/NAME",
        help='with --notebook: the GitHub repository for its badge "Open in Colab"',
    )


def _repository(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not OWNER/NAME")
    return text


def run(options: argparse.Namespace) -> int:
    """Build the archive or the notebook and return the exit code."""
    if options.notebook:
        from grader.maintain import one_notebook

        return one_notebook.run(options.notebook, options.out, options.url, options.repo or "")
    if options.url or options.repo:
        raise UsageError("--url and --repo go with --notebook ASSIGNMENT.")
    from grader.maintain import release

    return release.run(options.out)
