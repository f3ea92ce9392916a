"""Implements `python -m grader gradescope`: builds an autograder for Gradescope.

Gradescope unpacks the zip into /autograder/source, runs `setup.sh` once, and runs `run_autograder`
for each submission, which starts `grader.classroom.autograder`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from grader.base.errors import UsageError
from grader.grading import keys
from grader.intake import reader
from grader.maintain import release

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
cd "$root/source"
exec "$root/venv/bin/python" -m grader.classroom.autograder "$root" {options}
"""


def run(out: Path, *, assignment: str | None, confine: str, seed: int, device: str) -> int:
    """Build the zip and return the exit code."""
    if keys.course_secret():
        raise UsageError(
            f"{keys.variable()} is set, and {out} would have to hold it beside every submission: "
            "unset it for this command (docs/gradescope.md)."
        )
    options = [
        "--service",
        "gradescope",
        "--confine",
        confine,
        "--seed",
        str(seed),
        "--device",
        device,
    ]
    reader.module_names(assignment)
    options += ["--assignment", assignment] if assignment else []
    script = RUN.format(options=shlex.join(options))
    scripts = {"setup.sh": SETUP.encode(), "run_autograder": script.encode()}
    files = release.kit() | release.course_file("secret_variable") | scripts
    release.refuse_leaks(out, files)
    release.write(out, files, programs=scripts)
    print(f"wrote {out}: upload it to Gradescope; 0.75 GB of memory are enough there")
    print(f"note: unless its container sets {keys.variable()}, marks can be prepared in advance")
    return 0
