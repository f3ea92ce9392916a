"""`python -m grader train PATH`: trains a submission on news."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.commands.arguments import add_grading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the submission, the data and the hyperparameters."""
    parser.add_argument("path", type=Path, help="a folder or .zip with model.py and train.py")
    parser.add_argument(
        "--data", default="sample", help="sample, ag_news, or a CSV in AG News' layout [sample]"
    )
    parser.add_argument("--val", type=Path, metavar="FILE.csv", help="validation set")
    parser.add_argument("--rows", type=int, help="train on this many rows [all]")
    parser.add_argument("--epochs", type=int, default=8, help="[8]")
    parser.add_argument("--lr", type=float, default=0.002, help="learning rate [0.002]")
    parser.add_argument("--batch-size", type=int, default=32, help="[32]")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for curves.png, confusion.png, metrics.json and weights.pt [training]",
    )
    add_grading(parser)


def run(options: argparse.Namespace) -> int:
    """Train a submission and return the exit code."""
    from grader.training.run import Settings, train

    settings = Settings(
        data=options.data,
        val=options.val,
        rows=options.rows,
        epochs=options.epochs,
        lr=options.lr,
        batch_size=options.batch_size,
        device=options.device,
        seed=options.seed,
        confine=options.confine,
    )
    return train(options.path, settings, options.out)
