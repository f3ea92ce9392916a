"""JUnit XML for Jenkins, GitLab and GitHub: one suite per submission, one case per check.

A check without points is a failure, so that nothing is green because it is missing. Only checks
that are held back, or blocked by a failed one, are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.results import Result
from grader.reports import board
from grader.reports.labels import cleaned, one_line

KINDS = {  # all others are failures
    Status.BLOCKED: "skipped",
    Status.HELD_BACK: "skipped",
    Status.ERROR: "error",
    Status.NOT_RUN: "error",
}
COUNTS = {"errors": "error", "failures": "failure", "skipped": "skipped"}


def text(results: Sequence[Result]) -> str:
    """Return results as XML text."""
    root = ElementTree.Element("testsuites")
    for result in results:
        _suite(root, result)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _suite(root: ElementTree.Element, result: Result) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=one_line(result.shown_id))
    if result.missing:
        _outcome(_case(suite, "grader", "grade", 0.0), "skipped", "", "Nothing was handed in.")
    elif result.record is None:
        case = _case(suite, "grader", "grade", result.seconds)
        _outcome(case, "error", "fault", one_line(result.fault))
    else:
        record = cleaned(result.record)
        _properties(suite, record)
        for check in record.checks:
            _check(suite, check)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for count, kind in COUNTS.items():
        suite.set(count, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _properties(suite: ElementTree.Element, record: Record) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("score", "max_score"):
        value = f"{getattr(record, name):g}"
        ElementTree.SubElement(properties, "property", name=name, value=value)


def _check(suite: ElementTree.Element, check: CheckResult) -> None:
    case = _case(suite, check.task, check.id.partition(".")[2], check.seconds)
    if check.status is not Status.PASSED:
        kind = KINDS.get(check.status, "failure")
        _outcome(case, kind, check.mistake or check.status, board.told(check))


def _case(suite: ElementTree.Element, task: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=task, name=name, time=f"{seconds:.3f}"
    )


def _outcome(case: ElementTree.Element, kind: str, type_: str, message: str) -> None:
    """Add the outcome to a case: the first line as an attribute, the whole message as text."""
    outcome = ElementTree.SubElement(case, kind, message=message.split("\n")[0])
    if kind != "skipped":
        outcome.set("type", type_)
        outcome.text = message
