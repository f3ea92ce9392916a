"""The targets that an attack could harm: files, a listener, a queue, processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from grader.base.paths import ROOT

SECRET = "the-mark-of-a-neighbour"
PR_SET_CHILD_SUBREAPER = 36
IPC_RMID = 0


@dataclass
class Scene:
    """Files outside of the sandbox, a listener on loopback, and a message queue.

    Attributes:
        folder: the folder with a gradebook and answers.
        port: the port of the listener, for TCP and UDP.
        heard: the received data.
        queue: a System V message queue of the grader's user.
    """

    folder: Path
    port: int
    heard: list[bytes]
    queue: int

    def fill(self, text: str) -> str:
        """Replace the placeholders in the text of an entry."""
        values: dict[str, str | int] = {
            "gradebook": str(self.folder / "gradebook.csv"),
            "answers": str(self.folder / "answers.json"),
            "folder": str(self.folder),
            "secret": SECRET,
            "kit": str(ROOT),
            "port": self.port,
            "grader": os.getpid(),
            "queue": self.queue,
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}!r}}", repr(value)).replace(f"{{{name}}}", str(value))
        return text

    def lay_out(self) -> None:
        """Recreate the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name in ("gradebook.csv", "answers.json"):
            (self.folder / name).write_text(SECRET)
        self.heard.clear()

    def state(self) -> list[tuple[str, bytes, int, int]]:
        """Return the contents of the folder, with modes and times."""
        found = [(path, path.lstat()) for path in sorted(self.folder.rglob("*"))]
        return [
            (str(path), path.read_bytes() if path.is_file() else b"", s.st_mode, s.st_mtime_ns)
            for path, s in found
        ]


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """Set up the targets for any number of attacks, one after the other."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to this process
    heard: list[bytes] = []
    queue = libc.msgget(0, 0o600)
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
        try:
            yield Scene(Path(folder) / "scene", stream.getsockname()[1], heard, queue)
        finally:
            libc.msgctl(queue, IPC_RMID, 0)
            libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
            stream.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                datagrams.shutdown(socket.SHUT_RDWR)


def family() -> dict[int, psutil.Process]:
    """Return all running descendants of this process."""
    children = psutil.Process().children(recursive=True)
    return {child.pid: child for child in children if alive(child)}


def alive(process: psutil.Process) -> bool:
    """Return whether a process is running; reap it if it is a dead child."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return True
        os.waitpid(process.pid, os.WNOHANG)
    except (psutil.NoSuchProcess, ChildProcessError):
        pass
    return False
