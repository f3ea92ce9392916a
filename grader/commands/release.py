"""`python -m grader release OUT`: builds what students get."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from grader.base.errors import UsageError
from grader.contract.tasks import MAIN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the archive, the notebook or the repository."""
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the archive, notebook or folder to write"
    )
    parser.add_argument(
        "--github",
        action="store_true",
        help="write a folder: a template repository for GitHub that grades each push",
    )
    parser.add_argument(
        "--assignment", metavar="ID", help=f"with --github: what is graded [{MAIN}]"
    )
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
    """Build the archive, the notebook or the repository and return the exit code."""
    if options.github and options.notebook:
        raise UsageError("--github and --notebook: choose one of them.")
    if options.assignment and not options.github:
        raise UsageError("--assignment goes with --github.")
    if options.notebook:
        from grader.maintain import one_notebook

        return one_notebook.run(options.notebook, options.out, options.url, options.repo or "")
    if options.url or options.repo:
        raise UsageError("--url and --repo go with --notebook ASSIGNMENT.")
    from grader.maintain import github_template, release

    if options.github:
        return github_template.run(options.out, options.assignment)
    return release.run(options.out)
