"""`python -m grader gradescope OUT.zip`: builds an autograder for Gradescope."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.commands.arguments import add_assignment, add_grading
from grader.contract.enums import Tier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the archive and how it grades."""
    parser.add_argument("out", type=Path, metavar="OUT.zip", help="the archive to write")
    add_assignment(parser)
    add_grading(parser, confine=Tier.SANDBOX)


def run(options: argparse.Namespace) -> int:
    """Build the archive and return the exit code."""
    from grader.maintain import gradescope_zip

    return gradescope_zip.run(
        options.out,
        assignment=options.assignment,
        confine=options.confine,
        seed=options.seed,
        device=options.device,
    )
