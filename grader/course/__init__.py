"""The nbgrader course: makes nbgrader's own commands work with this kit's assignments.

It uses only nbgrader's configuration: lists of preprocessors, an exporter class, an export plugin.
`configure` sets them.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.contract import course


def configure(c: Any) -> None:
    """Configure nbgrader; call it in `nbgrader_config.py` as `configure(c)`.

    Ends the program if the file of the course is not valid. Settings made after the call take
    precedence, for example:
        c.SandboxPolicy.run_student_code_without_a_sandbox = True
    """
    try:
        course.current()
    except UsageError as error:
        raise SystemExit(f"grader: {error}") from None
    # A warning about the gradebook's own database session, which an instructor cannot fix.
    warnings.filterwarnings("ignore", "Object of type <Submitted", module=r"nbgrader\.api")
    # nbgrader calls `alembic`, which is next to Python even if no environment is activated.
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
    c.GenerateFeedback.preprocessors = [
        f"{nbgrader}.GetGrades",
        f"{here}.feedback.ShowToStudents",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ]
    c.Execute.timeout = 120  # seconds per cell
    c.Execute.shutdown_kernel = "immediate"
    c.ExportApp.plugin_class = f"{here}.export.MarksCsv"
