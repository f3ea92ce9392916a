"""The tables in docs/threat-model.md: what each tier stops, as measured."""

from __future__ import annotations

from grader.base.paths import ROOT
from grader.contract.tasks import tasks
from tests.hostile.bank import Attack, bank
from tests.hostile.run import Outcome
from tests.hostile.set_ups import SetUp

Graded = dict[SetUp, dict[str, Outcome]]

PAGE = ROOT / "docs" / "threat-model.md"
BEGIN, END = "<!-- written by python -m tests.hostile --write -->\n", "<!-- end -->\n"
HELD, NOT_RUN, NOT_AS_PROMISED = "held", "not run", "not as promised"
COLUMNS = {  # title: tier, bubblewrap
    "limits": ("limits", False),
    "sandbox without bubblewrap": ("sandbox", False),
    "sandbox": ("sandbox", True),
}
KINDS = {
    "on_import": "While a module is imported",
    "on_call": "While the grader calls it",
    "unearned": "For points without the work",
    "tables": "Answers that were prepared",
    "machine": "Against the machine, other people's work and the network",
    "accidents": "Accidents and habits",
}


def earns(entry: Attack) -> str:
    """Format the points that an entry earns, with the possible points."""
    return ", ".join(f"{task} {n:g}/{tasks()[task].points:g}" for task, n in entry.marks.items())


def cell(outcome: Outcome | None) -> str:
    """Describe the outcome of an entry: the harm it did, or that the sandbox held."""
    if outcome is None:
        return NOT_RUN
    entry, found = bank()[outcome.name], list(outcome.harm)
    found += ["forged a mark"] if outcome.forged(entry) else []
    if not found and outcome.tier != "limits" and outcome.problems(entry):
        return NOT_AS_PROMISED
    return ", ".join(found) or HELD


def rows() -> dict[str, dict[str, str]]:
    """Parse the page's tables into entry name -> column title -> cell."""
    tables = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    found = {}
    for line in tables.partition("### ")[2].splitlines():
        name, *cells = (part.strip() for part in line.strip("| ").split(" | "))
        if line.startswith("| ") and name not in ("submission", ":--"):
            found[name] = dict(zip(["earns", "none", *COLUMNS], cells, strict=True))
    return found


def column(outcome: Outcome) -> str:
    """Return the title of the column for an outcome."""
    place = outcome.tier, "bubblewrap" in outcome.layers
    return next(title for title, each in COLUMNS.items() if each == place)


def written(graded: Graded) -> str:
    """Return the page with its tables replaced by those of a run."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} has no place for the tables"
    return f"{before}{BEGIN}\n{tables(graded)}\n{END}{after}"


def tables(graded: Graded) -> str:
    """Return the summary, followed by one table per kind of entry."""
    parts = [summary(graded)]
    for kind, title in KINDS.items():
        entries = [entry for entry in bank().values() if entry.kind == kind]
        parts.append(f"\n### {title}\n")
        parts.append(_line(["submission", "earns", "none", *COLUMNS]))
        parts.append(_line([":--"] * (3 + len(COLUMNS))))
        parts += [_line(_row(entry, graded)) for entry in entries]
    return "\n".join(parts) + "\n"


def _row(entry: Attack, graded: Graded) -> list[str]:
    cells = []
    for column in COLUMNS.values():
        runs = {s: done for s, done in graded.items() if (s.tier, s.bubblewrap) == column}
        found = {set_up.user: cell(done.get(entry.name)) for set_up, done in runs.items()}
        same = len({*found.values()}) == 1
        cells.append(
            "; ".join({*found.values()} if same else (f"{u}: {c}" for u, c in found.items()))
        )
    return [entry.name, earns(entry), NOT_RUN, *cells]


def summary(graded: Graded) -> str:
    """Count, per set-up, the entries that were held, that did harm, and that forged a mark."""
    lines = [
        _line(["set-up", "submissions", "held", "did harm", "forged a mark"]),
        _line([":--", *["--:"] * 4]),
    ]
    for set_up, outcomes in graded.items():
        entries = bank()
        harmful = [outcome for outcome in outcomes.values() if outcome.harm]
        forged = [outcome for name, outcome in outcomes.items() if outcome.forged(entries[name])]
        held = [outcome for outcome in outcomes.values() if cell(outcome) == HELD]
        counts = [len(outcomes), len(held), len(harmful), len(forged)]
        lines.append(_line([set_up.name, *map(str, counts)]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
