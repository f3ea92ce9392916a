"""The report on a class in a real browser: `tox -e browser`.

Needs Chromium (Debian: apt-get install chromium). Screenshots go to `browser-screenshots/`.
"""

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from grader.contract.enums import Status
from grader.contract.names import file_name
from grader.contract.results import Match, Result
from grader.contract.roster import Student
from grader.reports import table
from grader.reports.class_report import page as class_page
from tests.classes import EVIL, HOSTILE, a_class, changed, graded

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
SHOTS = Path("browser-screenshots")
WIDTHS = {"phone": 390, "desktop": 1280}
SIZE = 40
LONG, TURNED = "N" * 300, "\u202eevil \u2066name"


LATE = Student("=s1", 'Ada, "Countess"', "ada@uni.example", "Monday, Lab")
MISSING = Student("s2", "Bob Missing", "bob@uni.example", "Tuesday")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports on a class with all that can go wrong."""
    out: Path = tmp_path_factory.mktemp("class")
    right, results = graded()["right"], a_class(SIZE)
    fault = "The grader itself failed: ValueError('x') (test_dataset.py, line 20)."
    odd = [
        Result(EVIL, "", EVIL, graded()["hostile"]),
        Result("turned", TURNED, record=right),
        Result("long", LONG, record=graded()["wrong"]),
        Result("name", "محمد بن سلمان", record=right),
        Result("lost", HOSTILE, fault=HOSTILE),
        Result(
            "faulty", "", "", changed(right, "dataset.texts", status=Status.ERROR, message=fault)
        ),
    ]
    results[: len(odd)] = odd
    results[10] = replace(results[10], seconds=90.0)
    results[12] = replace(results[12], fingerprints=results[11].fingerprints)
    results[30] = replace(results[30], late=True, roster=LATE, match=Match.NAME)
    results[31] = Result(MISSING.id, roster=MISSING)
    results[32] = replace(results[32], late=False, match=Match.NOBODY)
    class_page.write(results, out, "News classifier")
    return out


@dataclass
class Seen:
    """What a page did that it should not."""

    page: Any
    requests: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not self.requests and not self.told


def opened(browser: Any, file: Path, **options: Any) -> Seen:
    """Open a page from disk; requests to anywhere else are noted and refused."""
    context = browser.new_context(**options)
    seen = Seen(context.new_page())

    def route(route: Any) -> None:
        if route.request.url.split("#")[0] == file.as_uri():
            route.continue_()
        else:
            seen.requests.append(route.request.url)
            route.abort()

    def dialog(dialog: Any) -> None:
        seen.told.append(dialog.message)
        dialog.dismiss()

    context.route("**/*", route)
    seen.page.on("console", lambda message: seen.told.append(message.text))
    seen.page.on("pageerror", lambda error: seen.told.append(str(error)))
    seen.page.on("dialog", dialog)
    seen.page.goto(file.as_uri())
    return seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_opens_from_disk_and_does_nothing_else(
    browser: Any, folder: Path, width: str, scheme: str
) -> None:
    SHOTS.mkdir(exist_ok=True)
    size = {"width": WIDTHS[width], "height": 900}
    seen = opened(browser, folder / "index.html", viewport=size, color_scheme=scheme)
    page = seen.page
    assert page.title() == "News classifier"
    for place in ["class", *(f"s{number}" for number in range(1, SIZE + 1))]:
        page.evaluate("place => { location.hash = place }", place)
        assert page.locator(f"#{place}").is_visible()
        assert page.locator(".page:visible").count() == 1
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, place
        if place in ("class", "s1"):
            name = f"{'class' if place == 'class' else 'student'}-{width}-{scheme}"
            page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)
    assert seen.nothing, (seen.requests, seen.told)


@pytest.mark.parametrize("name", [EVIL, "turned", "long"])
def test_feedback_opens_from_disk_and_does_nothing_else(
    browser: Any, folder: Path, name: str
) -> None:
    size = {"width": WIDTHS["phone"], "height": 900}
    file = folder / "feedback" / f"{file_name(name)}.html"
    seen = opened(browser, file, viewport=size)
    assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert seen.nothing, (seen.requests, seen.told)
    seen.page.screenshot(path=str(SHOTS / f"feedback-{file_name(name)[:8]}.png"), full_page=True)


def test_a_script_that_got_into_the_page_would_not_run(browser: Any, folder: Path) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    file = folder / "broken.html"
    file.write_text(page.replace("<header>", f"<header>{EVIL}", 1), encoding="utf-8")
    seen = opened(browser, file)
    assert not any(told in ("1", "2") for told in seen.told)
    assert len([told for told in seen.told if "Content Security Policy" in told]) >= 2
    assert seen.requests == []


def test_the_list_of_students_is_filtered_and_sorted(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "index.html").page
    rows = page.locator("#table tbody tr:visible")
    assert rows.count() == SIZE
    page.get_by_label("Name or id").fill("number 1")
    assert rows.count() == len([n for n in range(6, SIZE) if str(n).startswith("1")])
    assert page.locator("#count").inner_text() == f"{rows.count()} of {SIZE}"
    page.get_by_label("Name or id").fill("")
    page.get_by_label("Show").select_option("to grade again")
    assert rows.count() == 2
    page.get_by_label("Show").select_option("all")

    def points() -> list[float]:
        cells = page.locator("#table tbody tr td:nth-child(2)")
        return [float(cell.get_attribute("data-value") or -1) for cell in cells.all()]

    head = page.get_by_role("columnheader", name="Points")
    for order, reverse in (("descending", True), ("ascending", False)):
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == order
        assert points() == sorted(points(), reverse=reverse)


def test_the_list_is_filtered_by_status_lateness_and_section(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "index.html").page
    rows = page.locator("#table tbody tr:visible")
    for choice, count in (
        ("missing", 1), ("unreadable", 1), ("error", 1), ("graded", SIZE - 3), ("late", 1),
        ("not on the roster", 1), ("all", SIZE),
    ):  # fmt: skip
        page.get_by_label("Show").select_option(choice)
        assert rows.count() == count, choice
    for section, names in (("Lab", ["Ada"]), ("Tuesday", ["Bob"]), ("all", [])):
        page.locator("#section").select_option(section)
        assert all(name in rows.first.inner_text() for name in names)
        assert rows.count() == (len(names) or SIZE)
    page.get_by_label("Name or id").fill("bob@uni")
    assert rows.count() == 1


@pytest.mark.parametrize("decimal", ["point", "comma"])
def test_the_filtered_list_is_saved_as_csv(browser: Any, tmp_path: Path, decimal: str) -> None:
    half = changed(graded()["right"], "dataset.item", status=Status.FAILED, score=1.5)
    results = [
        Result("1", "lovelace", "", half, seconds=1.25, late=True, roster=LATE, match=Match.ID),
        Result(MISSING.id, roster=MISSING),
        Result("=cmd|x", HOSTILE, "x", half),
        Result("+1", "@SUM(A1)", "", half),
    ]
    class_page.write(results, tmp_path, "News", decimal=decimal)
    seen = opened(browser, tmp_path / "index.html")

    def saved() -> list[dict[str, str]]:
        with seen.page.expect_download() as download:
            seen.page.get_by_role("button", name="Save as CSV").click()
        assert download.value.suggested_filename == "students.csv"
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        delimiter = table.DECIMALS[decimal]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            assert not any(cell.startswith(table.FORMULA) for cell in row)
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))

    assert len(saved()) == 4
    seen.page.get_by_label("Name or id").fill("uni.example")
    ada, bob = sorted(saved(), key=lambda row: row["E-mail"])
    assert (ada["Id"], ada["E-mail"], ada["Student"]) == ("'=s1", LATE.email, LATE.name)
    points = f"{half.score}".replace(".", "," if decimal == "comma" else ".")
    assert (ada["Points"], ada["Status"], ada["Late"], ada["Section"]) == (
        points, "graded", "yes", "Monday, Lab",
    )  # fmt: skip
    assert ada["Feedback"] == "feedback/1.html"
    assert (bob["Student"], bob["Points"], bob["Status"], bob["dataset"]) == (
        "Bob Missing", "", "missing", "",
    )  # fmt: skip
    assert seen.nothing, (seen.requests, seen.told)


def test_a_students_feedback_is_a_click_away(browser: Any, folder: Path) -> None:
    for number in (0, SIZE - 2):
        page = browser.new_context().new_page()
        page.goto((folder / "index.html").as_uri())
        link = page.locator("#table td a").nth(number % page.locator("#table td a").count())
        link.click()
        assert page.get_by_role("heading", name="Your tasks").is_visible()


def test_a_student_is_reached_by_keyboard_and_left_again(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "index.html").page
    link = page.locator("#table tbody a").first
    link.focus()
    page.keyboard.press("Enter")
    assert page.locator("#s1").is_visible()
    assert page.locator("#s1 h1").inner_text() in page.title()
    page.get_by_role("link", name="All students").locator("visible=true").press("Enter")
    assert page.locator("#table").is_visible()


def test_the_report_is_complete_without_its_script(browser: Any, folder: Path) -> None:
    page = opened(browser, folder / "index.html", java_script_enabled=False).page
    assert page.locator("#table tbody tr:visible").count() == SIZE
    assert not page.locator(".tools").is_visible()
    page.locator("#table tbody a").first.click()
    assert page.locator("#s1").is_visible()


CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgb = (colour) => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const parts = rgb(colour).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "white";
  };
  const low = [];
  for (const element of document.querySelectorAll("main *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colours = [element.closest("svg") ? style.fill : style.color, behind(element)].map(light);
    const ratio = (Math.max(...colours) + 0.05) / (Math.min(...colours) + 0.05);
    if (ratio < 4.5) low.push([element.textContent.trim().slice(0, 30), ratio]);
  }
  return low;
}
"""


@pytest.mark.parametrize(
    ("media", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")]
)
@pytest.mark.parametrize("place", ["", "#s1", "#s3"])
def test_every_text_has_enough_contrast(
    browser: Any, folder: Path, media: str, scheme: str, place: str
) -> None:
    page = opened(browser, folder / "index.html", color_scheme=scheme).page
    page.emulate_media(media=media, color_scheme=scheme)
    page.evaluate("place => { location.hash = place }", place)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert page.evaluate(CONTRAST) == []


def test_a_large_class_stays_usable(browser: Any, tmp_path: Path) -> None:
    class_page.write(a_class(300), tmp_path, "News classifier")
    seen = opened(browser, tmp_path / "index.html")
    seen.page.get_by_label("Name or id").fill("number 299")
    assert seen.page.locator("#table tbody tr:visible").count() == 1
    seen.page.locator("#table tbody tr:visible th a").click()
    assert "Number 299" in seen.page.locator(".page:visible h1").inner_text()
    assert seen.nothing
