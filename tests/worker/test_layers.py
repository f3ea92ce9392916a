"""The layers of a worker confine a process, and the record's schema lists their names."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from grader.base.paths import GRADER, ROOT
from grader.worker import syscalls
from grader.worker.layers import AROUND, LAYERS, UNCONFINED


def test_records_may_name_each_layer_and_no_other() -> None:
    schema = json.loads((GRADER / "contract" / "record.schema.json").read_text(encoding="utf-8"))
    environment = schema["properties"]["environment"]["properties"]
    assert environment["confinement_layers"]["items"]["enum"] == [*LAYERS, *AROUND]
    assert set(UNCONFINED) < set(LAYERS)


CONFINED = """
import ctypes, os, sys, threading
sys.path.insert(0, {root!r})
from grader.worker import landlock, layers
libc = ctypes.CDLL(None, use_errno=True)
rules = landlock.rules_for([{root!r}, sys.prefix, sys.base_prefix, "/usr", "/lib"])
layers.apply(layers.Bounds(rules))
for name, call in (
    ("fork", os.fork), ("exec", lambda: os.execv("/bin/true", ["true"])),
    ("socket", lambda: __import__("socket").socket()), ("write", lambda: open("x", "w")),
    ("read", lambda: open("/etc/hostname")), ("parent", lambda: os.kill(os.getppid(), 0)),
):
    try: call(); print(name, "done")
    except (OSError, PermissionError) as error: print(name, type(error).__name__)
thread = threading.Thread(target=print, args=["thread", "done"])
thread.start(); thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has them")
@pytest.mark.skipif(
    platform.machine() not in syscalls.PROCESSORS, reason="there is no table for it"
)
def test_a_process_that_confined_itself_is_confined(tmp_path: Path) -> None:
    code = CONFINED.format(root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    refusals = [f"{name} PermissionError" for name in ("fork", "exec", "socket", "write", "read")]
    expected = [*refusals, "parent PermissionError", "thread done"]
    assert done.stdout.split("\n")[:-1] == expected, done.stderr
