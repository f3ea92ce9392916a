"""What `nbgrader generate_assignment` leaves of a solution: the stubs of `exercise/`."""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import ClearSolutions
from nbgrader.utils import is_solution

from grader.contract.tasks import tasks
from grader.maintain.stubs import stub


class ClearTaskSolutions(ClearSolutions):
    """Puts `raise NotImplementedError("Task ...: write ...")` in the place of each region.

    The grader knows by these words that a task was not started.
    """

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Cut a solution; a written answer's guide is cut by nbgrader's own means."""
        if cell.cell_type == "code" and is_solution(cell):
            task = cell.metadata.nbgrader.grade_id.split("-")[0]
            if task in tasks():
                cell.source = stub(cell.source, tasks()[task].module, "in this cell")
                return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)
