"""`python -m grader release OUT.zip`: makes what students get."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT.zip")


def run(options: argparse.Namespace) -> int:
    """Make the archive; returns the exit code."""
    from grader.maintain import release

    return release.run(options.out)
