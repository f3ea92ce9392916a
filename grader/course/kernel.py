"""Runs a submitted notebook for its feedback page, with the kernel in a sandbox.

The page shows what the student would see. It does not affect marks, which are made before.
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
from grader.contract import course, course_news
from grader.course.sandbox_policy import SandboxPolicy, why_no_pages
from grader.sandbox import bubblewrap, launch

SHOWN = ("text/plain", "image/png", "image/jpeg")  # no types that a browser would execute
# `import torchtext` works from the first cell on, with the stand-in that submissions have.
START = (
    "from news import torchtext_import; torchtext_import.install(stand_in=True); "
    "from ipykernel import kernelapp; kernelapp.launch_new_instance()"
)
MEMORY = 4 << 20  # KiB of address space; torch and spaCy need 1.5 GiB
SCRATCH = 256 << 20  # bytes
EXPERIMENT = "# Experiment"  # how a cell begins that takes long and that no task needs


def kernel_command(folder: Path) -> list[str]:
    """Return the command that starts a kernel which shares only `folder` with the outside."""
    home = str(bubblewrap.HOME)
    environment = launch.environment(bubblewrap.HOME) | {"MPLCONFIGDIR": home}
    for name, data in course_news.released().items():
        (folder / name).write_bytes(data)
        environment[course.VARIABLE] = str(folder / course.NAME)
    del environment["MPLBACKEND"], environment["NEWS_GRADING"]  # a kernel has plots and the news
    kernel = bubblewrap.command(
        [sys.executable, "-I", "-c", START, "-f", "{connection_file}"],
        environment,
        more=[str(Path(str(package.__file__)).parent) for package in (grader, news)],
        writable=[str(folder)],
        scratch=SCRATCH,
        options=["--die-with-parent"],
    )
    # Otherwise it could write to the instructor's terminal.
    start = f'ulimit -v {MEMORY}; exec "$@" </dev/null >/dev/null 2>&1'
    return ["/bin/sh", "-c", start, "sh", *kernel]


class SandboxedKernel(AsyncKernelManager):
    """A Python kernel in a sandbox, connected through sockets in a folder of their own."""

    def __init__(self, **options: Any) -> None:
        """Create the folder; sockets need a short path."""
        self.folder = Path(tempfile.mkdtemp(prefix="k-"))
        options |= {"transport": "ipc", "connection_file": str(self.folder / "kernel.json")}
        super().__init__(**options)

    @property
    def kernel_spec(self) -> KernelSpec:
        """The same kernel for every notebook, whatever it specifies."""
        return KernelSpec(
            argv=kernel_command(self.folder),
            display_name="Python 3",
            language="python",
            interrupt_mode="message",  # a signal would go to the sandbox
        )

    def cleanup_connection_file(self) -> None:
        """Remove the folder with the sockets."""
        super().cleanup_connection_file()
        shutil.rmtree(self.folder, ignore_errors=True)


class PlainKernel(AsyncKernelManager):
    """A Python kernel without a sandbox and without the grader's environment variables."""

    def pre_start_kernel(self, **options: Any) -> Any:
        """Remove the grader's variables, such as the course's secret, from the environment."""
        given = options.get("env") or os.environ
        options["env"] = {
            name: given[name]
            for name in given
            if name == course.VARIABLE or not name.startswith("GRADER_")
        }
        return super().pre_start_kernel(**options)


class RunConfined(SandboxPolicy, Execute):
    """Runs the cells; whatever happens, the notebook gets its feedback page."""

    seconds = Integer(400, help="Wall time of a whole notebook.").tag(config=True)
    output_bytes = Integer(4 << 20, help="How much a notebook may show.").tag(config=True)

    def __init__(self, **options: Any) -> None:
        """Choose the kernel by the sandbox policy."""
        super().__init__(**options)
        self.missing = why_no_pages()
        self.kernel_manager_class = PlainKernel if self.missing else SandboxedKernel

    def preprocess(self, nb: Any, resources: Any, km: Any = None) -> tuple[Any, Any]:
        """Run a notebook if the policy allows it."""
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
        """Run a cell unless it is an experiment, or the notebook's time is up."""
        if time.monotonic() > self.ends or cell.source.startswith(EXPERIMENT):
            return cell, resources
        return super().preprocess_cell(cell, resources, index)

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: Any) -> Any:
        """Keep a cell's output up to a limit, without anything that a browser would execute."""
        content = msg["content"]
        self.left -= len(str(content))
        if self.left < 0:
            return None
        if "data" in content:
            data = content["data"]
            content["data"] = {kind: data[kind] for kind in SHOWN if kind in data}

        return super().output(outs, msg, display_id, cell_index)
