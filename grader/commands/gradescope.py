"""`python -m grader gradescope OUT.zip`: makes an autograder for Gradescope."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.commands.arguments import add_assignment, add_grading
from grader.contract.enums import Tier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT.zip")
    add_assignment(parser)
    add_grading(parser, confine=Tier.SANDBOX)


def run(options: argparse.Namespace) -> int:
    """Make the archive; returns the exit code."""
    from grader.maintain import gradescope_zip

    return gradescope_zip.run(
        options.out,
        assignment=options.assignment,
        confine=options.confine,
        seed=options.seed,
        device=options.device,
    )
