"""An autograder for Gradescope: `python -m grader gradescope OUT.zip`, and what runs there.

Gradescope unpacks the zip into /autograder/source, runs `setup.sh` once, and `run_autograder` for
each submission; it shows what is in /autograder/results/results.json. Where that file is missing
it tells that the autograder failed, and gives no mark.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.base.files import to_json, written_whole
from grader.base.paths import EXERCISE, SOLUTION
from grader.classroom.job import take_in
from grader.contract.record import TIERS
from grader.grading import heldout_accuracy, session
from grader.intake import lms_exports
from grader.intake.notebook_modules import Taken
from grader.maintain import release
from grader.reports.gradescope import to_dict

SETUP = """\
#!/usr/bin/env bash
# Run once by Gradescope: makes the environment.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}
if [ "$root" = /autograder ]; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y python3 python3-venv bubblewrap
fi
cd "$root/source"
python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --no-cache-dir -c constraints.txt \\
  ./packages/en_core_web_sm -e . ipython
"""
RUN = """\
#!/usr/bin/env bash
# Run by Gradescope for each submission: writes results/results.json.
set -euo pipefail
root=${{AUTOGRADER_ROOT:-/autograder}}
{secret}
cd "$root/source"
exec "$root/venv/bin/python" -m grader.maintain.gradescope_zip "$root" {options}
"""


def run(out: Path, *, assignment: str | None, confine: str, seed: int, device: str) -> int:
    """Make the zip; returns the exit code."""
    secret = os.environ.get(heldout_accuracy.SECRET, "")
    options = ["--confine", confine, "--seed", str(seed), "--device", device]
    lms_exports.wanted(assignment)
    options += ["--assignment", assignment] if assignment else []
    script = RUN.format(
        secret=f"export {heldout_accuracy.SECRET}={shlex.quote(secret)}" if secret else "",
        options=shlex.join(options),
    )
    scripts = {"setup.sh": SETUP.encode(), "run_autograder": script.encode()}
    files = release.kit() | scripts
    solution, exercise = SOLUTION, EXERCISE
    if leaks := list(release.find_leaks(files, release.secrets(solution, exercise))):
        raise UsageError(f"{out} was not made: " + "; ".join(leaks))
    release.write(out, files, programs=scripts)
    print(f"wrote {out}: upload it to Gradescope, and give it 2 GB of memory there or more")
    if secret:
        print(f"{heldout_accuracy.SECRET} is in it: keep the file to yourself")
    else:
        print(f"{heldout_accuracy.SECRET} is not set: the published one will be used")
    return 0


def autograde(root: Path, *, assignment: str | None, **options: Any) -> int:
    """Grade what is in the folder `submission` of `root`; returns the exit code."""
    results = root / "results" / "results.json"
    results.unlink(missing_ok=True)
    try:
        taken = _taken(root / "submission", assignment)
    except UsageError as error:
        reason = str(error).replace(f"{root / 'submission'}", "What you handed in")
        _write(results, {"score": 0, "output": reason, "output_format": "text"})
        return 0
    try:
        for _ in range(2):
            record = session.grade(
                taken.sources,
                keep=lambda partial: _write(results, to_dict(taken.in_cells(partial))),
                assignment=assignment,
                **options,
            )
            faults = [check.message for check in record.checks if check.status == "error"]
            if not faults:
                return 0
    except Exception as error:
        faults = [str(error) if isinstance(error, UsageError) else repr(error)]
    results.unlink(missing_ok=True)  # no mark is better than one that the student did not earn
    print(f"grader: {faults[0]}", file=sys.stderr)
    return 2


def _taken(folder: Path, assignment: str | None) -> Taken:
    """Take in a submission: modules, a zip, or a notebook.

    Raises:
        UsageError: it cannot be read.
    """
    handed = lms_exports.Handed("submission", "", "", (lms_exports.Part(folder),))
    content = lms_exports.read(handed, lms_exports.wanted(assignment))
    return take_in(handed.student, content, assignment)


def _write(results: Path, content: dict[str, Any]) -> None:
    with written_whole(results) as stream:
        stream.write(to_json(content, allow_nan=False).encode())


def main() -> int:
    """Grade at Gradescope; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m grader.maintain.gradescope_zip")
    parser.add_argument("root", type=Path)
    parser.add_argument("--assignment")
    parser.add_argument("--confine", choices=TIERS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", choices=DEVICES, required=True)
    options = vars(parser.parse_args())
    try:
        return autograde(options.pop("root"), **options)
    except UsageError as error:
        print(f"grader: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
