"""Makes `nbgrader generate_assignment` leave the same stubs as in `exercise/`."""

from __future__ import annotations

import re
from typing import Any

from nbgrader.preprocessors import ClearSolutions
from nbgrader.utils import is_solution

from grader.contract.predictions import CELL
from grader.contract.tasks import tasks
from grader.maintain.stubs import stub

QUESTION = re.compile(r"^### (Question \d+)$", re.MULTILINE)


class ClearTaskSolutions(ClearSolutions):
    """Replaces each solution region with `raise NotImplementedError("Task ...: write ...")`.

    The grader recognises a task that was not started by these words.
    """

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Remove a solution; nbgrader itself removes the guide of a written answer."""
        if cell.cell_type == "code" and is_solution(cell):
            task = cell.metadata.nbgrader.grade_id.split("-")[0]
            if task in tasks():
                cell.source = stub(cell.source, tasks()[task].module, "in this cell")
                return cell, resources
        if cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith(CELL):
            return cell, resources  # it asks for a guess, and shows no answer
        if found := QUESTION.findall(cell.source):  # Validate shows a stub that was left as it is
            self.text_stub = f"Your answer to {found[-1].lower()}."
        return super().preprocess_cell(cell, resources, cell_index)
