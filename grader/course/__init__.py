"""The nbgrader course: what nbgrader's own commands do to this kit's assignments.

Everything is hooked in where nbgrader lets a course choose: lists of preprocessors, an exporter
class, an export plugin. `configure` sets them.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any


def configure(c: Any) -> None:
    """Set what the course needs, in `nbgrader_config.py`: `configure(c)`.

    What the instructor sets there afterwards wins, for example:
        c.SandboxPolicy.run_student_code_without_a_sandbox = True
    """
    # What its gradebook says of its own session is nothing that an instructor can fix.
    warnings.filterwarnings("ignore", "Object of type <Submitted", module=r"nbgrader\.api")
    # nbgrader calls `alembic`, which is beside Python, also where no environment is activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    here = "grader.course"
    nbgrader = "nbgrader.preprocessors"
    c.GenerateAssignment.preprocessors = [
        *(f"{nbgrader}.{name}" for name in ("IncludeHeaderFooter", "InstantiateTests")),
        f"{nbgrader}.LockCells",
        "grader.maintain.clear_solutions.ClearTaskSolutions",
        *(f"{nbgrader}.{name}" for name in ("ClearOutput", "CheckCellMetadata")),
        *(f"{nbgrader}.{name}" for name in ("ComputeChecksums", "SaveCells")),
        *(f"{nbgrader}.{name}" for name in ("ClearHiddenTests", "ClearMarkScheme")),
        *(f"{nbgrader}.{name}" for name in ("ComputeChecksums", "CheckCellMetadata")),
    ]
    c.Autograde.exporter_class = f"{here}.intake.SubmissionExporter"
    c.Autograde.sanitize_preprocessors = [
        f"{here}.intake.TakeIn",
        *(f"{nbgrader}.{name}" for name in ("OverwriteKernelspec", "CheckCellMetadata")),
    ]
    c.Autograde.autograde_preprocessors = [
        f"{here}.marks.SaveMarks",
        f"{here}.kernel.RunConfined",
        *(f"{nbgrader}.{name}" for name in ("LimitOutput", "AssignLatePenalties")),
        f"{nbgrader}.CheckCellMetadata",
    ]
    c.Execute.timeout = 120  # seconds a cell
    c.Execute.shutdown_kernel = "immediate"
    c.ExportApp.plugin_class = f"{here}.export.MarksCsv"
