"""Runs a submitted notebook for its feedback page, in a kernel in a sandbox.

The page shows what a student would see. It decides nothing: marks are made before, elsewhere.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbgrader.preprocessors import Execute
from traitlets import Integer

import grader
import news
from grader.course.sandbox_policy import SandboxPolicy, why_no_pages
from grader.sandbox import bubblewrap, launch

SHOWN = ("text/plain", "image/png", "image/jpeg")  # nothing that a page would run
MEMORY = 4 << 20  # KiB of address space; torch and spaCy need 1.5 GiB
SCRATCH = 256 << 20  # bytes


def kernel_command(folder: Path) -> list[str]:
    """Return the command of a kernel that shares only `folder` with the outside."""
    home = str(bubblewrap.HOME)
    environment = launch.environment(bubblewrap.HOME) | {"MPLCONFIGDIR": home}
    del environment["MPLBACKEND"]  # a kernel shows plots
    kernel = bubblewrap.command(
        [sys.executable, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        environment,
        more=[str(Path(str(package.__file__)).parent) for package in (grader, news)],
        writable=[str(folder)],
        scratch=SCRATCH,
        options=["--die-with-parent"],
    )
    # Else it could write to the terminal of whoever grades.
    start = f'ulimit -v {MEMORY}; exec "$@" </dev/null >/dev/null 2>&1'
    return ["/bin/sh", "-c", start, "sh", *kernel]


class SandboxedKernel(AsyncKernelManager):
    """A Python kernel in a sandbox, spoken to through sockets in a folder of their own."""

    def __init__(self, **options: Any) -> None:
        """Make the folder; its path is short, as a socket's has to be."""
        self.folder = Path(tempfile.mkdtemp(prefix="k-"))
        options |= {"transport": "ipc", "connection_file": str(self.folder / "kernel.json")}
        super().__init__(**options)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel, whatever the notebook asks for."""
        return KernelSpec(
            argv=kernel_command(self.folder),
            display_name="Python 3",
            language="python",
            interrupt_mode="message",  # a signal would go to the sandbox
        )

    def cleanup_connection_file(self) -> None:
        """Remove the folder."""
        super().cleanup_connection_file()
        shutil.rmtree(self.folder, ignore_errors=True)


class PlainKernel(AsyncKernelManager):
    """A Python kernel without a sandbox; it gets no variable that is meant for the grader."""

    def pre_start_kernel(self, **options: Any) -> Any:
        """Leave the grader's variables, such as the course's secret, out of its environment."""
        given = options.get("env") or os.environ
        options["env"] = {name: given[name] for name in given if not name.startswith("GRADER_")}
        return super().pre_start_kernel(**options)


class RunConfined(SandboxPolicy, Execute):
    """Runs the cells; whatever happens, the notebook goes on to its feedback page."""

    seconds = Integer(400, help="Wall time of a whole notebook.").tag(config=True)
    output_bytes = Integer(4 << 20, help="How much a notebook may show.").tag(config=True)

    def __init__(self, **options: Any) -> None:
        """Choose the kernel."""
        super().__init__(**options)
        self.missing = why_no_pages()
        self.kernel_manager_class = PlainKernel if self.missing else SandboxedKernel

    def preprocess(self, nb: Any, resources: Any, km: Any = None) -> tuple[Any, Any]:
        """Run a notebook, if that may be."""
        if self.missing and not self.run_student_code_without_a_sandbox:
            self.log.warning("The notebook is not run for its feedback page: %s", self.missing)
            return nb, resources
        self.ends, self.left = time.monotonic() + self.seconds, self.output_bytes
        try:
            return super().preprocess(nb, resources, km)
        except Exception as error:
            self.log.warning("The notebook was not run to its end: %r", error)
            nb.metadata.pop("widgets", None)
            return nb, resources

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Run a cell while there is time."""
        if time.monotonic() > self.ends:
            return cell, resources
        return super().preprocess_cell(cell, resources, index)

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: Any) -> Any:
        """Take in what a cell shows, up to a limit, and without what a page would run."""
        content = msg["content"]
        self.left -= len(str(content))
        if self.left < 0:
            return None
        if "data" in content:
            data = content["data"]
            content["data"] = {kind: data[kind] for kind in SHOWN if kind in data}

        return super().output(outs, msg, display_id, cell_index)
