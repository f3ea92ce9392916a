"""`python -m grader watch [PATH]`: grades on every save and shows the task at hand."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from grader.base.console import plain_console
from grader.base.errors import UsageError
from grader.base.paths import EXERCISE, GRADER, ROOT
from grader.commands.arguments import add_assignment
from grader.contract.tasks import choose_assignment, get_task, tasks

STUBS = GRADER / "stubs"  # in a student's kit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define what to watch."""
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=EXERCISE,
        help="a folder, a .py file or a notebook [exercise]",
    )
    add_assignment(parser)
    parser.add_argument("--task", metavar="ID", help="begin with this task [the first open one]")


def run(options: argparse.Namespace) -> int:
    """Watch until the student quits; return the exit code."""
    from grader.grading.session import load
    from grader.watch.loop import Watch

    if not options.path.exists() and options.path.stem in tasks():  # `watch collate`
        options.path, options.task = EXERCISE, options.task or options.path.stem
    task = get_task(options.task) if options.task else None
    name: str | None = options.assignment or (task.assignment if task else None)
    chosen = choose_assignment(name, () if name else load(options.path).files)
    if task is not None and task.assignment != chosen.id:
        raise UsageError(f"--task {task.id}: it belongs to --assignment {task.assignment}.")
    path = _shortened(options.path)
    for name in ("SIGHUP", "SIGTERM"):  # when its window is closed, it cleans up as after Ctrl-C
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    Watch(path, chosen, task, _stubs(chosen.modules), plain_console()).run()
    return 0


def _shortened(path: Path) -> Path:
    """Return a path as seen from the current folder, if it is below."""
    whole, here = path.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _stubs(modules: list[str]) -> dict[str, str]:
    """Return the text of each module's stub: from the student's kit, or made from the solution."""
    if STUBS.is_dir():
        return {name: (STUBS / f"{name}.py").read_text(encoding="utf-8") for name in modules}
    from grader.maintain import stubs

    solution = ROOT / "solution"
    return {name: stubs.stub(stubs.read(solution / f"{name}.py"), name) for name in modules}
