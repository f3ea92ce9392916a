"""A class of 57: honest, oddly packed, broken and hostile hand-ins, and a roster of 60 students."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.maintain.submission_bank import REFERENCE
from tests.classroom.test_availability import ATTACKS, cell, notebook
from tests.intake.test_hand_ins import tarred, zipped

FIRST, STUDENTS = 10_001, 60  # ids are numbers from the first one on
DATASET, COLLATE = REFERENCE["dataset"], REFERENCE["collate"]
TEXT = DATASET.decode()
FULL, BOTH = 15.0, 35.0  # points of the dataset, and with collate
ANY, REASON = "any mark, or a reason", "a reason"
RAISES = "class NewsDataset:\n    def __init__(self, samples):\n        1 / 0\n"
TORCHTEXT = "from torchtext.datasets import AG_NEWS\nimport news, torchtext\n"
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class HandIn:
    """What a student hands in.

    Attributes:
        name: the entry's name, with {} for the student's id.
        content: of a file; of the files in a folder; or what makes something else of a path.
        mark: the mark it must get, `REASON` if it must not get one, or `ANY`.
    """

    name: str
    content: bytes | Files | Callable[[Path], object]
    mark: float | str = FULL


def old(*sources: str) -> bytes:
    cells = [{"cell_type": "code", "language": "python", "input": each} for each in sources]
    made = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    return json.dumps(made).encode()


def with_plots() -> bytes:
    shown = cell(TEXT)
    image = {"image/png": "iVBOR" * (2 << 20)}
    shown["outputs"] = [{"output_type": "display_data", "data": image, "metadata": {}}]
    return notebook(shown)


def nested(levels: int) -> bytes:
    content, name = DATASET, "dataset.py"
    for level in range(levels):
        content, name = zipped({name: content}), f"{level}.zip"
    return content


def pipe(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "dataset.py")


HONEST = [
    HandIn("{}", {"dataset.py": DATASET}),
    HandIn("{} two parts", {"exercise/dataset.py": DATASET, "exercise/collate.py": COLLATE}, BOTH),
    HandIn("{} note.ipynb", notebook(cell(TEXT))),
    HandIn("{} in a folder", {"news-classifier (1).ipynb": notebook(cell(TEXT))}),
    HandIn("{} all in one.py", TEXT.encode() + b"\n" + COLLATE, BOTH),
    HandIn("{} work.zip", zipped({"work/dataset.py": DATASET, "__MACOSX/._dataset.py": b"\0"})),
    HandIn("{} work.tar", tarred({"work/dataset.py": DATASET})),
    HandIn("{} twice packed.zip", nested(2)),
    HandIn("{} windows.zip", zipped({"work\\dataset.py": DATASET})),
    HandIn("{} copy", {"dataset (1).py": DATASET}),
    HandIn("{} copies", {"Copy of dataset.py": DATASET, "dataset.py": DATASET}),
    HandIn("{} capital", {"Dataset.py": DATASET}),
    HandIn("{} text", {"dataset.py.txt": DATASET}),
    HandIn("{} wide", {"dataset.py": TEXT.encode("utf-16")}),
    HandIn("{} windows", {"dataset.py": b"\xef\xbb\xbf" + DATASET.replace(b"\n", b"\r\n")}),
    HandIn("{} old.ipynb", old(TEXT)),
    HandIn("{} plots.ipynb", with_plots()),
    HandIn("{} pasted.ipynb", notebook(cell(f"x = '{'a' * 70_000}'"), cell(TEXT))),
    HandIn("{} below.ipynb", notebook(cell("class NewsDataset: ..."), cell(TEXT))),
    HandIn("{} lesson.ipynb", notebook(cell(TORCHTEXT), cell("x = AG_NEWS()"), cell(TEXT))),
    HandIn("{} lesson", {"dataset.py": TORCHTEXT.encode() + DATASET}),
    HandIn("{} test", {"dataset.py": DATASET, "test_mine.py": b"1 / 0", "random.py": b""}),
    HandIn("{} wrong", {"dataset.py": DATASET.replace(b"label - 1", b"label")}, ANY),
    HandIn("{} wrong.ipynb", notebook(cell(TEXT.replace("label - 1", "label"))), ANY),
    HandIn("{} raises.ipynb", notebook(cell(RAISES)), 0.0),
    HandIn("{} empty", {"dataset.py": b"", "collate.py": b"\n"}, 0.0),
    HandIn("-rf {}", {"dataset.py": DATASET}),
    HandIn("=cmd|' C calc'!A0 {}", {"dataset.py": DATASET}),
    HandIn("Zoe\u0308 \N{GRINNING FACE} \n\u202e {}", {"dataset.py": DATASET}),
    HandIn("<script>alert(1)<%2f> {}.zip", zipped({"dataset.py": DATASET})),
]
UNREADABLE = [
    HandIn("{} work.rar", b"Rar!\x1a\x07\x01\x00", REASON),
    HandIn("{} report.pdf", b"%PDF-1.7", REASON),
    HandIn("{} broken.zip", b"PK\x03\x04", REASON),
    HandIn("{} page.ipynb", b"<!DOCTYPE html><html></html>", REASON),
    HandIn("{} packed six times.zip", nested(6), REASON),
    HandIn("{} two copies", {"dataset (1).py": DATASET, "dataset (2).py": COLLATE}, REASON),
    HandIn("{} no code", {"README.md": b"My work is on my drive."}, REASON),
    HandIn("{} link", lambda path: path.symlink_to("/etc"), REASON),
    HandIn("{} pipe", pipe, REASON),
]


def attacks(size: int) -> list[HandIn]:
    """Return the hand-ins that were seen to stop a class."""
    made = []
    for name, content in ATTACKS.items():
        data = content(size)
        data = data if isinstance(data, bytes) else data.encode()
        is_module = name.endswith(".py")
        made.append(
            HandIn(f"{{}} {Path(name).stem}", {"dataset.py": data}, ANY)
            if is_module
            else HandIn(f"{{}} {name}", data, ANY)
        )
    return made


def small() -> dict[str, HandIn]:
    """Return a few of them by the student's id."""
    chosen = [*HONEST[:4], *HONEST[18:21], *UNREADABLE[1:4], *attacks(1)[:3]]
    return {str(FIRST + number): each for number, each in enumerate(chosen)}


def whole() -> dict[str, HandIn]:
    """Return all hand-ins by the student's id; three students of the roster have none."""
    every = [*HONEST, *UNREADABLE, *attacks(100)]
    assert len(every) == STUDENTS - 3
    return {str(FIRST + number): each for number, each in enumerate(every)}


def lay_out(hand_ins: Mapping[str, HandIn], folder: Path) -> None:
    """Write the folder of a class."""
    for student, each in hand_ins.items():
        place(each, folder / each.name.format(student))


def place(hand_in: HandIn, path: Path) -> None:
    """Write one hand-in, to a path of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(hand_in.content, bytes):
        path.write_bytes(hand_in.content)
    elif callable(hand_in.content):
        hand_in.content(path)
    else:
        for name, data in hand_in.content.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)


def roster(path: Path) -> list[str]:
    """Write the roster; return the ids."""
    ids = [str(FIRST + number) for number in range(STUDENTS)]
    lines = [f'{id_},"Number, Ann {id_}",ann{id_}@uni.example,{id_[-1]}' for id_ in ids]
    path.write_text("\n".join(["id,name,email,section", *lines, ""]), encoding="utf-8")
    return ids
