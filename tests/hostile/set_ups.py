"""The set-ups for grading hostile submissions: tier, with or without bubblewrap, user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from grader.base.paths import ROOT
from grader.sandbox import bubblewrap
from grader.sandbox.tiers import advise
from tests.hostile.run import Outcome

NOBODY = 65534
USERS = ("root", "user") if hasattr(os, "geteuid") and os.geteuid() == 0 else ("user",)
READ, ENTER = 0o004, 0o001  # rights of other users
UNAVAILABLE = 3  # exit code of a set-up's process: the last line says what is missing


class Unavailable(Exception):
    """The machine does not support a set-up; the message says why, and what to do."""


class Inaccessible(Unavailable):
    """Other users cannot access the kit or Python; the message says why."""


@dataclass(frozen=True)
class SetUp:
    """A set-up for grading.

    Attributes:
        tier: of the confinement.
        bubblewrap: whether the fork server is in bubblewrap's sandbox.
        user: root, or an ordinary one.
    """

    tier: str
    bubblewrap: bool
    user: str

    @property
    def name(self) -> str:
        """The name in tables and tests."""
        without = "" if self.bubblewrap or self.tier == "limits" else " without bubblewrap"
        return f"{self.tier}{without}, {self.user}"

    def run(self, names: Iterable[str]) -> dict[str, Outcome]:
        """Grade entries in a separate process.

        Raises:
            Unavailable: the machine does not support the set-up.
            RuntimeError: they were not graded in this set-up.
        """
        arguments = ["--here", self.tier, *([] if self.bubblewrap else ["--without-bubblewrap"])]
        command = [sys.executable, "-m", "tests.hostile", *arguments, *names]
        if self.user == "user" and USERS[0] == "root":
            command = as_nobody(command)
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == UNAVAILABLE:
            raise Unavailable(advise(done.stderr.strip().splitlines()[-1]))
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr.strip()[-2000:]}")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        outcomes = {row["name"]: Outcome(**{**row, "layers": tuple(row["layers"])}) for row in rows}
        for outcome in outcomes.values():
            found = outcome.tier, "bubblewrap" in outcome.layers
            if found != (self.tier, self.bubblewrap and self.tier == "sandbox"):
                raise RuntimeError(f"{self.name}: the layers were {outcome.layers}")
        return outcomes


SET_UPS = [
    *(SetUp("sandbox", bubblewrap, user) for user in USERS for bubblewrap in (True, False)),
    SetUp("limits", False, "user"),  # as root it would have root's rights
]


def as_nobody(command: list[str]) -> list[str]:
    """Return a command that runs another command as an ordinary user.

    The kit or Python may be in a folder that only root can enter. Then bubblewrap replaces it with
    an empty folder that contains only what is needed.

    Raises:
        Inaccessible: what is needed cannot be made visible to an ordinary user.
    """
    shown = _options_that_show(_needed())
    if shown and (missing := bubblewrap.why_not()):
        raise Inaccessible(f"Other users cannot enter {shown[1]}, and {advise(missing)}.")
    for module in (os, psutil, torch, sys.modules[__name__]):  # one of each place
        if not _is_open(file := Path(str(module.__file__)), READ):
            raise Inaccessible(f"Other users cannot read {file}. What to do: chmod o+r.")
    if shown:
        shown = ["bwrap", "--dev-bind", "/", "/", *shown, "--cap-add", "ALL", "--"]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    return [*shown, *drop, *command]


def _needed() -> list[Path]:
    """Return the paths of the kit, Python and its packages, parents first."""
    places = [ROOT, *map(Path, [sys.prefix, sys.base_prefix, *filter(None, sys.path)])]
    paths = {path for place in places for path in (place.absolute(), place.resolve())}
    return sorted(path for path in paths if path.is_dir())


def _options_that_show(needed: list[Path]) -> list[str]:
    """Return bubblewrap options that make these folders visible to all users, if necessary."""
    line: list[str] = []
    hidden: list[Path] = []
    bound: list[Path] = []
    for path in needed:
        locked = [each for each in reversed(path.parents) if not _is_open(each, ENTER)]
        locked += [] if _is_open(path, READ | ENTER) else [path]
        new = [each for each in locked if each not in hidden]
        if not locked or (not new and any(each in path.parents for each in bound)):
            continue
        hidden += new
        line += [part for each in new for part in ("--tmpfs", str(each))]
        between = [each for each in reversed(path.parents) if locked[0] in each.parents]
        line += [part for each in between for part in ("--perms", "0755", "--dir", str(each))]
        bound += (parts := [*path.iterdir()] if path in new else [path])
        line += [part for each in parts for part in ("--ro-bind", str(each), str(each))]
    return line


def _is_open(path: Path, rights: int) -> bool:
    """Return whether all users have these rights."""
    return path.stat().st_mode & rights == rights
