"""What executing a notebook's cells from the top leaves is graded; data and runs are not."""

import time
from collections.abc import Callable

import pytest

from grader.base.errors import UsageError
from grader.contract.tasks import MAIN, assignments
from grader.intake.ipython import to_python
from grader.intake.notebook_modules import MAX_CODE, extract_modules
from grader.intake.sources import Sources
from grader.intake.statements import MAX_CELL, Cell

PART = "class Collate:\n    def __call__(self): return {}"
CHECK = 'check("collate", Collate)'


def extracted(*texts: str) -> Sources:
    cells = [Cell(text, f"cell {n}") for n, text in enumerate(texts, 1)]
    return extract_modules("a notebook", cells, assignments()[MAIN])


def module(*texts: str) -> str:
    return extracted(*texts).files["collate"].decode()


def value(*texts: str) -> object:
    """Run code from the top down and call the part."""
    found: dict[str, object] = {"check": lambda *_: None, "print": lambda *_: None}
    for text in texts:
        exec(compile(to_python(text), "a cell", "exec", dont_inherit=True), found)
    return found["Collate"]()()  # type: ignore[operator]


def part(expression: str) -> str:
    return PART.format(expression)


# The cells above the check, which end with the part.
KEPT: dict[str, list[str]] = {
    "setattr": [part("1"), "def f(self): return 2\nsetattr(Collate, '__call__', f)"],
    "delattr": ["class A:\n    x = 1\n    y = 2", "delattr(A, 'x')", part("hasattr(A, 'x')")],
    "update": ["config = {'a': False}\nconfig.update(a=True)", part("config")],
    "append under an if": [
        "import sys\nw = []\nif sys.maxsize > 5:\n    w.append(2)\nelse:\n    w.append(1)",
        part("w"),
    ],
    "items in a for": ["K = {}\nfor k, v in [('a', 1)]:\n    K[k] = v", part("K")],
    "items in a while": ["n, K = 0, {}\nwhile n < 3:\n    K[n] = n\n    n += 1", part("(K, n)")],
    "items under with": [
        "import contextlib\nK = {}\nwith contextlib.suppress(KeyError):\n    K['a'] = K['b'] = 1",
        part("K"),
    ],
    "a call under try": [
        "K = []\ntry:\n    K.extend('ab')\nexcept ValueError:\n    K = 1",
        part("K"),
    ],
    "del of an item": ["K = {'a': 1, 'b': 2}\ndel K['a']", part("K")],
    "augmented items": ["K = {'a': 1}\nK['a'] += 5", part("K")],
    "augmented": ["K = [1]\nK += [2]", part("K")],
    "attributes of an object": ["class C: pass\nc = C()\nc.size = 3", part("c.size")],
    "nested attributes": ["class C: pass\nc = C()\nc.d = C()\nc.d.e = [1]", part("c.d.e")],
    "a function that fills": ["K = {}\ndef fill():\n    K['a'] = 1\nfill()", part("K")],
    "a function that calls one": [
        "K = []\ndef inner(): K.append(1)\ndef outer(): inner()\nouter()",
        part("K"),
    ],
    "a function of an argument": ["K = {}\ndef fill(d): d['a'] = 1\nfill(K)", part("K")],
    "a global": ["K = 0\ndef count():\n    global K\n    K += 1\ncount()\ncount()", part("K")],
    "a shuffle": [
        "import random\nrandom.seed(1)\nK = [1, 2, 3]\nrandom.shuffle(K)",
        part("sorted(K)"),
    ],
    "a heap": ["import heapq\nK = []\nheapq.heappush(K, 3)", part("K")],
    "setdefault in a value": ["K = {}\nx = K.setdefault('a', 4)", part("K")],
    "a decorator": [
        "REGISTRY = {}\ndef register(f):\n    REGISTRY[f.__name__] = f\n    return f",
        "@register\ndef pad(): return 7",
        part("[*REGISTRY]"),
    ],
    "a decorator that adds a method": [
        part("1"),
        "def add_to(cls):\n    return lambda f: setattr(cls, f.__name__, f)",
        "@add_to(Collate)\ndef __call__(self): return 5",
    ],
    "two steps": ["A = []", "B = A\nB.append(1)", part("B")],
    "unpacking": ["a, (b, *c) = 1, (2, 3, 4)", part("(a, b, c)")],
    "a walrus": ["if (n := 5) > 3:\n    pass", part("n")],
    "a match": ["import sys\nmatch sys.platform[:0]:\n    case '': n = 3", part("n")],
    "a loop variable": ["for n in range(3): pass", part("n")],
    "the last definition": ["def f(): return 1", "def f(): return 2", part("f()")],
    "timed": ["%time K = [1, 2]", "%%time\nL = [3]", part("K + L")],
    "magic under an if": ["IN = False\nif IN:\n    !pip install x\nelse:\n    K = 2", part("K")],
    "magic and a string": ['!ls\nK = """\n!not magic\n%nor this\n"""', part("K")],
    "magic in brackets": ["%matplotlib inline\nK = (7\n% 4)", part("K")],
    "magic over lines": ["!echo a \\\n  b\nK = 1", part("K")],
    "help": ["int?\n?int\nK = 3\nstr.join??", part("K")],
    "a later part": [part("1"), part("2")],
    "sort": ["K = [3, 1]\nK.sort(reverse=True)", part("K")],
    "a class's registry": ["class R:\n    all = []\nR.all.append(1)", part("R.all")],
    "pasted with its indentation": ["    K = 1\n    if K:\n        K = 2\n", part("K")],
    "a class that fills": [
        "K = {}\nclass Fill:\n    def __init__(self): K['a'] = 1\nFill()",
        part("K"),
    ],
    "an attribute of the same name": [
        "x = [3]",
        "class Collate:\n    x = x\n    __call__ = lambda self: self.x",
    ],
    "an overload": [
        "import functools\n@functools.singledispatch\ndef f(x): return 0",
        "@f.register\ndef _(x: int): return x + 1",
        part("f(3)"),
    ],
    "put into globals": [
        "globals()['K'] = 1\nglobals().update(L=2)\nfor n in range(3): globals()['M'] = n",
        part("(K, L, M)"),
    ],
    "a lambda's default": ["n = 2\nf = lambda x=n: x\nn = 3", part("(f(), n)")],
}


@pytest.mark.parametrize("case", KEPT)
def test_the_modules_do_what_the_cells_do(case: str) -> None:
    cells = ["x = 1", *KEPT[case], CHECK, "print(2)"]
    found = extracted(*cells)
    assert value(found.files["collate"].decode()) == value(*cells)
    assert found.variables == {}
    assert "print" not in found.files["collate"].decode()


# What must not be handed in: the cells above the part, which uses `x`.
DATA = {
    "the sample": "import news\nx = list(news.sample('train'))",
    "a name of it": "from news import sample\nx = sample('train')",
    "torchtext": "from torchtext.datasets import AG_NEWS\nx = list(AG_NEWS(split='train'))",
    "a length": "import news\nsamples = list(news.sample())\nx = len(samples)",
    "a loop over it": "import news\nfor label, x in news.sample(): print(x)",
    "a comprehension": "import news\ns = news.sample()\nx = [t for _, t in s]",
    "a filled dict": "import news\nx = {}\nfor _, t in news.sample():\n    x[t] = len(x)",
    "a filled list": "import news\nx = []\nfor s in news.sample(): x.append(s)",
    "a filled set": "import news\nsamples = news.sample()\nx = set()\nx.update(samples)",
    "an instance of a part": "x = Collate()",
    "what a part gives": "y = Collate()\nx = y([])",
    "a run": "x = train(1, 2)",
    "a training loop": "for epoch in range(3):\n    x = train(1)\n    print(x)",
    "a file": "x = open('words.txt').read()",
    "a file in a with": "with open('words.txt') as f:\n    x = f.readlines()",
    "a table": "import pandas as pd\nx = pd.read_csv('news.csv')",
    "weights": "import torch\nx = torch.load('best.pt')",
    "what a shell says": "x = !ls",
    "what a person types": "x = input('how many? ')",
    "a download": "import urllib.request\nx = urllib.request.urlopen('http://a.b').read()",
    "a function that loads": "import news\ndef load(): return list(news.sample())\nx = load()",
    "one that calls it": (
        "import news\ndef a(): return b()\ndef b(): return open('x').read()\nx = a()"
    ),
    "what was waited for": "async def f(): return 1\nx = await f()",
    "what was waited for in a loop": "async for x in f(): pass",
    "a function that runs": "def run(): return train(Collate())\nx = run()",
    "an object that loads": (
        "import pandas as pd\nclass Data:\n    def __init__(self): self.x = pd.read_csv('a')\n"
        "x = Data()"
    ),
    "the kit": "from grader.notebook import progress\nx = progress([], 3)",
}


@pytest.mark.parametrize("case", DATA)
def test_a_variable_from_data_or_a_run_is_not_handed_in_and_the_message_says_so(case: str) -> None:
    parts = "def evaluate(): ...\ndef train(*_): ..."
    found = extracted(parts, "class Collate: ...", DATA[case], part("x"), CHECK)
    code = found.files["collate"].decode()
    assert code == f"class Collate: ...\n{part('x')}\n"
    assert found.variables.keys() == {"x"}
    message = found.explain(
        "Your code raised NameError: name 'x' is not defined\n"
        "  notebook-collate, line 3, in __call__\n    return x\n"
        "This name is not defined here: look for a typo, a missing import, or a missing `self.`"
    )
    assert message == (
        "Your code raised NameError: name 'x' is not defined\n"
        "  cell 4, line 2, in __call__\n    return x\n"
        "`x` is a variable of the notebook, not of your object: give it to the object, keep it "
        "there, and write self.x."
    )


def test_a_variable_that_the_object_has_too_is_named_with_self() -> None:
    code = "class Collate:\n    def __init__(self, x): self.x = x\n    def f(self): return x[0]"
    found = extracted("import news\nx = news.sample()", code, CHECK)
    assert found.variables == {
        "x": "`x` is a variable of the notebook, not of your object: write self.x."
    }


def test_a_function_is_told_its_parameters() -> None:
    code = "def evaluate(model, loader, device): return len(batches)\ndef train(): ..."
    found = extracted("import news\nbatches = [*news.sample()]", code)
    assert found.variables == {
        "batches": "`batches` is a variable of the notebook, not of your function: use what the "
        "function is given (model, loader, device)."
    }


def test_parameters_and_attributes_of_that_name_are_no_such_variables() -> None:
    code = "class Collate:\n    def f(self, x): return self.samples[x]"
    found = extracted("import news\nx = samples = news.sample()", code, CHECK)
    assert found.variables == {}


@pytest.mark.parametrize(
    "text",
    [
        "model = Collate().to(device)",
        "import news\nfor s in news.sample():\n    print(s.to(device), device)",
        "import news\nfor s in news.sample():\n    device = 'cpu' if s else device",
        "import news\nsamples = [*news.sample()]\ndevice.size = len(samples)",
    ],
)
def test_what_a_data_cell_only_uses_stays_what_it_was(text: str) -> None:
    found = extracted("device = 'cpu'", text, part("device"), CHECK)
    assert found.files["collate"].decode() == f"device = 'cpu'\n{part('device')}\n"
    assert found.variables == {}


def test_what_was_filled_below_the_check_was_empty_above() -> None:
    fill = "import news\nfor s in news.sample(): log.append(s)"
    found = extracted("log = []", part("log"), CHECK, fill)
    assert found.files["collate"].decode() == f"log = []\n{part('log')}\n"
    assert found.variables == {}


def test_an_object_with_content_keeps_it_without_what_comes_from_data() -> None:
    more = "import news\nconfig['n'] = len(news.sample())\nconfig.update(m=len(news.sample()))"
    found = extracted("config = {'a': 1}", more, part("config"), CHECK)
    assert found.files["collate"].decode() == f"config = {{'a': 1}}\n{part('config')}\n"
    assert found.variables == {}


@pytest.mark.parametrize(
    "text",
    [
        "print(config)",
        "display(config)",
        "check(config)",
        "plt.plot(config)",
        "torch.save(config, 'c.pt')",
        "unknown(config)",
        "help(Collate)",
        "import inspect\nprint(inspect.getsource(Collate))",
        "len(config)",
        "assert config",
        "torch.manual_seed(0)",
        "torch.set_num_threads(8)",
        "def make(kind): return kind(3, 4)\nmake(torch.nn.RNN)",
        "def run(optimizer): 1\nfor _ in range(3): run(torch.optim.Adam)",
    ],
)
def test_what_changes_nothing_is_left_out(text: str) -> None:
    first = "import torch\nimport matplotlib.pyplot as plt\nconfig = {'a': plt, 'b': torch}"
    assert module(first, part("config"), text, CHECK) == f"{first}\n{part('config')}\n"


def test_a_module_that_a_cell_writes_can_be_run_and_appended_to() -> None:
    one, more = "%%writefile mine.py\nK = 1\n", "%%writefile -a mine.py\nL = K + 1\n"
    found = extracted(one, more, "%run -i mine.py\n%run other.py", part("(K, L)"), CHECK)
    assert found.files["mine"].decode().split() == ["K", "=", "1", "L", "=", "K", "+", "1"]
    assert found.files["collate"].decode() == f"from mine import *\n{part('(K, L)')}\n"
    inline = extracted("%%writefile collate.py\n" + PART, "%run ./collate.py", CHECK)
    assert inline.files["collate"].decode() == f"{PART}\n"


def test_a_cell_that_writes_a_module_is_read_as_one() -> None:
    source = "%%writefile my_parts.py\nSIZE = 3\nclass Collate: ...\n"
    found = extracted(source, "from my_parts import Collate", CHECK)
    assert found.files["my_parts"].decode() == "\nSIZE = 3\nclass Collate: ...\n"
    assert found.files["collate"] == b"from my_parts import Collate\n"
    assert found.notes == ["my_parts.py is written by a cell; it was read as that."]
    same = extracted(source.replace("my_parts", "collate"), "from collate import Collate", CHECK)
    assert same.files["collate"] == b"class Collate: ...\n"
    assert "torch" not in extracted("%%writefile torch.py\nx = 1").files


def test_a_part_that_is_imported_from_a_file_beside_the_notebook_is_read_there() -> None:
    cells = [Cell("from collate import Collate\nimport torch", "cell 1"), Cell(CHECK)]
    beside = {"collate": f"SIZE = 1\n{part('SIZE')}".encode()}
    found = extract_modules("a", cells, assignments()[MAIN], beside)
    assert found.files["collate"] == beside["collate"] + b"\n"
    assert found.explain("notebook-collate, line 3, in f") == "collate.py, line 3, in f"


# --- sizes and times ---------------------------------------------------------------------------


def seconds(texts: list[str]) -> float:
    start = time.process_time()
    extracted(*texts)
    return time.process_time() - start


def chain(links: int) -> list[str]:
    lines = [f"a{n}=a{n + 1}" for n in range(links)]
    return ["\n".join(lines[n : n + 3000]) for n in range(0, links, 3000)] + ["NewsDataset=a0"]


CODE: dict[str, Callable[[int], list[str]]] = {
    "a chain": chain,
    "a chain of functions": lambda n: (
        [
            "\n".join(f"def f{i}(): f{i + 1}()" for i in range(at, min(at + 500, n)))
            for at in range(0, n, 500)
        ]
        + [f"K = {{}}\ndef f{n}(): K['a'] = 1\nf0()", part("K")]
    ),
    "magics": lambda n: ["\n".join(["x = !a"] * 2000)] * (n // 2000),
    "assignments": lambda n: ["\n".join(["x=1"] * 2000)] * (n // 2000),
    "nested lambdas": lambda n: [f"f = {'lambda:' * 80}[{'a,' * 2000}0]"] * (n // 2000),
    "many names": lambda n: [f"x = [{','.join(f'a{i}' for i in range(2000))}]"] * (n // 2000),
}


@pytest.mark.parametrize("kind", CODE)
def test_time_grows_with_the_length_of_the_code(kind: str) -> None:
    small, large = (seconds(CODE[kind](length)) for length in (2_000, 8_000))
    assert large < 10 * small + 0.5


def test_much_code_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ast.parse", lambda *_: pytest.fail("it was parsed"))
    cell = "#" * (MAX_CELL - 1)
    with pytest.raises(UsageError, match="more than 256 KiB of code"):
        extracted(*[cell] * (MAX_CODE // MAX_CELL + 1))


def test_an_import_of_very_many_names_is_not_parsed() -> None:
    """CPython's parser would need memory with the square of its length."""
    for text in ("import a" + ".a" * 30_000, "x = 1; from a" + " . a" * 10_000 + " import b"):
        assert module(text, part("1")) == f"{part('1')}\n"
