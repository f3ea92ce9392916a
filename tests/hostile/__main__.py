"""Grades the hostile submissions: `python -m tests.hostile`.

It uses all set-ups, or those that are given, prints one line per problem, and exits with 1 if there
is one. In the tier limits, which is not security, only forged marks are a problem.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from grader.base.files import written_whole
from grader.sandbox import fork_server
from tests.hostile import page
from tests.hostile.bank import Attack, bank
from tests.hostile.run import Outcome, run
from tests.hostile.set_ups import SET_UPS, UNAVAILABLE, SetUp


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    top.add_argument("names", nargs="*", help="entries [all]")
    top.add_argument("--set-up", action="append", choices=[each.name for each in SET_UPS])
    top.add_argument(
        "--write", action="store_true", help=f"write the results into {page.PAGE.name}"
    )
    top.add_argument("--here", choices=["limits", "sandbox"], help="in this process, as JSON")
    top.add_argument("--without-bubblewrap", action="store_true", help="goes with --here")
    return top


def broken(entry: Attack, set_up: SetUp, outcome: Outcome) -> list[str]:
    """Return the problems in a set-up, one line each."""
    if set_up.tier == "limits":
        return [f"it has forged marks: {outcome.marks}"] if outcome.forged(entry) else []
    return outcome.problems(entry)


def unavailable(bubblewrap: bool) -> str:
    """Return why there is no sandbox, or none with bubblewrap; empty if there is one."""
    try:
        missing = fork_server.running().missing
    except fork_server.Unavailable as error:
        return str(error)
    return missing if bubblewrap else ""


def main() -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args()
    entries = bank()
    if unknown := set(options.names) - entries.keys():
        parser().error(f"no such entry: {', '.join(sorted(unknown))}")
    names = options.names or list(entries)
    if options.here:
        if options.without_bubblewrap:
            os.environ["PATH"] = os.devnull
        if options.here == "sandbox" and (missing := unavailable(not options.without_bubblewrap)):
            print(missing, file=sys.stderr)
            return UNAVAILABLE
        for outcome in run([entries[name] for name in names], options.here):
            print(json.dumps(dataclasses.asdict(outcome)), flush=True)
        return 0
    set_ups = [each for each in SET_UPS if not options.set_up or each.name in options.set_up]
    with ThreadPoolExecutor(2) as pool:
        graded = dict(zip(set_ups, pool.map(lambda each: each.run(names), set_ups), strict=True))
    problems = [
        f"{set_up.name}: {name}: {problem}"
        for set_up, outcomes in graded.items()
        for name, outcome in outcomes.items()
        for problem in broken(entries[name], set_up, outcome)
    ]
    if options.write:
        with written_whole(page.PAGE) as stream:
            stream.write(page.written(graded).encode())
    print(*problems, page.summary(page.cells(graded)), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
