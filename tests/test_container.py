"""The Dockerfile's steps are carried out in a clean root file system, and the grader works there.

Debian is made by debootstrap and has Debian's own Python; the image has the one of its base.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

from grader.base.paths import ROOT

DOCKERFILE = ROOT / "Dockerfile"
PACKAGES = "ca-certificates,python3,python3-venv"
PROC = ("--bind", "/proc", "/proc")  # with no part of it hidden
BUILD = ("--proc", "/proc", "--unshare-pid")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: keyword and arguments, on one line."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word
    ]


def ignored(name: str) -> bool:
    """Whether `.dockerignore` leaves a file out; the last line that matches decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").rstrip("/")
        parents = ["/".join(name.split("/")[: n + 1]) for n in range(name.count("/") + 1)]
        depths = [pattern] if not pattern.startswith("**/") else [pattern, pattern[3:]]
        if any(fits(parent, each) for parent in parents for each in depths):
            out = not line.startswith("!")
    return out


def fits(name: str, pattern: str) -> bool:
    """Whether a path matches, where `*` does not match a slash."""
    parts, patterns = name.split("/"), pattern.split("/")
    if patterns[0] == "**":
        parts, patterns = parts[-len(patterns) + 1 :], patterns[1:]
    return len(parts) == len(patterns) and all(map(fnmatch, parts, patterns))


@dataclass
class Image:
    """A root file system, and what the instructions so far have set."""

    root: Path
    user: str = "0"
    folder: str = "/"
    variables: dict[str, str] = field(
        default_factory=lambda: {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
    )
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        """bubblewrap's options for the image's user."""
        return ("--uid", self.user, "--gid", self.user)

    def become(self, *options: str) -> tuple[str, ...]:
        """Return how root becomes the image's user."""
        return (
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={self.user}",
            "--clear-groups",
            *options,
        )

    def run(self, *command: str, options: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Run a command in the image, with this machine's network and its configuration of pip."""
        mounts = ["--bind", str(self.root), "/", "--dev", "/dev"]
        for path in ("/etc/resolv.conf", "/etc/ssl/certs", *pip_paths()):
            mounts += ["--ro-bind-try", path, path]
        variables = {k: v for k, v in os.environ.items() if k.startswith("PIP_")} | self.variables
        given = [part for item in variables.items() for part in ("--setenv", *item)]
        return subprocess.run(
            ["bwrap", *mounts, *options, "--die-with-parent", "--clearenv", *given,
             "--chdir", self.folder, "--", *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def carry_out(self, word: str, rest: str) -> None:
        """Carry out an instruction."""
        if word == "FROM":
            release = rest.rpartition("-")[2]
            make = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release]
            done = subprocess.run(
                [*make, str(self.root)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            (self.root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        elif word == "RUN":
            run = self.run(*self.become(), "/bin/sh", "-c", rest, options=BUILD)
            assert run.returncode == 0, f"{rest}\n{run.stdout[-3000:]}{run.stderr[-3000:]}"
        elif word in ("ENV", "ARG"):
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                self.variables[name] = value.replace("$PATH", self.variables["PATH"])
        elif word == "WORKDIR":
            self.folder = rest
        elif word == "USER":
            self.user = rest
        elif word == "COPY":
            assert rest == "--chown=grader:grader . ."
            self.copy()
        else:
            setattr(self, {"ENTRYPOINT": "entry", "CMD": "command"}[word], json.loads(rest))

    def copy(self) -> None:
        """Copy the tracked files that `.dockerignore` does not leave out."""
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, tracked.stdout.split("\0")):
            if not ignored(name) and (ROOT / name).exists():
                target = self.root / self.folder.lstrip("/") / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
        where = self.root / self.folder.lstrip("/")
        for path in (where, *where.rglob("*")):
            os.chown(path, 1000, 1000)


def pip_paths() -> set[str]:
    """The files and folders that this machine's configuration of pip names."""
    text = "".join(
        subprocess.run(
            [sys.executable, "-m", "pip", "config", *command],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in (["list"], ["debug"])
    )
    found = re.findall(r"(?:file://|['\s])(/[\w./-]+)", text)
    return {path for path in found if Path(path).exists()}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, after all instructions."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a root file system is made by root on Linux")
    for program in ("debootstrap", "bwrap"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    image = Image(tmp_path_factory.mktemp("image") / "root")
    try:
        for word, rest in instructions():
            image.carry_out(word, rest)
        yield image
    finally:
        shutil.rmtree(image.root, ignore_errors=True)


@pytest.mark.full
def test_it_grades_where_bubblewrap_is_refused(image: Image) -> None:
    refused = ("--proc", "/proc", "--unshare-user", "--disable-userns", "--cap-drop", "ALL")
    doctor = image.run(*image.entry, *image.command, options=(*refused, *image.identity))
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "sandbox    rlimits, landlock, seccomp; without bubblewrap:" in doctor.stdout
    command = (*image.entry, "grade", "solution", "--confine", "sandbox")
    graded = image.run(*command, options=(*refused, *image.identity))
    assert "Total     100/100" in graded.stdout, graded.stdout + graded.stderr


@pytest.mark.full
def test_bubblewrap_works_where_it_is_allowed(image: Image) -> None:
    lesser = ("--no-new-privs", "--bounding-set=-all")
    doctor = image.run(*image.become(*lesser), *image.entry, *image.command, options=PROC)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "ok   sandbox    rlimits, landlock, seccomp, bubblewrap\n" in doctor.stdout


def test_the_dev_container_is_this_image_with_its_user() -> None:
    folder = ROOT / ".devcontainer"
    container = json.loads((folder / "devcontainer.json").read_text(encoding="utf-8"))
    build = container["build"]
    assert (folder / build["dockerfile"]).resolve() == DOCKERFILE
    assert (folder / build["context"]).resolve() == ROOT
    steps = instructions()
    assert build["args"].keys() == {rest.partition("=")[0] for word, rest in steps if word == "ARG"}
    made = next(rest for word, rest in steps if "useradd" in rest)
    assert f"--uid 1000 {container['remoteUser']} " in made
