"""An archive of the feedback pages, with the names by which Canvas and Moodle return files.

Moodle reads `<name>_<participant>_assignfeedback_file_/<file>`, see
`mod/assign/feedback/file/importziplib.php`. Canvas reads `<name>_<user>_<uploaded file>_<file>`
with the numbers of its own export, see `Assignment#infer_comment_context_from_filename`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

from grader.base.files import written_whole
from grader.contract.names import file_name
from grader.contract.results import Result

NAME = "feedback.zip"
RETURNED = {  # layout to: the beginning of an entry of the export, and what a page of it is called
    "canvas": (r"([^_/]+(?:_LATE)?_\d+_\d+_)", r"\1feedback.html"),
    "moodle": (r"([^_/]+_\d+)_assignsubmission_file", r"\1_assignfeedback_file_/feedback.html"),
}


def write(results: Sequence[Result], out: Path, layout: str, without: Collection[str]) -> None:
    """Write the archive, if the submissions come from an export that can be returned.

    Args:
        results: what came of each submission; `path` is its entry in the export.
        out: the folder of the report, with the pages in `feedback`.
        layout: of the export.
        without: the students who have no page.

    Raises:
        OSError: a page cannot be read, or the archive cannot be written.
    """
    names = {}
    for result in results:
        pattern, name = RETURNED.get(layout, ("", ""))
        entry = re.match(pattern, result.path) if name else None
        if entry and result.student not in without:
            names[entry.expand(name)] = f"{file_name(result.student)}.html"
    (out / NAME).unlink(missing_ok=True)
    if not names:
        return
    with written_whole(out / NAME) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, page in names.items():
            content = (out / "feedback" / page).read_bytes()
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
