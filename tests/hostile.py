"""Runs the hostile bank, `submissions/hostile/*.toml`: `python -m tests.hostile --help`.

An entry is the reference with something in it that attacks, or goes wrong:

    module    the module that is changed [dataset]
    code      stands in front of it; `replace` are pairs of texts in it; `source` replaces it all
    files     further modules of the submission
    marks     the exact points of the tasks that are graded
    says      what the first message of the module's task says; `status` is that check's
    seconds   the longest that grading these tasks may take [15]
    only      the one tier in which it may be tried: it would harm the machine, or the test, else

In the texts, {gradebook}, {answers} and {folder} are files outside and their folder, {secret} is
what stands in them, {kit} is the kit's folder, {port} is listened to on loopback, {grader} is the
grader's process. Code calls `breach(what)` where an attack got through; what it did is looked for
as well.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from grader import grading, submission, warm
from grader.confinement import LIMITS, Confinement, sandboxed
from grader.process import ProcessWorker
from grader.record import CheckResult
from grader.sandbox import Limits
from grader.submission import Submission
from grader.tasks import tasks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
BANK = ROOT / "tests" / "submissions" / "hostile"
SECRET = "the-mark-of-a-neighbour"
BREACH = "BREACH"
PRELUDE = f"def breach(what): print({BREACH!r}, what, flush=True)\n"
LIMIT = Limits(memory=3 << 30)


def bank() -> dict[str, dict[str, Any]]:
    """All entries by name."""
    return {
        name: entry
        for path in sorted(BANK.glob("*.toml"))
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()
    }


@dataclasses.dataclass
class Scene:
    """What an attack could harm: files, a listener, processes."""

    folder: Path
    port: int
    heard: list[bytes]

    def fill(self, text: str) -> str:
        """Put what is known here into the text of an entry."""
        values = {
            "gradebook": str(self.folder / "gradebook.csv"),
            "answers": str(self.folder / "answers.json"),
            "folder": str(self.folder),
            "secret": SECRET,
            "kit": str(ROOT),
            "port": self.port,
            "grader": os.getpid(),
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
        return text

    def lay_out(self) -> None:
        """Make the files anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name in ("gradebook.csv", "answers.json"):
            (self.folder / name).write_text(SECRET)
        self.heard.clear()

    def state(self) -> list[tuple[str, bytes, int]]:
        """What is in the folder, with modes."""
        found = [(p, p.lstat()) for p in sorted(self.folder.rglob("*"))]
        return [
            (str(path), path.read_bytes() if path.is_file() else b"", status.st_mode)
            for path, status in found
        ]


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """Listen on loopback, by TCP and UDP, as long as this is open."""
    heard: list[bytes] = []
    with (
        tempfile.TemporaryDirectory(prefix="canaries-") as folder,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        datagrams.bind(stream.getsockname())

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = stream.accept()
                    heard.append(b"connected")
                    connection.close()

        def receive() -> None:
            with contextlib.suppress(OSError):
                while True:
                    heard.append(datagrams.recv(1 << 10))

        for target in (accept, receive):
            threading.Thread(target=target, daemon=True).start()
        yield Scene(Path(folder) / "scene", stream.getsockname()[1], heard)
        stream.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            datagrams.shutdown(socket.SHUT_RDWR)


def sources(entry: dict[str, Any], here: Scene) -> dict[str, bytes]:
    """The files of an entry's submission."""
    files = {
        path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "solution").glob("*.py")
    }
    module = entry.get("module", "dataset")
    text = entry.get("source", files[module])
    for old, new in entry.get("replace", []):
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {module}.py"
        text = text.replace(old, new)
    files[module] = PRELUDE + entry.get("code", "").strip() + "\n" + text
    for name, code in entry.get("files", {}).items():
        files[name] = PRELUDE + code
    return {name: here.fill(text).encode() for name, text in files.items()}


def grade(
    files: dict[str, bytes], names: list[str], confined_by: Confinement
) -> tuple[dict[str, list[CheckResult]], str]:
    """Grade some tasks of a submission; return their results and what was printed."""
    shown = {name: f"exercise/{name}.py" for name in files}
    worker = ProcessWorker(files, shown, LIMIT, confined_by)
    try:
        session = grading.Session("hostile", "0" * 64, Submission(worker, 0, "cpu"), [])
        results = {name: [session.run(check) for check in tasks()[name].checks] for name in names}
    finally:
        worker.close()
    return results, worker.output


def attack(name: str, here: Scene, confined_by: Confinement) -> dict[str, Any]:
    """Grade an entry beside an honest neighbour, which shares the warm process; say what came."""
    entry = bank()[name]
    here.lay_out()
    before, me = here.state(), psutil.Process()
    honest = {p.stem: p.read_bytes() for p in (ROOT / "solution").glob("*.py")}
    neighbours: list[float] = []

    def be_neighbour() -> None:
        results, _ = grade(honest, ["dataset"], confined_by)
        neighbours.append(sum(result.score for result in results["dataset"]))

    beside = threading.Thread(target=be_neighbour)
    family = {child.pid for child in me.children(recursive=True)}
    warm_before = warm.warm_process() if confined_by.tier == "sandbox" else None
    beside.start()
    start = time.monotonic()
    results, printed = grade(sources(entry, here), list(entry["marks"]), confined_by)
    seconds = time.monotonic() - start
    beside.join()
    be_neighbour()  # and the next one
    time.sleep(0.3 if "atexit" in entry.get("code", "") or "fork" in entry.get("code", "") else 0)
    left = {child.pid for child in me.children(recursive=True)} - family
    module = entry.get("module", "dataset")
    told = [r for r in results.get(module, []) if r.status not in ("passed", "blocked")]
    text = printed + "".join(r.message for rows in results.values() for r in rows)
    harm = {
        "told": BREACH in printed,
        "read": SECRET in text,
        "changed": here.state() != before,
        "heard": bool(here.heard),
        "left": bool(left),
        "neighbours": neighbours != [15.0, 15.0],
        "warm": warm_before is not None and warm.warm_process() is not warm_before,
    }
    return {
        "name": name,
        "marks": {task: round(sum(r.score for r in rows), 2) for task, rows in results.items()},
        "statuses": sorted({r.status for rows in results.values() for r in rows}),
        "status": told[0].status if told else "passed",
        "message": told[0].message if told else "",
        "harm": [kind for kind, done in harm.items() if done],
        "printed": printed[-400:],
        "seconds": round(seconds, 2),
        "layers": list(confined_by.layers),
    }


def main() -> None:
    """Run entries and print a line of JSON each."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--tier", choices=["limits", "sandbox"], default="sandbox")
    options.add_argument("--without-bubblewrap", action="store_true")
    options.add_argument("names", nargs="*", help="entries [all that the tier may try]")
    chosen = options.parse_args()
    if chosen.without_bubblewrap:
        os.environ["PATH"] = os.devnull
    submission.SECONDS = submission.LOAD_SECONDS = 10.0
    confined_by = LIMITS if chosen.tier == "limits" else sandboxed("cpu")
    with scene() as here:
        for name, entry in bank().items():
            if name in (chosen.names or [name]) and entry.get("only") in (None, chosen.tier):
                print(json.dumps(attack(name, here, confined_by)), flush=True)


if __name__ == "__main__":
    main()
