"""The loop of `watch`: waits for saves, keys and results, and shows what follows from them."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from grader.base.errors import UsageError
from grader.contract.enums import State
from grader.contract.messages import clean
from grader.contract.record import CheckResult, Record, TaskResult
from grader.contract.tasks import Assignment, Task
from grader.grading import pipeline
from grader.grading.session import load
from grader.intake.sources import Sources
from grader.reports import board, hints
from grader.sandbox import fork_server, launch
from grader.watch import keyboard, screen
from grader.watch.files import Saves
from grader.watch.job import Ended, Graded, Job
from grader.watch.reset import COPIES, reset

POLL = 0.03  # seconds between two looks at the files
# What is loaded is otherwise torch, or parts of it.
LOADS = dict.fromkeys(("spacy", "pipeline", "short_pipeline"), "spaCy")
Event = str | Graded | Ended  # a key, or news from a job


class Watch:
    """A submission that is graded whenever it is saved.

    Attributes:
        task: the task at hand.
        results: the latest result of each check, by its id.
        stale: the tasks whose results are of an earlier version.
    """

    def __init__(
        self,
        path: Path,
        assignment: Assignment,
        task: Task | None,
        stubs: Mapping[str, str],
        console: Console,
    ) -> None:
        """Watch a submission.

        Args:
            path: a folder, a module or a notebook.
            assignment: its assignment.
            task: the task to begin with; None for the first that is not done.
            stubs: the text of each module's stub, to which a task can be reset.
            console: where to show everything.
        """
        self.path, self.assignment, self.stubs, self.console = path, assignment, stubs, console
        self.task = task or next(iter(assignment.tasks.values()))
        self.results: dict[str, CheckResult] = {}
        self.stale: set[str] = set(assignment.tasks)
        self._accuracy: dict[str, object] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._saves = Saves(path)
        self._submitted: Sources | None = None
        self._job: Job | None = None
        self._is_warm = False
        self._seeks = task is None  # whether to go on to the first task that is not done
        self._open: set[str] = set()  # tasks that were not done when they were shown
        self._page = self._show_task
        self._doing = ""
        self._notice, self._is_good = "", False
        self._hint = 0
        self._confirmed: Callable[[], None] | None = None  # what the key y does

    def run(self) -> None:
        """Grade and show until the student quits.

        Raises:
            UsageError: there is no submission at the path.
        """
        fork_server.keep_pipeline_ready()
        fork_server.keep_spare()
        self._start(load(self.path, self.assignment.id))
        try:
            with keyboard.keys(self._events.put):
                self._refresh()
                while self._handle(self._next_event()):
                    if self._saves.settled():
                        self._saved(f"Saved at {time.strftime('%H:%M:%S')}.")
                    if self._doing != self._now():
                        self._refresh()
        finally:
            self._cancel()
            launch.discard()

    def _next_event(self) -> Event | None:
        try:
            return self._events.get(timeout=POLL)
        except queue.Empty:
            return None

    def _handle(self, event: Event | None) -> bool:
        """Act on an event; return whether to go on."""
        if event == keyboard.REDRAW:
            self._refresh()
            return True
        if isinstance(event, str):
            return self._pressed(event)
        if event is None or event.job is not self._job:
            return True
        if isinstance(event, Graded):
            self._graded(event)
        else:
            self._job = None
            if event.fault:
                self._say(event.fault)
            fork_server.expect(frozenset([self.task.module]))
            if not self._is_warm:
                threading.Thread(target=_warm_up, args=[self.assignment], daemon=True).start()
                self._is_warm = True
            self._refresh()
        return True

    # --- grade -------------------------------------------------------------------------------

    def _saved(self, notice: str) -> None:
        """Read the files again, and grade what has changed; the notice says why."""
        self._hint, self._confirmed, self._page = 0, None, self._show_task
        if not any(check.task == self.task.id for check in self.results.values()):
            self._open.add(self.task.id)  # saved before its stub was graded
        try:
            submitted = load(self.path, self.assignment.id)
        except UsageError as error:
            self._cancel()
            self._say(str(error))
        else:
            self._say(notice, is_good=True)
            if fork_server.loading():  # what is loaded cannot be interrupted
                self._refresh()
            self._start(submitted)
        self._refresh()

    def _start(self, submitted: Sources) -> None:
        """Grade the tasks whose results do not hold any more, the one at hand first."""
        self._cancel()
        changed = _changed(self._submitted, submitted)
        tasks = self.assignment.tasks
        helpers = changed - {*self.assignment.modules, *tasks}  # any task may use them
        self.stale |= {
            id_
            for id_, task in tasks.items()
            if changed and (helpers or not task.module or {task.module, id_} & changed)
        }
        self._submitted = submitted
        plan = [task for task in tasks.values() if task.id in self.stale]
        plan.sort(key=lambda task: (not task.module, task is not self.task))
        known = {id_: each for id_, each in self.results.items() if each.task not in self.stale}
        if plan:
            self._job = Job(submitted, self.assignment, plan, known, self._events.put)
            self._job.start()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _graded(self, news: Graded) -> None:
        """Keep the results of a task; if the one at hand is done, go on to the next."""
        for check in news.record.checks:
            if check.task == news.task:
                self.results[check.id] = check
        self._accuracy = news.record.accuracy or self._accuracy
        self.stale.discard(news.task)
        if not (self._is_live or news.again):
            self._print(board.line(self._record(), self._result(news.task)))
        self._go_on()
        self._refresh()

    def _go_on(self) -> None:
        """Go to the next task that is not done, if the one at hand has just been finished."""
        while self.task.id not in self.stale:
            if not self._is_done(self.task.id):
                self._open.add(self.task.id)
                self._seeks = False
                return
            if not self._seeks and self.task.id not in self._open:
                return
            finished = self.task.id if self.task.id in self._open else ""
            self._open.discard(self.task.id)
            following = self._following()
            if following is None:
                self._say(f"All done: full marks. {board.hand_in(self._record())}", is_good=True)
                self._seeks = False
                return
            if finished:
                self._say(f"{finished} done. Next: {following.id}.", is_good=True)
            self.task, self._seeks, self._hint = following, True, 0

    def _following(self) -> Task | None:
        """Return the next task that is not known to be done, after the one at hand if possible."""
        tasks = [*self.assignment.tasks.values()]
        at = tasks.index(self.task)
        unfinished = (
            task
            for task in tasks[at + 1 :] + tasks[:at]
            if task.id in self.stale or not self._is_done(task.id)
        )
        return next(unfinished, None)

    def _record(self) -> Record:
        checks = [self.results[c.id] for c in self.assignment.checks if c.id in self.results]
        submission = {"name": self.path.name, "assignment": self.assignment.id}
        return Record(submission, checks, {}, self._accuracy)

    def _result(self, task: str) -> TaskResult:
        return next(each for each in self._record().tasks if each.id == task)

    def _is_done(self, task: str) -> bool:
        return self._result(task).state is State.DONE

    # --- keys --------------------------------------------------------------------------------

    def _pressed(self, key: str) -> bool:
        """Act on a key; return whether to go on."""
        confirmed, self._confirmed = self._confirmed, None
        if key == "q":
            return False
        self._page = self._show_task
        if confirmed is not None:
            self._say("")
            if key == "y":
                confirmed()
        elif key == "h":
            self._hint = (self._hint + 1) % (len(self.task.hints) + 1)
            folder = self.path if self.path.is_dir() else self.path.parent
            self._say(hints.record(folder, self.task.id, self._hint) if self._hint else "")
        elif key in ("n", "p"):
            self._move(1 if key == "n" else -1)
        elif key == "r":
            self._ask_for_reset()
        elif key in ("a", "l"):
            self._page = self._show_all if key == "a" else self._show_list
        self._page()
        return True

    def _move(self, step: int) -> None:
        """Show the task before or after the one at hand."""
        tasks = [*self.assignment.tasks.values()]
        self.task = tasks[(tasks.index(self.task) + step) % len(tasks)]
        self._hint, self._seeks = 0, False
        self._say("")
        if self._submitted is not None and self.task.id in self.stale:
            self._start(self._submitted)

    def _ask_for_reset(self) -> None:
        """Ask whether to put the task at hand back to its stub."""
        file = self.path / f"{self.task.module}.py" if self.path.is_dir() else self.path
        stub = self.stubs.get(self.task.module)
        if stub is None or file.suffix != ".py":
            self._say(f"{self.task.id} has no file of its own here: it cannot be reset.")
            return

        def confirmed() -> None:
            try:
                copy = reset(file, stub, self.task)
            except UsageError as error:
                self._say(str(error))
            else:
                self._saves.accept()
                self._saved(f"{self.task.id} is its stub again. Your file is kept: {copy}")

        self._say(f"Reset {self.task.id} to its stub? A copy goes to {file.parent / COPIES}. (y/n)")
        self._confirmed = confirmed

    # --- show --------------------------------------------------------------------------------

    def _say(self, notice: str, is_good: bool = False) -> None:
        """Set the notice; where the screen cannot be cleared, print it unless it is good news."""
        self._notice, self._is_good = clean(notice), is_good
        if notice and not self._is_live and not is_good:
            self._print(self._notice)

    def _print(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
        self.console.file.flush()

    def _refresh(self) -> None:
        """Draw the screen again; a pipe and a terminal that cannot clear it get lines instead."""
        self._doing = self._now()
        if self._is_live:
            self._page()

    @property
    def _is_live(self) -> bool:
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def _show_task(self) -> None:
        screen.show(self._view(), self.console)

    def _show_all(self) -> None:
        screen.show_all(self._record(), self.console)

    def _show_list(self) -> None:
        screen.show_list(self._view(), self.assignment, self.console)

    def _now(self) -> str:
        """Say what goes on in the background."""
        if self._job is None:
            return ""
        if step := fork_server.loading():
            return f"loading {LOADS.get(step, 'torch')}, then grading (only at the start) ..."
        current = self._job.current
        if current is None or current is self.task:
            return "grading ..."
        return f"grading {current.id} in the background ..."

    def _view(self) -> screen.View:
        return screen.View(
            place=f"{self.assignment.id} in {self.path}",
            points=self.assignment.points,
            task=self.task,
            record=self._record(),
            notice=self._notice,
            is_good=self._is_good,
            doing=self._doing,
            hint=self._hint,
        )


def _warm_up(assignment: Assignment) -> None:
    """Load what the checks need to compute what they expect, while nothing is graded."""
    with contextlib.suppress(ImportError, UsageError):  # a check says what is wrong
        if any("spacy" in task.preload for task in assignment.tasks.values()):
            pipeline.tokens("warm up")
        import torch  # noqa: F401


def _changed(before: Sources | None, now: Sources) -> set[str]:
    """Return the modules whose source is new, different or gone."""
    old = {} if before is None else before.files
    return {name for name in {*old, *now.files} if old.get(name) != now.files.get(name)}
