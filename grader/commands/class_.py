"""`python -m grader class FOLDER --out REPORT`: grades a class."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from grader.commands.arguments import (
    add_assignment,
    add_csv,
    add_data,
    add_grading,
    add_roster,
    data_rows,
    take_from_course,
)
from grader.contract.enums import Tier

LEAST_MEMORY = 1 << 30  # bytes of address space; torch alone uses more than half of it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the class, the reports and what to grade again."""
    parser.add_argument(
        "folder",
        type=Path,
        help="submissions (folders, zips, notebooks or .py files), or an export from Moodle, "
        "Canvas, Blackboard, GitHub Classroom or nbgrader",
    )
    add_assignment(parser)
    parser.add_argument(
        "--out", type=Path, metavar="REPORT", required=True, help="folder for the reports"
    )
    parser.add_argument(
        "--only",
        choices=("failed", "error", "changed"),
        help="grade again what is below full marks; what had an error; what has new files",
    )
    parser.add_argument(
        "--student",
        action="append",
        default=[],
        metavar="ID",
        help="grade this student again; may be repeated",
    )
    parser.add_argument(
        "--workers", type=_count, default=os.cpu_count() or 1, help="processes [one per core]"
    )
    parser.add_argument(
        "--limit-memory",
        type=_size,
        default="6G",
        metavar="SIZE",
        help="address space of a student's process [6G]",
    )
    parser.add_argument(
        "--cluster",
        metavar="tcp://HOST:8786",
        help="grade on a Dask cluster, given the address of its scheduler",
    )
    add_data(parser)
    add_roster(parser)
    add_csv(parser)
    add_grading(parser, confine=Tier.SANDBOX)


def run(options: argparse.Namespace) -> int:
    """Grade a class and return the exit code."""
    from grader.classroom import job, run
    from grader.contract import course, course_news
    from grader.grading import keys

    take_from_course(options)
    rows = data_rows(options.data)
    setting = job.GradingConfig(
        assignment=options.assignment or "",
        device=options.device,
        seed=options.seed,
        confine=options.confine,
        memory=options.limit_memory,
        secret=keys.course_secret(),
        versions=job.versions(),
        course=course.current().text(),
        news=course_news.text(),
        data=course_news.as_csv(course_news.few(rows)) if rows else "",
    )
    return run.run(
        run.RunOptions(
            folder=options.folder,
            out=options.out,
            only=options.only,
            students=options.student,
            workers=options.workers,
            cluster=options.cluster,
            setting=setting,
            roster=options.roster,
            deadline=options.deadline,
            column=options.column or "",
            decimal=options.decimal,
        )
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([MG])i?B?", text, re.IGNORECASE)
    size = float(match[1]) * (1 << {"M": 20, "G": 30}[match[2].upper()]) if match else 0
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size of at least 1G; write 4G or 1500M"
        )
    return int(size)
