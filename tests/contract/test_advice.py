"""What a student is told to do about a common exception: each kind is tripped once."""

import pytest

from grader.contract.messages import Failure
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.intake.sources import Sources

CODE = {  # lines of NewsDataset.__init__, and words of the advice
    "layer of another size": (
        "import torch; torch.nn.Linear(3, 2)(torch.zeros(1, 4))",
        "Print the shape of its input",
    ),
    "lstm of another size": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(1, 1, 4))",
        "Print the shape of its input",
    ),
    "states of another size": (
        "import torch; torch.nn.LSTM(3, 2)(torch.zeros(2, 1, 3), (torch.zeros(1, 2, 2),) * 2)",
        "Leave them out",
    ),
    "sizes that do not fit": ("import torch; torch.zeros(2) + torch.zeros(3)", "Two shapes"),
    "rows of several lengths": (
        "import torch; torch.stack([torch.zeros(2), torch.zeros(3)])",
        "Two shapes",
    ),
    "dtype": (
        "import torch; torch.nn.Linear(1, 1)(torch.zeros(1, 1).double())",
        "float32",
    ),
    "target out of bounds": (
        "import torch; torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([2]))",
        "0 to C - 1",
    ),
    "no gradient": ("import torch; torch.zeros(()).backward()", "the gradient was cut off"),
    "cuda": ("import torch; torch.zeros(1).to('cuda')", "Name no device"),
    "two devices": (
        "raise RuntimeError('Expected all tensors to be on the same device, but found')",
        "Name no device",
    ),
    "input": ("input('label: ')", "leave input() out"),
    "breakpoint": ("breakpoint()", "--in-process"),
    "self forgotten": (
        "def f(): pass\n        self.f = f; type('A', (), {'f': f})().f()",
        "`self`",
    ),
    "unknown name": ("pears", "a typing mistake, a missing import"),
    "before it has a value": ("n += 1", "before the loop"),
    "missing return": ("print().shape", "missing `return`"),
    "missing return, unpacked": ("a, b = print()", "missing `return`"),
    "unknown attribute": ("self.sample", "`self.name = ...`"),
    "model not installed": (
        "import spacy; spacy.load('en_core_web_lg')",
        "python -m grader doctor",
    ),
    "package not installed": ("import no_such_package", "remove the import"),
    "indentation": ("x = 1\n          y = 2", "the same number of spaces"),
    "missing block": ("for _ in samples:\n        pass", "the same number of spaces"),
    "tab": ("x = 1\n\tif x:\n        y = 2", "no tabs"),
    "syntax": ("x = (1", "a missing bracket"),
    "loss made and called at once": (
        "import torch; torch.nn.CrossEntropyLoss(torch.zeros(2, 3), torch.zeros(2))",
        "made first and then called",
    ),
    "layer made and called at once": (
        "import torch; torch.nn.functional.relu(torch.nn.ReLU(torch.zeros(2)))",
        "made first and then called",
    ),
    "two tensors instead of a list": (
        "import torch; torch.cat(torch.zeros(2), torch.zeros(2))",
        "torch.cat([a, b], dim=1)",
    ),
    "number instead of a range": ("for _ in 3: pass", "range(n)"),
    "recursion": ("self.__init__(samples)", "calls itself"),
}


IN_A_PROCESS_OF_ITS_OWN = ("input", "breakpoint")  # pytest itself answers these two


def told(lines: str, in_process: bool = True) -> str:
    """The message about a `NewsDataset` whose constructor has these lines."""
    text = f"class NewsDataset:\n    def __init__(self, samples):\n        {lines}\n"
    sources = Sources("s", {"dataset": text.encode()}, {"dataset": "exercise/dataset.py"})
    with session(sources, device="cpu", in_process=in_process) as opened:
        return opened.run(tasks()["dataset"].checks[0]).message


@pytest.mark.parametrize("case", CODE)
def test_a_common_exception_comes_with_what_to_do_next(case: str) -> None:
    lines, says = CODE[case]
    message = told(lines, in_process=case not in IN_A_PROCESS_OF_ITS_OWN)
    assert says in message.splitlines()[-1], message


def test_another_exception_has_no_advice() -> None:
    assert told("raise ValueError('mine')").endswith("raise ValueError('mine')")


def test_a_missing_return_is_told() -> None:
    message = str(Failure("f()", "It returned None", "a number"))
    assert message == "Called `f()`.\nIt returned None, expected a number.\nIs there a `return`?"
