"""Functions for notebooks: `check`, `hint`, `predict`, and `progress` for training runs."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from grader.base.errors import UsageError
from grader.contract import predictions
from grader.contract.enums import Tier
from grader.contract.record import Record
from grader.contract.tasks import assignments, get_task, tasks
from grader.intake.choice import modules_beside
from grader.intake.notebook_modules import extract_modules, last_versions
from grader.intake.statements import Cell, defined
from grader.reports import board, hints, html
from grader.reports.unfinished import Unfinished

T = TypeVar("T")
VALIDATING = "NBGRADER_VALIDATING"  # nbgrader sets it if Validate runs a notebook


class Table:
    """A record that displays as HTML in a notebook and as text elsewhere.

    Attributes:
        record: the record.
        checked: which version of the code it is about.
    """

    def __init__(self, record: Record, checked: str = "") -> None:
        """Wrap a record."""
        self.record, self.checked = record, checked

    def __repr__(self) -> str:
        return f"{board.text(self.record)}\n{self.checked}".rstrip("\n")

    def _repr_html_(self) -> str:
        return f"{html.table(self.record)}<small>{self.checked}</small>"


class PointsMissing(Exception):
    """A check without full marks; Validate shows it as one line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Points(float):
    """Points that a notebook does not show below the table, which has them already.

    They are the cell's result all the same: nbgrader reads partial credit from its plain text, in
    its default configuration too, and gives full marks to a cell without one.
    """

    def _repr_html_(self) -> str:
        return ""


def check(task: str, *parts: object) -> Points:
    """Check a task: `check("collate", Collate)` shows a table and returns the points.

    The source of the cells that were run is passed to a worker process as a submission, exactly as
    `nbgrader autograde` does with the notebook. `parts` only show that the cells ran. The objects
    themselves are not checked: they live in this process and may hold state from earlier versions
    of a cell, so the result could differ from the mark.

    Any failure raises an exception, which nbgrader counts as no points. If Validate runs the
    notebook, missing points raise one, too: otherwise Validate would report "partial credit" even
    for a task that is not started.

    Args:
        task: the task's id.
        parts: the classes and functions of the task.

    Returns:
        The points, from 0 to the task's points.

    Raises:
        UsageError: the task is unknown, or `parts` are not its parts.
        PointsMissing: Validate runs the notebook, and points are missing.
    """
    _require_parts(task, parts)
    cells = last_versions(_history())
    with _silence():
        record = _grade(task, cells)
    _show(record, _checked(task, cells))
    score, most = float(record.score), float(record.max_score)
    if record.full_marks:  # of what is not held back
        return Points(most)
    if score < most and VALIDATING in os.environ:
        raise PointsMissing(f"{board.line(record, record.tasks[0])} Run the cell to read more.")
    return Points(min(max(score, 0.0), most))


def ready(installed: Sequence[str] = ()) -> str:
    """Say in one line what the first cell installed, and how student code is isolated here."""
    from grader.sandbox.tiers import choose

    with _silence():
        tier = choose(None, "auto").tier
    where = "in a sandbox" if tier is Tier.SANDBOX else "in a process of its own"
    done = f" Installed {', '.join(installed)}." if installed else ""
    return f"Ready.{done} Your code is checked {where}."


def hint(task: str, level: int = 1) -> None:
    """Print a hint: `hint("collate")`, or `hint("collate", 2)` for a more explicit one.

    Args:
        task: the task's id.
        level: 1 to 3, from vague to explicit.

    Raises:
        UsageError: there is no such task or level.
    """
    texts = get_task(task).hints
    if not 1 <= level <= len(texts):
        raise UsageError(f"Hint {level}: choose a level from 1 to {len(texts)}.")
    print(texts[level - 1])
    if level < len(texts):
        print(f'More: hint("{task}", {level + 1})')
    if told := hints.record(Path.cwd(), task, level):
        print(told)


def predict(question: str, *guess: object) -> None:
    """Compare a guess with the answer: `predict("outputs-shape", (3, 4, 12))`.

    It earns no points and raises nothing. Without a guess (`...`) it asks for one.

    Args:
        question: the question's id, as the cell has it.
        guess: a shape, a number, True or False, or a word. Numbers are compared after rounding.
    """
    print(predictions.reply(question, *guess))


def _require_parts(task: str, parts: tuple[object, ...]) -> None:
    names = [getattr(part, "__name__", None) for part in parts]
    wanted = get_task(task).names
    if sorted(map(str, names)) != sorted(wanted):
        call = ", ".join([f'"{task}"', *wanted])
        raise UsageError(f"check({task!r}, ...): got other parts than the task has: check({call})")


def _checked(task: str, cells: Sequence[Cell]) -> str:
    """Say which version of the code is checked: a kernel does not see what was not run."""
    names = [cell.name for cell in cells if defined(cell.text) & {*get_task(task).names}]
    if not names:
        return ""
    run = "it" if len(names) == 1 else "them"
    return f"Checked: {' and '.join(names)}, as last run. Edited since? Run {run} first."


def _grade(task: str, cells: Sequence[Cell]) -> Record:
    from grader.grading import requirements
    from grader.grading.session import session

    requirements.require("notebook")
    assignment = tasks()[task].assignment
    taken = extract_modules(
        "notebook",
        cells,
        assignments()[assignment],
        modules_beside(Path.cwd() / "notebook"),
    )
    with session(taken, assignment=assignment) as opened:
        opened.hold_back = True
        opened.planned = list(tasks()[task].checks)
        for planned in opened.planned:
            opened.run(planned)
        return opened.record()


def _explain_unfinished() -> None:
    """Let the kernel show one line where a cell needs a part that is not written yet."""
    shell, unfinished = _shell(), Unfinished()
    if shell is None:
        return
    others, show_other = shell.custom_exceptions, shell.CustomTB  # Colab's, for failing imports

    def show(shell: Any, kind: type[BaseException], error: Any, trace: Any, tb_offset: Any) -> Any:
        if isinstance(error, others):
            return show_other(kind, error, trace, tb_offset=tb_offset)
        line = unfinished.explain(error, shell.history_manager.input_hist_raw)
        if line is not None:
            error._render_traceback_ = lambda: [line]  # IPython shows this instead
        return shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    def note(result: Any) -> None:
        if result.success and result.info is not None:
            unfinished.succeeded(str(result.info.raw_cell))

    shell.set_custom_exc((Exception,), show)
    shell.events.register("post_run_cell", note)


def _history() -> list[str]:
    """Return the texts of the cells that this kernel ran, including the current one."""
    shell = _shell()
    if shell is None:
        raise UsageError("check(...) looks at a notebook's cells: call it in a notebook.")
    return list(shell.history_manager.input_hist_raw)


def _shell() -> Any:
    """Return IPython's shell, or None outside of IPython."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _show(record: Record, checked: str) -> None:
    from IPython.display import display

    display(Table(record, checked))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress stderr: nbgrader gives no points to a cell that writes there."""
    with open(os.devnull, "w") as null, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = os.dup(2)
        try:
            os.dup2(null.fileno(), 2)
            with contextlib.redirect_stderr(null):
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class progress(Generic[T]):  # noqa: N801 - used like a function
    """Batches with a progress bar: `train(model, progress(batches, epochs), ...)`.

    Args:
        batches: the batches of one epoch.
        epochs: how often they are iterated.
    """

    def __init__(self, batches: Collection[T], epochs: int) -> None:
        """Wrap the batches."""
        self.batches, self.epochs, self.epoch = batches, epochs, 0
        self.handle: Any = None

    def __iter__(self) -> Iterator[T]:
        self.epoch += 1
        for done, batch in enumerate(self.batches):
            self._show(done)
            yield batch
        self._show(len(self.batches))

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batches, name)

    def _show(self, done: int) -> None:
        """Redraw the progress bar."""
        from IPython.display import Pretty, display

        filled = round(40 * done / max(len(self.batches), 1))
        bar = f"{'█' * filled}{'░' * (40 - filled)}"
        line = Pretty(
            f"epoch {self.epoch} of {self.epochs}  {bar}  {done} of {len(self.batches)} batches"
        )
        if self.handle is None:
            self.handle = display(line, display_id=True)
        else:
            self.handle.update(line)


_explain_unfinished()
