"""What of a notebook's code becomes a submission."""

import pytest

from grader.base.errors import UsageError
from grader.contract.tasks import MAIN, assignments
from grader.intake.notebook_modules import extract_modules, last_versions
from grader.intake.sources import Sources
from grader.intake.statements import Cell

IMPORTS = "import torch\nfrom torch import nn\nimport matplotlib.pyplot as plt"
COLLATE = "class Collate:\n    def __call__(self, batch):\n        return helper(batch, SIZE)"


def taken(*texts: str) -> Sources:
    cells = [Cell(text, f"cell {n}") for n, text in enumerate(texts, 1)]
    return extract_modules("a notebook", cells, assignments()[MAIN])


def module(name: str, *texts: str) -> str:
    return taken(*texts).files[name].decode()


def test_a_module_gets_its_names_and_what_they_need_and_nothing_else() -> None:
    code = module(
        "collate",
        IMPORTS,
        "SIZE = 3\nOTHER = 4",
        "def helper(batch, size):\n    return torch.stack(batch)[:size]\n\ndef unused(): pass",
        COLLATE,
        'check("collate", Collate)',
    )
    assert code.split("\n") == [
        "import torch",
        "SIZE = 3",
        "def helper(batch, size):",
        "    return torch.stack(batch)[:size]",
        *COLLATE.split("\n"),
        "",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "history = train(model, loader)",
        "model = LSTMClassifier(4)\nfor epoch in range(9): model(epoch)",
        "print(Collate()([]))",
        "plt.plot(range(3))",
        "import os; os._exit(0)",
        "!rm -rf data\n%matplotlib inline",
    ],
)
def test_what_no_name_needs_is_left_out(text: str) -> None:
    code = module("train", text, "def evaluate(model, loader): ...", text, "def train(model): ...")
    assert code == "def evaluate(model, loader): ...\ndef train(model): ...\n"


@pytest.mark.parametrize("text", ["from grader.notebook import check", "import grader as check"])
def test_the_kit_itself_is_not_imported_even_where_a_name_needs_it(text: str) -> None:
    assert "import" not in module("collate", text, "class Collate:\n    def f(self): check()")


def test_a_local_variable_is_no_need() -> None:
    code = module("train", "model = slow()", "def evaluate(model): return model", "def train(): 0")
    assert "slow" not in code


def test_an_object_that_a_function_uses_is_made() -> None:
    code = module("collate", "nlp = spacy.load('x')", "class Collate:\n    def f(self): return nlp")
    assert code.startswith("nlp = spacy.load('x')\n")


@pytest.mark.parametrize(
    "text",
    [
        "Collate.__call__ = lambda self, batch: 1",
        "@add_to(Collate)\ndef __call__(self, batch): return 1",
        "class Collate(Collate):\n    pass",
    ],
)
def test_what_changes_a_name_later_counts(text: str) -> None:
    assert text in module("collate", "class Collate: ...", text, 'check("collate", Collate)')


def test_a_part_that_is_defined_again_below_its_check_counts_and_a_note_says_so() -> None:
    again = "class Collate:\n    x = 1"
    found = taken("class Collate: ...", 'check("collate", Collate)', "print(1)", again)
    assert found.files["collate"].decode() == f"class Collate: ...\n{again}\n"
    assert found.notes == ["Collate is defined again below its check, in cell 4: that one counts."]


@pytest.mark.parametrize(
    "text",
    [
        "Collate = 3",
        "def helper(): 2",
        "samples = news.sample()\nCollate.size = len(samples)",
        "print(Collate)",
        "Collate()",
    ],
)
def test_what_else_stands_below_the_check_does_not_count(text: str) -> None:
    part = "def helper(): 1\nclass Collate:\n    f = helper"
    found = taken("import news", part, 'check("collate", Collate)', text)
    assert found.files["collate"].decode() == f"{part}\n"
    assert found.notes == []


def test_a_check_that_was_moved_up_hides_nothing() -> None:
    assert module("collate", 'check("collate", Collate)', "class Collate: ...")


def test_decorators_star_imports_and_future_imports_are_kept() -> None:
    code = module(
        "model",
        "from torch import *",
        "from __future__ import annotations",
        "@wrap\nclass LSTMClassifier: ...",
        "def wrap(x): return x",
    )
    assert code.split("\n")[:4] == [
        "from __future__ import annotations",
        "from torch import *",
        "@wrap",
        "class LSTMClassifier: ...",
    ]


def test_a_timed_cell_is_a_cell() -> None:
    assert "class Collate" in module("collate", "%%time\nclass Collate: ...")


def test_a_cell_with_a_magic_line_is_a_cell() -> None:
    assert module("collate", "%load_ext x\nclass Collate: ...\n!ls") == "class Collate: ...\n"


def test_a_cell_that_is_no_python_is_handed_on_where_it_was_to_define_something() -> None:
    assert module("collate", "class Collate:\n    def f(:") == "class Collate:\n    def f(:\n"


def test_a_cell_that_is_no_python_does_not_hide_a_good_one() -> None:
    code = module("collate", "class Collate:\n    def f(:", "class Collate: ...")
    assert code == "class Collate: ...\n"


def test_every_module_is_there_even_if_it_is_empty() -> None:
    assert set(taken().files) == {"dataset", "collate", "model", "train"}


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 5000,
        "x = " + "-" * 60_000 + "1",
        "x = " + "a." * 30_000 + "a",
        "x = a" + "()" * 30_000,
        "x = " + "[" * 150 + "]" * 150,
        "x = " + "lambda: " * 7000 + "1",
        "x = '\0'",
        "x = '\ud800'",
    ],
    ids=range(8),
)
def test_text_made_to_break_a_parser_breaks_nothing(text: str) -> None:
    assert module("collate", text, "class Collate: ...") == "class Collate: ...\n"


@pytest.mark.parametrize("part", ["class Collate: ...", "class Collate:\n    y = x"])
def test_a_cell_of_data_is_left_out_or_refused_where_a_part_needs_it(part: str) -> None:
    data = "x = '" + "a" * 70_000 + "'"
    if "y" in part:
        with pytest.raises(UsageError, match=r"collate needs a code cell of .* at most 65,536"):
            taken(data, part)
        with pytest.raises(UsageError, match="at most 65,536 are taken"):
            taken(f"{part}\n{data}")
    else:
        found = taken(data, part)
        assert found.files["collate"].decode() == f"{part}\n"
        assert found.notes == [
            "A code cell of 70,006 characters (cell 1) is left out; at most 65,536 are read. "
            "No part needs it."
        ]


def test_messages_name_cells_and_their_lines() -> None:
    found = taken("# one\nSIZE = 1", "# a comment\n\n" + COLLATE)
    file = found.names["collate"]
    assert found.explain(f"  {file}, line 4, in") == "  cell 2, line 5, in"


# --- what a kernel ran ------------------------------------------------------------------------


def test_a_cell_that_ran_again_counts_as_it_ran_last() -> None:
    history = ["class A:\n    x = 1", "class B(A): ...", "class A:\n    x = 2", "print(1)"]
    texts = [cell.text for cell in last_versions(history)]
    assert texts == ["class A:\n    x = 2", "class B(A): ...", "print(1)"]


def test_a_cell_that_was_broken_when_it_ran_first_is_replaced() -> None:
    history = ["class A:\n    def f(:", "class A: ..."]
    assert [cell.text for cell in last_versions(history)] == ["class A: ..."]


def test_a_cell_that_grew_replaces_what_it_was() -> None:
    history = ["def f(): 1", "def g(): 2", "def f(): 3\ndef g(): 4"]
    assert [cell.text for cell in last_versions(history)] == ["def f(): 3\ndef g(): 4"]


def test_imports_and_constants_of_an_older_version_stay_without_its_definitions() -> None:
    """It may be another cell, whose imports are still needed; a class of it is not."""
    first, patch = "from torch import nn\n@seal\nclass A:\n    y = nn\nSIZE = 1", "A.x = 1"
    second, third = "class A:\n    x = 2", "class A:\n    x = 3"
    history = [first, patch, second, third, "check()"]
    texts = [cell.text for cell in last_versions(history)]
    assert texts == ["from torch import nn\n\n\n\nSIZE = 1", third, patch, "check()"]


def test_an_import_that_was_taken_out_again_is_not_needed() -> None:
    history = ["import pandas as pd\nclass Collate:\n    f = pd.DataFrame", "class Collate: ..."]
    found = extract_modules("a", last_versions(history), assignments()[MAIN])
    assert found.files["collate"].decode() == "class Collate: ...\n"
