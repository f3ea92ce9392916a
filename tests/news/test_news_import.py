"""`import news` costs next to nothing, told by what it loads and not by a clock."""

import subprocess
import sys
from pathlib import Path

LOADED = """
import sys, news
heavy = "torch", "torchtext", "torchdata", "pooch", "requests", "tqdm", "numpy", "spacy"
print([name for name in heavy if name in sys.modules])
"""


def test_import_news_loads_nothing_heavy() -> None:
    repo = Path(__file__).parents[2]
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_public_names_are_there() -> None:
    import news

    assert set(news.__all__) == {"AG_NEWS", "CLASSES", "NewsError", "read_csv", "sample"}
    assert news.CLASSES == ("World", "Sports", "Business", "Sci/Tech")
