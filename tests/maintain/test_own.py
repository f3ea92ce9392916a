"""A check, a task and an assignment of one's own: `new`, `build`, the grader, the kill matrix."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.base.files import parse_toml
from grader.base.paths import ROOT
from grader.contract import tables
from grader.maintain import skeletons
from grader.maintain.one_file import parse
from grader.maintain.stubs import BuildError

SKELETON = skeletons.filled("assignment", "own", name="averages")
FOLDERS = ("assignments", "docs", "exercise", "grader", "news", "solution", "tests")

# What an attack can earn is what it computes: the mean of three numbers, or that [] raises.
HOSTILE = {
    "constant": ("def averages(numbers): return 3.0", 0),
    "numbers-of-the-checks": ("def averages(numbers): return {3: 3.0}[len(numbers)]", 30),
    "always-raises": ("def averages(numbers): raise ValueError('no')", 0),
    "equal-to-everything": (
        "class Anything(float):\n"
        "    def __eq__(self, other): return True\n"
        "    def __sub__(self, other): return 0.0\n"
        "    def __getattr__(self, name): return self\n"
        "def averages(numbers): return Anything(7)",
        0,
    ),
    "not-a-number": ("def averages(numbers): return float('nan')", 0),
    "prints-passed": ("def averages(numbers): print('{\"score\": 100}')", 0),
    "prints-endlessly": ("def averages(numbers):\n    while True: print('x' * 1000)", 0),
    "exits": ("import sys\ndef averages(numbers): sys.exit(0)", 0),
    "exits-at-once": ("import os\nos._exit(0)", 0),
    "loops": ("def averages(numbers):\n    while True: pass", 0),
    "looks-for-the-checks": (
        "import sys\n"
        "def averages(numbers):\n"
        "    found = [m for m in sys.modules.values() if hasattr(m, 'check_any')]\n"
        "    return found[0].fmean(numbers) if found else 0.0",
        0,
    ),
    "reads-the-checks": (
        f"def averages(numbers): return len(open({str(ROOT / 'own')!r} + '/averages.py').read())",
        0,
    ),
}
GRADES_HOSTILE = """
import json, sys
from grader.grading import submission
from grader.grading.session import grade
from grader.intake.sources import Sources
submission.SECONDS = 2.0
for name, source in json.load(sys.stdin).items():
    sources = Sources(name, {"averages": source.encode()}, {"averages": "averages.py"})
    record = grade(sources, many=True, assignment="averages", secret="course")
    print(json.dumps([name, record.score, record.environment["confinement"],
                      [check.status.value for check in record.checks]]))
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the kit, without a course's data."""
    copy = tmp_path_factory.mktemp("own") / "kit"
    ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.svg", "golden")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy(ROOT / "constraints.txt", copy)
    return copy


def python(kit: Path, arguments: Sequence[str], code: int = 0, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=kit,
        env={**os.environ, "PYTHONPATH": str(kit)},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def grader(kit: Path, *arguments: str, code: int = 0) -> str:
    return python(kit, ["-m", "grader", *arguments], code)


def replace_in(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def matrix(kit: Path, *entries: str) -> None:
    """Grade entries over all tasks; the page of the copy may lack their rows."""
    printed = python(kit, ["-m", "tests.matrix", "--only", *entries])
    assert f"{len(entries)} submissions, 0 problems" in printed


@pytest.mark.full
def test_an_assignment_is_one_file_and_is_graded_as_any_other(kit: Path) -> None:
    grader(kit, "new", "assignment", "averages")
    own = kit / "own" / "averages.py"
    assert len(own.read_text(encoding="utf-8").splitlines()) <= 40
    grader(kit, "build", "--check")
    assert "100/100  done" in grader(kit, "grade", "solution/averages.py")
    stub = grader(kit, "grade", "exercise/averages.py", code=1)
    assert "0/100  not started" in stub
    assert "What do you add up" in grader(kit, "hint", "averages", "1")

    grader(kit, "new", "check", "averages.negative")
    grader(kit, "build", "--check")
    unwritten = grader(kit, "grade", "solution/averages.py", code=2)
    assert "not your fault: the grader could not judge this" in unwritten
    replace_in(
        own,
        ('equal("averages", [...], ...,', 'equal("averages", [[-1, -3]], -2.0,'),
        ('"empty": 20, "negative": 1', '"empty": 10, "negative": 10'),
        ('"The requirement, in one sentence.")', '"So.", {"sign-lost": lambda _: 2.0})'),
    )
    with (kit / "grader/contract/mistakes.toml").open("a", encoding="utf-8") as stream:
        stream.write('\n[sign-lost]\ntitle = "A sign is lost."\nexplanation = "Keep the sign."\n')
    replace_in(
        kit / "tests/submissions/mutants/averages.toml",
        ('says = "got:"  # of the message; or: mistake = "..."', 'mistake = "sign-lost"'),
        ("sum(numbers) / len(numbers)\n'''", "abs(sum(numbers)) / len(numbers)\n'''"),
    )
    grader(kit, "build")
    assert "100/100  done" in grader(kit, "grade", "solution/averages.py")
    made = ("median", "divided-by-three", "zero-of-nothing", "negative")
    matrix(kit, *(f"averages-{name}" for name in made), "averages_statistics", "averages_negative")

    # held against the bank's generic attacks, in the sandbox if there is one
    sources = {name: source for name, (source, _) in HOSTILE.items()}
    printed = python(kit, ["-c", GRADES_HOSTILE], given=json.dumps(sources))
    for line in printed.splitlines():
        name, score, confinement, statuses = json.loads(line)
        assert score == HOSTILE[name][1], line
        assert confinement != "none"
        assert "error" not in statuses
    assert len(printed.splitlines()) == len(HOSTILE)


@pytest.mark.full
def test_a_task_is_added_to_an_assignment(kit: Path) -> None:
    grader(kit, "new", "task", "squares", "--assignment", "recurrent-layers")
    grader(kit, "new", "check", "squares.empty")
    grader(kit, "build", "--check")
    replace_in(
        kit / "grader/checks/recurrent_layers/squares.py",
        ('equal("squares", [...], ...,', 'close("squares", [[]], 0.0,'),
    )
    replace_in(
        kit / "tests/submissions/mutants/squares.toml",
        ("in numbers)\n'''", "in numbers) or 1.0\n'''"),
    )
    record = json.loads(grader(kit, "grade", "solution/recurrent.py", "--json", "-"))
    assert {"id": "squares", "score": 3, "max_score": 3, "state": "done"} in record["tasks"]
    mutants = ("square-of-the-sum", "absolute-values", "empty")
    matrix(kit, *(f"squares-{name}" for name in mutants), "squares_loop", "squares_empty")


@pytest.mark.full
def test_a_course_can_bring_its_own_news(kit: Path) -> None:
    """Other texts with other classes, in the files of the sample, are what everything uses."""
    for path in (kit / "news" / "data").glob("sample_*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [[int(row[0]) % 4 + 1, f"Own: {row[1]}", row[2]] for row in csv.reader(stream)]
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
    told = python(kit, ["-c", "import news; print(news.sample('valid')[0][1])"])
    assert told.startswith("Own: ")
    record = json.loads(grader(kit, "grade", "solution", "--json", "-"))
    assert record["score"] == record["max_score"] == 100
    assert record["accuracy"]["value"] > 0.5


TWO = """
def largest(numbers):
    \"\"\"Return the largest number.\"\"\"
    ### BEGIN SOLUTION
    return max(numbers)
    ### END SOLUTION


# %% checks
from grader.checks.one_line import equal
"""


def test_each_function_of_a_file_is_a_task() -> None:
    text = SKELETON.replace("averages", "mean").replace("\n# %% checks\n", TWO, 1)
    text = text.replace('"empty": 20}', '"empty": 10, "largest": 10}')
    text += 'check_largest = equal("largest", [[1, 3]], 3, "The largest number.")\n'
    files = parse("averages", text).files()
    found = {path.name: text for path, text in files.items() if path.parent.name != "assignments"}
    assert [*found] == ["averages.py", "__init__.py", "mean.py", "largest.py"]
    table, lesson = (text for path, text in files.items() if path.parent.name == "assignments")
    assert lesson.index('check("mean", mean)') < lesson.index('check("largest", largest)')
    mean, largest = parse_toml(table)["task"]
    assert (mean["title"], largest["title"]) == (
        "Return the arithmetic mean of a list of numbers, a float",
        "Return the largest number",
    )
    assert {task["module"] for task in (mean, largest)} == {"averages"}
    rows = {check["id"]: check for check in mean["checks"] + largest["checks"]}
    assert [check["id"] for check in mean["checks"]] == ["whole", "any", "empty"]
    assert rows["empty"]["needs"] == ["whole"]
    assert rows["largest"] == {"id": "largest", "points": 10, "hint": 1}
    assert "check_largest" in found["largest.py"]
    assert "check_whole" not in found["largest.py"]
    assert "check_largest" not in found["mean.py"]
    assert "POINTS" not in found["mean.py"]
    for name in ("mean.py", "largest.py"):
        compile(found[name], name, "exec")


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("# %% checks\n", "", "no line `# %% checks`"),
        ('"""Averages.', 'X = """Averages.', "no docstring"),
        ("    ### BEGIN SOLUTION\n", "", "without a region"),
        ('"empty": 20', '"emty": 20', "have empty, emty"),
        ("check_any", "chek_any", "have any"),
        ('    "See `sum`', '    # "See `sum`', "HINTS is not three texts"),
        ("return sum(", "return sum((", "does not compile"),
        ('close("averages", [[1', 'close("average", [[1', "average: no check, or not a function"),
        ("def averages(", "def model(", "averages, model: no check"),
        ('{"whole": ', '{"whole": 2 * ', "is computed"),
        ('close("averages", [[1', "close(NAME, [[1", "is computed"),
    ],
)
def test_a_file_that_cannot_be_built_is_told_with_its_place(old: str, new: str, says: str) -> None:
    with pytest.raises(BuildError, match=rf"^own/averages\.py:\d+: .*{re.escape(says)}"):
        parse("averages", SKELETON.replace(old, new, 1))


def test_a_function_cannot_be_called_as_a_task_of_another_assignment() -> None:
    with pytest.raises(BuildError, match="pad is taken"):
        parse("averages", SKELETON.replace("averages", "pad"))


@pytest.mark.parametrize("name", ["dataset", "recurrent", "pad"])
def test_a_file_cannot_be_called_as_a_module_of_another_assignment(name: str) -> None:
    with pytest.raises(BuildError, match=f"{name} is taken"):
        parse(name, SKELETON)


@pytest.mark.parametrize("name", ["random", "two words", "a-b", "class"])
def test_a_file_needs_the_name_of_a_module(name: str) -> None:
    with pytest.raises(BuildError, match="cannot be called"):
        parse(name, SKELETON)


@pytest.mark.parametrize(
    "name", ["model", "text", "statistics", "grader", "a-b", "beyond", "class"]
)
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}"):
        skeletons.new_assignment(name)


@pytest.mark.parametrize("name", ["model", "model.", "model.a-b", "model.builds", "nothing.a"])
def test_a_check_needs_a_task_and_a_new_name(name: str) -> None:
    with pytest.raises(UsageError):
        skeletons.new_check(name)


SLIP = '''"""Slips."""


def slip(numbers):
    """Return the sum of numbers, an int."""
    ### BEGIN SOLUTION
    return sum(numbers)
    ### END SOLUTION


# %% checks
from grader.checks.one_line import equal, raises

HINTS = ("a", "b", "c")
POINTS = {"one": 60, "any": 40}

check_one = equal("slip", [[1, 2]], 3, "Of two.")
check_any = equal("slip", lambda draw: [draw.sample(range(9), 3)], sum, "Any.")
'''


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ('3, "Of two."', "3", 17, "equal() missing 1 required positional argument: 'says'"),
        ("[[1, 2]], 3", "5, 3", 17, "slip: the arguments are 5, not a list of them, or a function"),
        ("[draw.sample(range(9), 3)]", "5", 18, "slip: 5 was drawn, not a list of arguments"),
        ("sum, ", "lambda n: 1 / 0, ", 18, "ZeroDivisionError: division by zero"),
        ("sum, ", "lambda: 3, ", 18, "takes 0 positional arguments but 1 was given"),
        ('3, "Of two."', '{3}, "Of two."', 17, "a check cannot have {3} as an argument or a re"),
        ("[[1, 2]], 3", "[{1, 2}], 3", 17, "a check cannot have {1, 2} as an argument"),
        ('"one": 60', '"one": "60"', 15, "POINTS is not a dict of numbers from 0"),
        ('"one": 60', '"one": -60', 15, "POINTS is not a dict of numbers from 0"),
        ('{"one": 60, "any": 40}', "[60, 40]", 15, "POINTS is not a dict of numbers from 0"),
        ('("a", "b", "c")', '"abc"', 14, "HINTS is not three texts"),
        ('("a", "b", "c")', "(1, 2, 3)", 14, "HINTS is not three texts"),
        ("HINTS =", 'PACKAGES = "sklearn"\nHINTS =', 14, "PACKAGES is not a list of texts"),
        ("import equal, ", "import ", 17, "NameError: name 'equal' is not defined"),
        ("import equal, ", "import equals, ", 12, "ImportError: cannot import name 'equals'"),
        ("check_any =", "check_one =", 18, "check_one is there twice; rename one"),
        (
            'equal("slip", [[1, 2]], 3',
            'raises("slip", [[1, 2]], "E"',
            17,
            "'E' is not an exc",
        ),
        ('"Of two.")', '"Of two.", {"no-such": 4})', 17, "mistakes.toml has no row [no-such]"),
        ('"Of two."', "7", 17, "7 is not a sentence that says what the check requires"),
        ("draw.sample", "draw.simple", 18, "'Random' object has no attribute 'simple'"),
        ("return sum(numbers)", "return sum(numbers", 7, "does not compile"),
    ],
)
def test_a_slip_in_a_file_is_told_in_one_line_with_its_place(
    before: str, after: str, line: int, words: str
) -> None:
    assert parse("slip", SLIP).titles
    assert before in SLIP
    with pytest.raises(BuildError) as caught:
        parse("slip", SLIP.replace(before, after, 1))
    told = str(caught.value)
    assert told.startswith(f"own/slip.py:{line}: ")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("check", "line"),
    [
        ('check_any = equal("slip", [[math.inf]], math.inf, "Any.")', 19),
        ('check_any = equal("slip", lambda _: [[math.inf]], math.inf, "Any.")', 19),
        ('check_any = equal("slip", [[1]], lambda n: slip(n), "Any.")', 19),
        ("def check_any(submission):\n    print(math.pi)", 20),
    ],
)
def test_what_is_above_the_mark_is_not_there_for_the_checks(check: str, line: int) -> None:
    """They become a module of their own; so does a check that is only called when it grades."""
    text = SLIP.replace('"""Slips."""\n', '"""Slips."""\nimport math\n')
    text = text.partition("check_any =")[0] + check + "\n"
    name = "slip" if "slip(" in check else "math"
    with pytest.raises(BuildError) as caught:
        parse("slip", text)
    told = str(caught.value)
    assert told.startswith(f"own/slip.py:{line}: NameError: name '{name}' is not defined; the che")
    assert parse("slip", text.replace("equal, raises", "equal\nimport math\nslip = sum")).titles


def test_the_name_of_a_function_can_be_given_by_keyword() -> None:
    given = 'equal(name="slip", args=[[1, 2]], expected=3, says="Of two.")'
    text = SLIP.replace('equal("slip", [[1, 2]], 3, "Of two.")', given)
    assert parse("slip", text).made["one"].calls == "slip"


TABLE = """
title = "T"
packages = []
[[task]]
id = "one_task"
title = "One"
names = ["one"]
hints = ["a", "b", "c"]
checks = [
    { id = "first", points = 1, hint = 1 },
    { id = "second", points = 1, hint = 1, needs = ["first"] },
]
"""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('title = "T"', "title = T", "not TOML (Invalid value (at line 2, column 9))"),
        ('id = "second"', 'id = "first"', "there are two checks one_task.first"),
        ('id = "one_task"', 'id = "pad"', "there are two tasks pad"),
        (
            'needs = ["first"]',
            'needs = ["frst"]',
            "one_task.second needs frst, which is no",
        ),
        ('["a", "b", "c"]', '["a", "b"]', "one_task has not 3 hints"),
        (
            "points = 1, hint = 1 }",
            'points = "1", hint = 1 }',
            "points of one_task.first are '1'",
        ),
        (
            "points = 1, hint = 1 }",
            "points = 1, hint = 4 }",
            "hint of one_task.first is 4, not",
        ),
        ("points = 1, hint = 1 }", "hint = 1 }", "the check one_task.first has no points"),
        ('title = "One"', "", "one_task has no title"),
        ("packages = []", "", "there is no packages"),
    ],
)
def test_a_slip_in_a_table_is_told_in_one_line_with_its_place(
    before: str, after: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in tables.ASSIGNMENTS.glob("words*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    own = tmp_path / "x.toml"
    own.write_text(TABLE)
    monkeypatch.setattr(tables, "ASSIGNMENTS", tmp_path)
    assert {*tables.tables.__wrapped__()} == {"words-to-tensors", "x"}
    assert before in TABLE
    own.write_text(TABLE.replace(before, after, 1))
    with pytest.raises(UsageError) as caught:
        tables.tables.__wrapped__()
    told = str(caught.value)
    assert told.startswith("grader/contract/assignments/x.toml: ")
    assert words in told
    assert "\n" not in told
