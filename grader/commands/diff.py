"""`python -m grader diff OLD NEW`: shows whose mark changes between two runs, and why."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the two runs and the output format."""
    parser.add_argument("old", type=Path, help="a report folder written by `class`, or a record")
    parser.add_argument("new", type=Path, help="the same, from a later run")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Compare two runs and return the exit code."""
    from grader.classroom import diff

    return diff.run(options.old, options.new, as_json=options.json)
