"""The pictures of the README, from the golden records: `python -m tests.pictures`.

Needs Chromium (Debian: apt-get install chromium). Writes docs/img/board.png and class.png.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo
from rich.terminal_theme import MONOKAI

from grader.base.console import plain_console
from grader.base.paths import ROOT
from grader.contract.results import Result
from grader.reports import board
from grader.reports.class_report import page as class_page
from tests.classes import a_class, graded

IMAGES = ROOT / "docs" / "img"
SHOWS = "shows"  # the name of the metadata
NAMES = ("Ada Lovelace", "Alan Turing", "Emmy Noether", "Grace Hopper", "Katherine Johnson",
         "Leonhard Euler", "Mary Jackson", "Sofia Kovalevskaya")  # fmt: skip
TERMINAL = """\
<!DOCTYPE html><meta charset="utf-8"><style>{stylesheet}
body {{margin: 0; background: {background}; color: {foreground}}}
pre {{margin: 0; padding: 12px 16px; font: 14px/1.25 "DejaVu Sans Mono", monospace}}
</style><pre>{code}</pre>
"""


def board_page() -> tuple[str, str]:
    """The board of a submission that is half done, as text and as a page."""
    console = plain_console(
        record=True, width=88, color_system="truecolor", force_terminal=True, file=io.StringIO()
    )
    board.show(graded()["begun"], console=console)
    text = console.export_text(clear=False)
    return text, console.export_html(theme=MONOKAI, code_format=TERMINAL)


def write_class(out: Path) -> Path:
    """Write the report on a class with a secret of its own and return its page."""
    results = []
    for name, result in zip(NAMES, a_class(len(NAMES), seed=3), strict=True):
        assert result.record
        environment = result.record.environment | {"secret": "course"}
        record = replace(result.record, environment=environment)
        results.append(replace(result, student=name.split()[-1].lower(), name=name, record=record))
    results.append(Result("ghost", name="Bob Builder", fault="PDF: hand in the .py files."))
    class_page.write(results, out, "News classifier")
    return out / "index.html"


def shoot(page: Path, out: Path, width: int, height: int, shows: str = "") -> None:
    """Take a picture of a page, without the empty space around it, in 256 colours.

    Its metadata has the text that it shows, for the test that the picture is up to date.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("Chromium is not installed.")
    subprocess.run(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--window-size={width},{height}", f"--screenshot={out}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip
    picture = Image.open(out).convert("RGB")
    empty = Image.new("RGB", picture.size, picture.getpixel((width - 1, height - 1)))
    drawn = ImageChops.difference(picture, empty).getbbox() or (0, 0, width, height)
    shown = picture.crop((0, 0, width, min(drawn[3] + 12, height)))
    info = PngInfo()
    info.add_text(SHOWS, shows)
    shown.quantize(256).save(out, optimize=True, pnginfo=info)
    print(f"wrote {out.relative_to(ROOT)}: {out.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Write both pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        terminal = Path(folder) / "board.html"
        text, html = board_page()
        terminal.write_text(html, encoding="utf-8")
        shoot(terminal, IMAGES / "board.png", 760, 900, text)
        shoot(write_class(Path(folder) / "class"), IMAGES / "class.png", 1120, 760)


if __name__ == "__main__":
    main()
