"""Implements `release --notebook`: a notebook that needs no other file, for Colab and the like.

Its first code cell holds the kit as wheels, or the address of one, and installs what is missing.
"""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import write_whole
from grader.contract.tasks import get_assignment
from grader.grading.pipeline import MODEL
from grader.intake.statements import SETUP
from grader.maintain import release

SETUP_CELL = Path(__file__).with_name("setup_cell.py")
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github"


def run(assignment: str, out: Path, url: str = "", repo: str = "") -> int:
    """Write the notebook and return the exit code.

    Args:
        assignment: the assignment's id.
        out: the notebook to write.
        url: what pip is to install the kit from; empty to put it into the notebook.
        repo: the GitHub repository, OWNER/NAME, where the notebook will be; empty for no badge.

    Raises:
        UsageError: there is no such assignment, the kit cannot be packed, or it holds what students
            must not get, or the notebook cannot be written.
    """
    id_ = get_assignment(assignment).id
    files, kit = release.notebooks_for_students(id_), release.without_held_back(release.kit())
    release.refuse_leaks(out, files | kit)
    notebook = json.loads(files[f"{id_}.ipynb"])
    place = next(at for at, cell in enumerate(notebook["cells"]) if cell["id"] == "setup")
    notebook["cells"][place] |= {
        "source": setup(kit, url).splitlines(keepends=True),
        # Jupyter and VS Code fold the first, Colab the second.
        "metadata": {"jupyter": {"source_hidden": True}, "cellView": "form"},
    }
    if repo:
        address = f"{COLAB}/{repo}/blob/main/{out.name}"
        badge = f"[![Open in Colab]({BADGE})]({address})"
        notebook["cells"].insert(0, _markdown("badge", badge))
    _add_glossary(notebook["cells"], kit[release.GLOSSARY].decode())
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_whole(out, text.encode())
    print(f"wrote {out}: {len(text) / 1e6:.1f} MB, needs no other file")
    return 0


def _markdown(id_: str, text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": id_, "metadata": {}, "source": lines}


def _add_glossary(cells: list[dict[str, Any]], text: str) -> None:
    """Add the glossary as the last cell, without its links to other notebooks."""
    for cell in cells:
        cell["source"] = [
            line.replace(f"({release.GLOSSARY})", "(#Glossary)") for line in cell["source"]
        ]
    text = re.sub(r"\[([^\]]+)\]\[\w+\]", r"\1", text)
    text = re.sub(r"^\[\w+\]: .*\n", "", text, flags=re.MULTILINE)
    cells.append(_markdown("glossary", text.rstrip()))


def setup(kit: dict[str, bytes], url: str) -> str:
    """Return the code of the first cell, which installs the kit or what is at the address."""
    code = SETUP_CELL.read_text(encoding="utf-8").partition("# --- the cell\n\n")[2]
    lines = textwrap.wrap(base64.b64encode(wheels(kit, with_kit=not url)).decode(), 120)
    packed = '"""\n' + "\n".join(lines) + '\n"""'
    code = code.replace('URL = ""', f"URL = {url!r}").replace('WHEELS = ""', f"WHEELS = {packed}")
    return f"{SETUP}\n{code}"


def wheels(kit: dict[str, bytes], with_kit: bool) -> bytes:
    """Build the package of the spaCy model and, if asked for, the kit; return them in a zip.

    `kit` is what they are built from: contents by name.

    Raises:
        UsageError: pip cannot build them.
    """
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "kit"
        for name, data in kit.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder]
        sources = [str(root / "packages" / MODEL), *([str(root)] if with_kit else [])]
        done = subprocess.run([*command, *sources], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UsageError(f"The kit cannot be packed: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(Path(folder).glob("*.whl")):
                info = zipfile.ZipInfo(path.name, release.DATE)
                archive.writestr(info, _stored(path), zipfile.ZIP_LZMA)
    return content.getvalue()


def _stored(wheel: Path) -> bytes:
    """Return a wheel without compression, so that all of its files are compressed as one."""
    content = io.BytesIO()
    with zipfile.ZipFile(wheel) as packed, zipfile.ZipFile(content, "w") as plain:
        for name in sorted(packed.namelist()):
            plain.writestr(zipfile.ZipInfo(name, release.DATE), packed.read(name))
    return content.getvalue()
