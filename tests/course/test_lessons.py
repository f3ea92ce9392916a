"""Each lesson says what it teaches, asks for predictions, and links only to what is there."""

import json
import re
from urllib.parse import urlsplit

import pytest

from grader import plots
from grader.base.paths import COURSE, ROOT
from grader.contract.tasks import assignments
from grader.maintain import release

IDS = [*assignments()]
HOSTS = {"aclanthology.org", "arxiv.org", "d2l.ai", "docs.pytorch.org", "spacy.io"}
GLOSSARY = ROOT / release.GLOSSARY
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What a lesson must have, wherever it is: a pattern per part.
PARTS = {
    "goals": r"\*\*After(wards| this lesson) you can\*\*\n\n- ",
    "prerequisites": r"\*\*You (need|should know)\*\* ",
    "glossary": rf"\[glossary\]\({re.escape(release.GLOSSARY)}\)",
    "common errors": r"> \*\*You may read elsewhere",
    "recap": r"## What you have learned\n\n- ",
    "outlook": r"\n(## What comes next\n|\*\*What comes next\.\*\* )",
}


def cells(id_: str, *kinds: str) -> list[str]:
    """The texts of a notebook's cells of some kinds."""
    path = COURSE / "source" / id_ / f"{id_}.ipynb"
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] in kinds]


def text(id_: str) -> str:
    return "\n\n".join(cells(id_, "markdown"))


def numbered(id_: str) -> dict[int, str]:
    """The numbered parts of a lesson, with their code."""
    chunks = re.split(r"^## ", "\n\n".join(cells(id_, "markdown", "code")), flags=re.MULTILINE)
    headings = ((re.match(r"(\d+)\. ", chunk), chunk) for chunk in chunks)
    return {int(match[1]): chunk for match, chunk in headings if match}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("id_", IDS)
def test_a_lesson_has(id_: str, part: str) -> None:
    assert re.search(PARTS[part], text(id_))


@pytest.mark.parametrize("id_", IDS)
def test_the_table_at_the_top_has_each_part_and_task_with_its_difficulty_and_minutes(
    id_: str,
) -> None:
    lines = [line.strip("| ") for line in text(id_).split("\n") if line.startswith("|")]
    rows = [re.split(r"\s*\|\s*", line) for line in lines]
    titles = next(row for row in rows if row[0] == "part")
    assert titles[2:] == ["difficulty", "minutes", "points"]
    parts = [row for row in rows if re.match(r"\d+(\.|$)", row[0])]
    assert {int(row[0].split(".")[0]) for row in parts} == {*numbered(id_)}
    assert all(row[3].isdigit() for row in parts)
    for task in filter(lambda task: task.module, assignments()[id_].tasks.values()):
        (row,) = (row for row in parts if f"`{task.names[0]}`" in row[1])
        assert all(f"`{name}`" in row[1] for name in task.names)
        assert row[2] in ("easy", "medium", "hard"), task.id
        assert row[4] == f"{task.points:g}"


@pytest.mark.parametrize("id_", IDS)
def test_a_lesson_asks_for_at_least_three_predictions(id_: str) -> None:
    asked = [code for code in cells(id_, "code") if code.startswith('predict("')]
    assert len(asked) >= 3


@pytest.fixture(scope="module")
def kit() -> set[str]:
    """The files in the kit, beside the notebooks."""
    return {*release.kit(), *(f"{id_}.ipynb" for id_ in IDS)}


@pytest.mark.parametrize("id_", IDS)
def test_the_links_of_a_lesson_lead_into_the_kit_or_to_a_stable_page(
    id_: str, kit: set[str]
) -> None:
    found = LINK.findall(text(id_))
    assert found
    for link in found:
        url = urlsplit(link)
        if url.scheme or url.netloc:
            assert (url.scheme, url.netloc.removeprefix("www.")) in {("https", h) for h in HOSTS}, (
                link
            )
        else:
            assert url.path in kit, link


def test_every_picture_is_in_a_lesson_and_every_lesson_draws_what_there_is() -> None:
    code = "\n".join(source for id_ in IDS for source in cells(id_, "code"))
    assert set(re.findall(r"\bplots\.(\w+)\(", code)) == set(plots.__all__)


def plain(words: str) -> str:
    """Words in lower case, with one space between two of them and no hyphens."""
    return " ".join(words.casefold().replace("-", " ").split())


def entries() -> dict[str, str]:
    """The glossary's entries by their headings."""
    chunks = re.split(r"^## ", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(chunk.split("\n", 1) for chunk in chunks)


def test_the_glossary_is_in_order_and_names_only_parts_that_use_a_term() -> None:
    assert [*entries()] == sorted(entries(), key=str.casefold)
    lessons = dict(
        re.findall(r"^\[(\w+)\]: .*/([\w-]+)\.ipynb$", GLOSSARY.read_text(), re.MULTILINE)
    )
    assert sorted(lessons.values()) == sorted(IDS)
    for heading, entry in entries().items():
        names = [name for name in re.split(r", | \(|\)", heading) if name]
        parts = re.findall(r"\]\[(\w+)\], part (\d+)", entry)
        assert parts, heading
        for lesson, part in parts:
            said = plain(numbered(lessons[lesson])[int(part)])
            assert any(plain(name) in said for name in names), (heading, lesson, part)


def test_the_kit_has_the_glossary_with_links_to_its_notebooks(kit: set[str]) -> None:
    glossary = release.kit()[release.GLOSSARY].decode()
    targets = re.findall(r"^\[\w+\]: \.\./(.*)$", glossary, re.MULTILINE)
    assert sorted(targets) == sorted(f"{id_}.ipynb" for id_ in IDS)
    assert set(targets) <= kit


# What a place says besides its part, and what that part must then have.
HAS = {"*predict*": 'predict("', "box": "> **You may read elsewhere"}


def test_the_coverage_names_only_parts_and_tasks_that_are_there() -> None:
    page = (ROOT / "docs" / "lesson-coverage.md").read_text(encoding="utf-8")
    links = dict(re.findall(r"^\[(\w+)\]: .*/([\w-]+)\.ipynb$", page, re.MULTILINE))
    short = {name: links[key] for name, key in re.findall(r"(\w+) is \[[^]]+\]\[(\w+)\]", page)}
    assert sorted(short.values()) == sorted(IDS)
    rows = re.findall(r"^\| (?!topic)[^|]+ \| (.*) \|$", page, re.MULTILINE)
    named: set[str] = set()
    for place in "; ".join(rows).split("; "):
        if part := re.match(rf"({'|'.join(short)}) (\d+)", place):
            said = numbered(short[part[1]])[int(part[2])]
            assert all(sign in said for word, sign in HAS.items() if word in place), place
            tasks = set(re.findall(r"`(\w+)`", place))
            assert all(task in said for task in tasks), place
            named |= tasks
        else:
            elsewhere = (
                r"(Question \d of|the end of each lesson|\w+, (before part|\*What comes next|box))"
            )
            assert re.match(elsewhere, place), place
        for number, lesson in re.findall(r"Question (\d) of (\w+)", place):
            assert f"### Question {number}\n" in text(short[lesson]), place
    every = [
        name for id_ in IDS for task in assignments()[id_].tasks.values() for name in task.names
    ]
    assert named == set(every)
