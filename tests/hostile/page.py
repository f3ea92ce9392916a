"""The tables in docs/threat-model.md: what each tier stops, as measured."""

from __future__ import annotations

from grader.base.paths import ROOT
from grader.contract.tasks import tasks
from tests.hostile.bank import Attack, bank
from tests.hostile.run import Outcome
from tests.hostile.set_ups import SET_UPS, SetUp

Graded = dict[SetUp, dict[str, Outcome]]
Cells = dict[SetUp, dict[str, str]]  # by entry name

PAGE = ROOT / "docs" / "threat-model.md"
BEGIN, END = "<!-- written by python -m tests.hostile --write -->\n", "<!-- end -->\n"
HELD, NOT_RUN, NOT_AS_PROMISED = "held", "not run", "not as promised"
FORGED = "forged a mark"
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
    found += [FORGED] if outcome.forged(entry) else []
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
    """Return the page with the results of a run in its tables; others stay as they are."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE} has no place for the tables"
    return f"{before}{BEGIN}\n{tables(_merged(cells(graded)))}\n{END}{after}"


def cells(graded: Graded) -> Cells:
    """Describe all outcomes of a run."""
    return {
        set_up: {name: cell(outcome) for name, outcome in outcomes.items()}
        for set_up, outcomes in graded.items()
    }


def _merged(new: Cells) -> Cells:
    """Add what the page says of entries and set-ups that a run left out."""
    old = rows()
    return {
        set_up: {
            name: new.get(set_up, {}).get(name) or _known(old.get(name, {}), set_up)
            for name in bank()
        }
        for set_up in SET_UPS
    }


def _known(row: dict[str, str], set_up: SetUp) -> str:
    """Return what a row says of a set-up."""
    title = next(t for t, each in COLUMNS.items() if each == (set_up.tier, set_up.bubblewrap))
    found = row.get(title, NOT_RUN)
    by_user = dict(part.split(": ") for part in found.split("; ") if ": " in part)
    return by_user.get(set_up.user, NOT_RUN) if by_user else found


def tables(results: Cells) -> str:
    """Return the summary, followed by one table per kind of entry."""
    parts = [summary(results)]
    for kind, title in KINDS.items():
        entries = [entry for entry in bank().values() if entry.kind == kind]
        parts.append(f"\n### {title}\n")
        parts.append(_line(["submission", "earns", "none", *COLUMNS]))
        parts.append(_line([":--"] * (3 + len(COLUMNS))))
        parts += [_line(_row(entry, results)) for entry in entries]
    return "\n".join(parts) + "\n"


def _row(entry: Attack, results: Cells) -> list[str]:
    shown = []
    for column in COLUMNS.values():
        found = {
            set_up.user: each[entry.name]
            for set_up, each in results.items()
            if (set_up.tier, set_up.bubblewrap) == column
        }
        same = len({*found.values()}) == 1
        shown.append(
            "; ".join({*found.values()} if same else (f"{u}: {c}" for u, c in found.items()))
        )
    return [entry.name, earns(entry), NOT_RUN, *shown]


def summary(results: Cells) -> str:
    """Count, per set-up, the entries that were held, that did harm, and that forged a mark."""
    lines = [
        _line(["set-up", "submissions", "held", "did harm", "forged a mark"]),
        _line([":--", *["--:"] * 4]),
    ]
    for set_up, by_name in results.items():
        found = [{*each.split(", ")} for each in by_name.values() if each != NOT_RUN]
        harmful = [each for each in found if each - {HELD, NOT_AS_PROMISED, FORGED}]
        counts = [
            len(found),
            found.count({HELD}),
            len(harmful),
            sum(FORGED in each for each in found),
        ]
        lines.append(_line([set_up.name, *map(str, counts)]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
