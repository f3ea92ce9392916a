"""The set-ups in which the bank is graded: tiers, with and without bubblewrap, as which user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.base.paths import ROOT
from tests.hostile.run import Outcome

NOBODY = 65534
USERS = ("root", "user") if hasattr(os, "geteuid") and os.geteuid() == 0 else ("user",)


@dataclass(frozen=True)
class SetUp:
    """A set-up.

    Attributes:
        tier: of the confinement.
        bubblewrap: whether the warm process is in bubblewrap's sandbox.
        user: root, or an ordinary one.
    """

    tier: str
    bubblewrap: bool
    user: str

    @property
    def name(self) -> str:
        """What tables and tests call it."""
        without = "" if self.bubblewrap or self.tier == "limits" else " without bubblewrap"
        return f"{self.tier}{without}, {self.user}"

    def run(self, names: Iterable[str]) -> dict[str, Outcome]:
        """Grade entries in a process of its own.

        Raises:
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
    """Return the command that runs another one as an ordinary user.

    Python, or the kit, may lie in a folder that only root may enter. Then an empty folder hides
    that one from the command, with nothing but what is needed in it.
    """
    needed = [*dict.fromkeys([ROOT, Path(sys.prefix), Path(sys.base_prefix)])]
    line = []
    for path in needed:
        locked = [p for p in reversed(path.parents) if not p.stat().st_mode & 0o001]
        for hidden in locked[:1]:
            line += [] if str(hidden) in line else ["--tmpfs", str(hidden)]
            below = [p for p in reversed(path.parents) if hidden in p.parents]
            line += [part for p in below for part in ("--perms", "0755", "--dir", str(p))]
            line += ["--ro-bind", str(path), str(path)]
    if line:
        line = ["bwrap", "--dev-bind", "/", "/", *line, "--cap-add", "ALL", "--"]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*line, *drop, *command]
