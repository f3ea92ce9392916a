"""`python -m grader release OUT.zip`: builds the archive for students."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the archive."""
    parser.add_argument("out", type=Path, metavar="OUT.zip", help="the archive to write")


def run(options: argparse.Namespace) -> int:
    """Build the archive and return the exit code."""
    from grader.maintain import release

    return release.run(options.out)
