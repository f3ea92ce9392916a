"""What a submission may import is one list, whatever is installed, in each tier."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from grader.contract.tasks import assignments, get_assignment
from grader.grading import session
from grader.grading.session import Session
from grader.intake.sources import Sources
from grader.sandbox.tiers import LIMITS, choose

Open = Callable[..., Session]


@pytest.fixture(params=["strongest", "limits", "none"])
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a submission of `dataset` and of helpers, in a tier."""
    if request.param == "limits":
        monkeypatch.setattr(session, "choose", lambda *_: LIMITS)
    contexts = []

    def open_(dataset: str, **helpers: str) -> Session:
        modules = {"dataset": dataset + "\nclass NewsDataset: pass", **helpers}
        files = {name: text.encode() for name, text in modules.items()}
        names = {name: f"exercise/{name}.py" for name in files}
        context = session.session(Sources("x", files, names), in_process=request.param == "none")
        contexts.append(context)
        return context.__enter__()

    yield open_
    for context in contexts:
        context.__exit__(None, None, None)


def message(opened: Session) -> str:
    """Return what is said of the import of `dataset`; nothing if it succeeds."""
    check = opened.assignment.checks[0]
    found = opened.run(check).message
    return found if found.startswith("Importing your ") else ""


LISTED = """
import json, random, os.path
import numpy as np, spacy, en_core_web_sm, torch, torchtext, tqdm, typing_extensions, thinc.api
import torch.nn as nn, torch.nn.functional as F
import matplotlib.pyplot as plt
from IPython import display
from IPython.display import HTML, clear_output
from news import AG_NEWS
from torch.utils.data import DataLoader
import helper, exercise.helper
from . import helper as same
from .helper import other
from exercise.helper import other
"""


def test_what_is_listed_can_be_imported_and_so_can_ones_own_modules(opened: Open) -> None:
    assert message(opened(LISTED, helper="other = 1")) == ""


@pytest.mark.parametrize(
    "line",
    [
        "import sklearn",
        "import pandas as pd",
        "from sklearn.metrics import accuracy_score",
        "import requests",  # is installed everywhere, and loaded by spaCy, or not
        "import sympy",
        "import pytest",
        "import _worker.operations.fit",
        "import importlib; importlib.import_module('sklearn.metrics')",
        "__import__('joblib')",
        "import importlib, thinc.api; importlib.import_module('pydantic')",  # is loaded by thinc
        "import importlib as i, thinc.api; i.import_module(name='pydantic.fields')",
        "import importlib, thinc.api; importlib.__import__('pydantic')",
        "from importlib import import_module as load\nimport thinc.api\nload('pydantic')",
        "import thinc.api; __import__('pydantic')",
        "def f():\n    import nunpy\nf()",
        "import helper",
    ],
)
def test_what_is_not_listed_is_refused_by_name_with_what_may_be_imported(
    line: str, opened: Open
) -> None:
    told = message(opened(line, helper="import joblib"))
    assert "ModuleNotFoundError: No module named '" in told
    assert "can import en_core_web_sm, IPython, matplotlib, news, numpy, spacy, thinc" in told
    assert "and Python's standard library" in told
    assert "Check the spelling, or remove the import" in told


def test_an_import_with_another_way_out_takes_it(opened: Open) -> None:
    code = (
        "try:\n    import sklearn\nexcept ImportError:\n    sklearn = None\nassert sklearn is None"
    )
    assert message(opened(code)) == ""


def test_a_package_that_is_listed_may_import_what_is_not(opened: Open) -> None:
    assert (
        message(opened("import torch, copyreg\nimport torch.fx.experimental.symbolic_shapes")) == ""
    )


def test_a_course_adds_a_package_by_its_name(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    found = get_assignment("news-classifier")
    more = dataclasses.replace(found, packages=(*found.packages, "joblib"))
    monkeypatch.setattr(session, "choose_assignment", lambda _id, _modules: more)
    assert message(opened("import joblib")) == ""


def test_each_assignment_has_a_list_with_what_its_lesson_imports() -> None:
    for each in assignments().values():
        assert {"torch", "spacy", "numpy", "torchtext", "news", "tqdm"} <= {*each.packages}
        assert not {"grader", "solution", "exercise"} & {*each.packages}


# Stand-ins; not where code is run in the grader's own process.


SHOWS = """
from IPython.display import HTML, Image, clear_output, display
import IPython
from torch.utils.tensorboard import SummaryWriter
from tqdm.auto import tqdm as auto
from tqdm.notebook import tqdm, trange
from tqdm import tqdm_notebook
for steps in (tqdm(range(3)), trange(3), tqdm_notebook([1, 2, 3]), auto([1, 2, 3])):
    assert len(list(steps)) == 3
    clear_output(wait=True)
display(HTML('x'), Image('x'))
assert IPython.get_ipython() is None
with SummaryWriter('runs/one') as writer:
    writer.add_scalar('loss', 1.0, 0)
    writer.add_histogram('weights', [1.0])
writer.flush(), writer.close()
"""
TORCHTEXT = """
import torchtext
from torchtext.datasets import AG_NEWS
from torchtext.data.functional import to_map_style_dataset
from torchtext.data.utils import get_tokenizer
train_iter, test_iter = AG_NEWS()
train_iter = AG_NEWS(split='train')
assert to_map_style_dataset([(1, 'a'), (2, 'b')])[1] == (2, 'b')
assert get_tokenizer('basic_english')('Oil, gas!') == ['oil', ',', 'gas', '!']
"""


@pytest.mark.parametrize("tier", ["strongest", "limits"])
@pytest.mark.parametrize("code", [SHOWS, TORCHTEXT], ids=["shows", "torchtext"])
def test_what_is_for_notebooks_and_the_lessons_first_lines_cost_nothing(
    code: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert message_in(tier, code, monkeypatch) == ""


@pytest.mark.parametrize("tier", ["strongest", "limits"])
@pytest.mark.parametrize(
    ("code", "what"),
    [
        (TORCHTEXT + "next(iter(train_iter))", "AG_NEWS"),
        ("import news\nrows = list(news.AG_NEWS(split='test'))", "AG_NEWS"),
        ("import news\nrows = news.sample('train')", "news.sample"),
    ],
)
def test_reading_news_while_graded_is_one_clear_line(
    code: str, what: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = message_in(tier, code, monkeypatch)
    assert f"NewsError: {what} has no data while your code is graded: nothing is downloaded" in told


def message_in(tier: str, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(
        session, "choose", lambda *_: LIMITS if tier == "limits" else choose(None, "cpu")
    )
    files = {"dataset": f"{code}\nclass NewsDataset: pass".encode()}
    with session.session(Sources("x", files, {"dataset": "dataset.py"})) as opened:
        return message(opened)


# Outside of the grader.

BOTH = "import torchtext\nfrom torchtext.datasets import AG_NEWS\n"


@pytest.mark.parametrize(
    "code",
    [
        f"import news\n{BOTH}",
        f"import grader\n{BOTH}",
        f"from grader.notebook import check\n{BOTH}",
        f"try:\n    import torchtext\nexcept OSError:\n    pass\nimport news\n{BOTH}",
        f"import news, sys\nsys.modules.pop('torchtext', None)\n{BOTH}import torchtext.vocab",
    ],
    ids=["news", "grader", "notebook", "news later", "vocab"],
)
def test_torchtext_can_be_imported_beside_news(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_torchtext_the_stand_in_reads_ag_news() -> None:
    code = (
        "import importlib.machinery as m, news\n"
        "find = m.PathFinder.find_spec\n"
        "def without(name, *a): return None if name == 'torchtext' else find(name, *a)\n"
        "m.PathFinder.find_spec = without\n"
        f"{BOTH}assert AG_NEWS is news.AG_NEWS"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
