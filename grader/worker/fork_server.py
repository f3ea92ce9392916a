"""The fork server: has loaded what submissions need, and forks confined workers.

It never runs student code. It has only one thread, so forking is safe. The grader talks to it over
the socket that is its stdin, in JSON messages with descriptors:

    {"readable": [...]}          the first message; answered by {}, or by {"error": ...} if a
                                 process cannot be confined
    {"preload": [...], "memory": ..., "seconds": ..., "folder": ...}
                                 fork a worker, with the descriptors of its requests, answers,
                                 output and trace, and one for its exit status and the most bytes
                                 that it held; answered by {} with a descriptor of the worker's
                                 process. `folder` is the name of the one that it may write to
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
from typing import Any

from . import landlock, layers, libc, scratch, serve
from .preload import hide_answers, load

MESSAGE = 1 << 16  # bytes
HIGH, ALL = 100, 1 << 20  # the first descriptor beyond a worker's own; a limit above all of them


class ForkServer:
    """The state of the process: loaded packages and running workers."""

    def __init__(self, control: socket.socket) -> None:
        """Serve the grader at the other end of the socket `control`."""
        self.control = control
        self.loaded: set[str] = set()
        # pidfd -> process id, status pipe, folder
        self.workers: dict[int, tuple[int, int, str]] = {}
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        self.home = os.getcwd()
        self.readable: list[str] = []

    def start(self) -> bool:
        """Receive the readable paths, and test whether a process can be confined."""
        request, _ = self._receive()
        if request is None:
            return False
        self.readable = request["readable"]
        trial = os.fork()
        if trial == 0:
            self._try()
        if os.waitstatus_to_exitcode(os.waitpid(trial, 0)[1]) != 0:
            return False  # the process has reported why
        self.control.send(b"{}")
        return True

    def _try(self) -> None:
        try:
            layers.apply(layers.Bounds(landlock.rules_for(self.readable, self.home)))
        except OSError as error:
            self._refuse(error)
            os._exit(1)
        os._exit(0)

    def _refuse(self, error: OSError) -> None:
        self.control.send(json.dumps({"error": error.strerror or str(error)}).encode())

    def run(self) -> None:
        """Fork workers and reap them, until the grader is gone."""
        if not self.start():
            return
        self.preload(["news", "torch"])
        while True:
            for handle, _ in self.poll.poll():
                if handle != self.control.fileno():
                    self._reap(handle)
                    continue
                request, handles = self._receive()
                if request is None:
                    return
                self.preload(request["preload"])
                self._fork(request, handles)

    def _receive(self) -> tuple[dict[str, Any] | None, list[int]]:
        content, handles, _, _ = socket.recv_fds(self.control, MESSAGE, 8)
        return (json.loads(content) if content else None), handles

    def preload(self, names: list[str]) -> None:
        """Load packages that are not loaded yet."""
        for name in names:
            if name not in self.loaded:
                self.loaded.add(name)
                load(name)
                gc.collect()
                libc.release_memory()
                gc.freeze()

    def _fork(self, request: dict[str, Any], handles: list[int]) -> None:
        *handed, status = handles
        folder = os.path.join(self.home, request["folder"])
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            self._refuse(error)
            for handle in handles:
                os.close(handle)
            return
        process = os.fork()
        if process == 0:
            become_worker(request, handed, self.readable, folder)
        for handle in handed:
            os.close(handle)
        worker = os.pidfd_open(process)
        self.workers[worker] = process, status, folder
        self.poll.register(worker, select.POLLIN)
        socket.send_fds(self.control, [b"{}"], [worker])

    def _reap(self, worker: int) -> None:
        process, status, folder = self.workers.pop(worker)
        self.poll.unregister(worker)
        _, code, used = os.wait4(process, 0)
        scratch.remove(folder)
        told = struct.pack("=iq", os.waitstatus_to_exitcode(code), used.ru_maxrss << 10)
        with contextlib.suppress(OSError):  # the grader may have closed its end
            os.write(status, told)
        os.close(status)
        os.close(worker)

    def end(self) -> None:
        """Kill all workers."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker, signal.SIGKILL)


def become_worker(
    request: dict[str, Any], handles: list[int], readable: list[str], folder: str
) -> None:
    """Confine this process, then serve; never returns. No student data is read before."""
    code = 1
    try:
        os.setsid()
        high = [fcntl.fcntl(handle, fcntl.F_DUPFD, HIGH) for handle in handles]
        for number, handle in enumerate(high):
            os.dup2(handle, number)
        os.closerange(len(handles), ALL)
        libc.end_with_parent()
        enter(folder)
        rules = landlock.rules_for(readable, folder)
        layers.apply(layers.Bounds(rules, request["memory"], request["seconds"]))
        os.close(rules)
        hide_answers(request["preload"])
        serve.main(os.fdopen(3, "ab"))
        code = 0
    finally:
        os._exit(code)


def enter(folder: str) -> None:
    """Make a folder the current one, the home, and the one for temporary files and caches."""
    home = os.getcwd()
    os.chdir(folder)
    os.environ.update({name: folder for name, value in os.environ.items() if value == home})
    tempfile.tempdir = folder


def main() -> None:
    """Serve the grader on stdin."""
    sys.argv[1:] = []
    preload = ForkServer(socket.socket(fileno=0))
    try:
        preload.run()
    finally:
        preload.end()
    os._exit(0)  # without unloading packages
