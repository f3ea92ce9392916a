"""Implements `python -m grader release`: the archive for students, without the solution."""

from __future__ import annotations

import ast
import io
import json
import keyword
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import write_whole
from grader.base.paths import COURSE, ROOT
from grader.contract import course, course_news
from grader.contract.tasks import all_tasks, assignments, tasks
from grader.grading import keys
from grader.grading.pipeline import MODEL
from grader.maintain import notebooks, stubs

FOLDER = "news-classifier"  # in the archive
FILES = ("LICENSE", "constraints.txt", "pyproject.toml")
FOLDERS = ("grader", "news", f"packages/{MODEL}/{MODEL}")
NOT_FOR_STUDENTS = "grader/maintain"
SUFFIXES = (".py", ".toml", ".json", ".csv", ".html", ".css", ".js")
MODEL_PROJECT = f"packages/{MODEL}/pyproject.toml"
GLOSSARY = "docs/glossary.md"
NOTEBOOKS = re.compile(r"(?<=\.\./)assignments/source/[\w-]+/")  # where the glossary links to
# Hints and messages may quote calls: students are meant to read them.
FOR_STUDENTS = re.compile(r"grader/contract/(assignments/.*|mistakes|advice)\.toml|README\.md")
SETS = r"""["'\])]*\s*[=:]\s*["']?\w"""  # a variable, in a shell, Python, TOML or JSON
NAMES = 4  # a line with fewer different names is not a secret
NAME = re.compile(r"[^\W\d]\w*")
RELEASED = "grader/contract"  # where `contract/course.py` looks for the course
DATE = (1980, 1, 1, 0, 0, 0)  # constant, so that the archive is reproducible
TITLE = "News classifier"
README = """
## Install, once

You need Python 3.10 to 3.13 and about 2 GB of free disk space (on Linux about 8 GB, because PyTorch
comes with CUDA there). Unpack the archive or clone your repository, open a terminal in that folder,
copy the lines for your system and run them. It takes some minutes, most of them for downloading
PyTorch.

macOS and Linux:

```
python3 -m venv .venv
source .venv/bin/activate
python -m pip install -c constraints.txt ./packages/en_core_web_sm -e .
python -m grader doctor
```

Windows (PowerShell; the second line allows scripts such as `activate` in this window only):

```
py -m venv .venv
Set-ExecutionPolicy -Scope Process Bypass
.venv\\Scripts\\Activate.ps1
python -m pip install -c constraints.txt ./packages/en_core_web_sm -e .
python -m grader doctor
```

Windows (Command Prompt): the same with `.venv\\Scripts\\activate.bat` instead of the second and
third lines.

When you come back tomorrow, open a terminal in this folder and run only the line with `activate`
for your system (in PowerShell, the line above it, too).

## Files or a notebook

Each assignment can be done in two ways. They are separate: use the one that your course wants.

- **Files** in `exercise/`, with any editor: `python -m grader watch` grades them on every save. To
  hand in: `python -m grader handin` writes the archive.
- **A notebook** with the same tasks and more explanation: install once more with `-e ".[notebook]"`
  instead of `-e .`, run `jupyter lab`, and open the notebook named after your assignment, such as
  `news-classifier.ipynb`. To hand in: the notebook itself.

"""


@dataclass(frozen=True)
class Secret:
    """A line of the solution that students must not get; `place` says where it is."""

    text: str
    place: str


def run(out: Path) -> int:
    """Build the archive and return the exit code."""
    files = for_students()
    refuse_leaks(out, files)
    write(out, {f"{FOLDER}/{name}": data for name, data in files.items()})
    print(f"wrote {out}: {len(files)} files, no line of the solution among them")
    return 0


def for_students() -> dict[str, bytes]:
    """Read what students get, by name: the stubs, the kit and the notebooks."""
    return _exercise() | without_held_back(kit()) | notebooks_for_students()


def without_held_back(files: dict[str, bytes]) -> dict[str, bytes]:
    """Take out the functions of the checks that the course holds back.

    Raises:
        UsageError: another function of the same module uses one of them.
    """
    held: dict[str, list[str]] = {}
    for check in (check for task in tasks().values() for check in task.checks if check.held_back):
        place = f"grader/checks/{check.module.replace('.', '/')}.py"
        held.setdefault(place, []).append(check.function)
    found = dict(files)
    for place, names in held.items():
        source = stubs.without(files[place].decode(), names)
        if used := {
            node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)
        } & {*names}:
            raise UsageError(f"{place}: {min(used)} is held back, and other functions use it.")
        found[place] = source.encode()
    return found


def kit() -> dict[str, bytes]:
    """Read the grader and everything it needs, by name in the archive.

    Raises:
        UsageError: this is not the kit's folder.
    """
    paths = [ROOT / name for name in (*FILES, MODEL_PROJECT)]
    for folder in FOLDERS:
        found = sorted((ROOT / folder).rglob("*"))
        paths += [path for path in found if path.suffix in SUFFIXES or path.name == "LICENSE"]
    paths = [path for path in paths if not path.is_relative_to(ROOT / NOT_FOR_STUDENTS)]
    try:
        guide = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
        glossary = (ROOT / GLOSSARY).read_text(encoding="utf-8")
        files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise UsageError(f"{error.filename} is missing: run this in the kit's folder.") from None
    for name in (course.NAME, course_news.NAME):
        files.pop(f"{RELEASED}/{name}", None)
    heading = f"# {course.current().title or TITLE}\n"
    readme = f"{heading}{README}{guide.partition(chr(10) * 2)[2]}"
    return (
        files
        | course_file()
        | {
            "README.md": readme.encode(),
            GLOSSARY: NOTEBOOKS.sub("", glossary).encode(),
        }
    )


def refuse_leaks(out: Path, files: dict[str, bytes]) -> None:
    """Refuse to write what holds a secret of the course, or a line of the solution.

    Raises:
        UsageError: a file holds the secret of this environment, sets one, or gives away a line.
    """
    _refuse_secret(out, files)
    if leaks := list(find_leaks(files, secrets(ROOT / "solution", ROOT / "exercise"))):
        raise UsageError(f"{out} was not made: " + "; ".join(leaks))


def _refuse_secret(out: Path, files: dict[str, bytes]) -> None:
    secret, sets = keys.course_secret(), re.escape(keys.variable()) + SETS
    own = rf"|(?<!\w){re.escape(secret)}(?!\w)" if secret else ""
    for name, data in sorted(files.items()):
        for start, text in [(1, data.decode("utf-8", "replace")), *_texts(name, data)]:
            if found := re.search(sets + own, text):
                line = start + text.count("\n", 0, found.start())
                raise UsageError(
                    f"{out} was not made: {name}, line {line}, holds a value of {keys.variable()}, "
                    "the course's secret: take it out."
                )


def _exercise() -> dict[str, bytes]:
    """Read the stubs.

    Raises:
        UsageError: the stubs are not up to date.
    """
    solution, exercise = ROOT / "solution", ROOT / "exercise"
    if not solution.is_dir():
        raise UsageError("solution/ is missing: a release can be built only where it exists.")
    problems = stubs.check(solution, exercise)
    if problems:
        raise UsageError("exercise/ cannot be released: " + "; ".join(problems))
    found = {path.name: path.read_bytes() for path in sorted(exercise.glob("*.py"))}
    found = _of_the_course(found)
    copies = {f"grader/stubs/{name}": data for name, data in found.items() if name != "__init__.py"}
    return {f"exercise/{name}": data for name, data in found.items()} | copies


def _of_the_course(stubs_: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the stubs of tasks that the course leaves out."""
    left_out = [task for id_, task in all_tasks().items() if id_ not in tasks()]
    modules = {task.module for task in tasks().values()}
    found = {}
    for name, data in stubs_.items():
        own = [task for task in left_out if f"{task.module}.py" == name]
        if own and own[0].module not in modules:
            continue
        names = [defined for task in own for defined in task.names]
        found[name] = stubs.without(data.decode(), names).encode() if names else data
    return found


def course_file(*more: str) -> dict[str, bytes]:
    """Return the course's file as students get it, with `more` settings; none without a course."""
    files = course_news.released(*more)
    return {f"{RELEASED}/{name}": data for name, data in files.items()}


def notebooks_for_students(only: str = "*") -> dict[str, bytes]:
    """Generate the course's notebooks, or an assignment's, with nbgrader's generate_assignment.

    It runs in a scratch folder.

    Raises:
        UsageError: nbgrader is missing, or fails, or a lesson cannot be built.
    """
    try:
        from grader.maintain.scratch import Scratch
    except ModuleNotFoundError as error:
        install = "python -m pip install -c constraints.txt -e '.[dev]'"
        raise UsageError(f"{error.name} is not installed: {install}") from None
    ids = [id_ for id_ in assignments() if only in ("*", id_)]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch.make(Path(folder) / "course", assignment=only)
        for id_ in ids:
            script, place = COURSE / f"{id_}.py", scratch.folder / "source" / id_ / f"{id_}.ipynb"
            try:
                notebooks.build(script, ROOT / "solution", place)
            except stubs.BuildError as error:
                raise UsageError(f"a notebook cannot be released: {error}") from None
        done = scratch.run("generate_assignment", only, "--no-db")  # all in one process
        if done.returncode != 0:
            raise UsageError(f"nbgrader generate_assignment failed: {done.stderr[-500:]}")
        paths = [scratch.folder / "release" / id_ / f"{id_}.ipynb" for id_ in ids]
        return {path.name: path.read_bytes() for path in paths}


def write(out: Path, files: dict[str, bytes], programs: Iterable[str] = ()) -> None:
    """Write a zip, byte for byte reproducible.

    Args:
        out: the path of the zip.
        files: contents by name.
        programs: the names of executable files.

    Raises:
        UsageError: the file cannot be written.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.create_system = 3  # Unix, on any system
            info.external_attr = (0o100755 if name in programs else 0o100644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
    write_whole(out, content.getvalue())


def secrets(solution: Path, exercise: Path) -> list[Secret]:
    """List the lines of the solution's regions that give away something and are in no stub.

    A line gives away something if it has at least `NAMES` different names: `loss.backward()` and
    `logits = model(padded)` are in every lesson. Each statement is also listed as `ast.unparse`
    writes it.
    """
    public = {
        line
        for path in exercise.glob("*.py")
        for line in map(_plain, path.read_text(encoding="utf-8").split("\n"))
    }
    found: dict[str, Secret] = {}
    for path in sorted(solution.glob("*.py")):
        source = stubs.read(path)
        numbered = [*enumerate(source.split("\n"), 1)]
        lines = [
            (number, text)
            for region in stubs.find_regions(source, path.name)
            for number, text in numbered[region.begin : region.end - 1]
        ]
        inside = {number for number, _ in lines}
        lines += [
            (number, text) for text, number in stubs.statements(source).items() if number in inside
        ]
        for number, text in lines:
            plain = _plain(text)
            names = {name for name in NAME.findall(text) if not keyword.iskeyword(name)}
            if len(names) >= NAMES and plain not in public:
                found.setdefault(plain, Secret(plain, f"line {number} of solution/{path.name}"))
    return list(found.values())


def _plain(text: str) -> str:
    """Collapse every run of white space into one space."""
    return " ".join(text.split())


def find_leaks(files: dict[str, bytes], secrets: list[Secret]) -> Iterator[str]:
    """Find lines of the solution in files; return one line per leak that says where it is."""
    for name, data in sorted(files.items()):
        for start, text in _texts(name, data):
            lines = [_plain(line) for line in text.split("\n")]
            whole = " ".join(lines)
            statements = _statements(text) if name.endswith((".py", ".ipynb")) else {}
            for secret in secrets:
                if secret.text in (lines if FOR_STUDENTS.fullmatch(name) else whole):
                    line = 1 + next((i for i, line in enumerate(lines) if secret.text in line), 0)
                elif secret.text in statements:
                    line = statements[secret.text]
                else:
                    continue
                where = f"{name}, line {start + line - 1}"
                yield f"{where}, holds {secret.place}, `{secret.text}`"


def _statements(text: str) -> dict[str, int]:
    """Yield the statements of Python text as `ast.unparse` writes them, with their lines."""
    try:
        return {_plain(statement): line for statement, line in stubs.statements(text).items()}
    except (SyntaxError, ValueError):
        return {}


def _texts(name: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the texts in a file (a notebook's cell by cell), each with its first line."""
    text = data.decode("utf-8", "replace")
    if not name.endswith(".ipynb"):
        yield 1, text
        return
    notebook: Any = json.loads(text)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        first = json.dumps(cell["source"][0] if cell["source"] else "", ensure_ascii=False)
        yield text[: text.find(first)].count("\n") + 1, source
