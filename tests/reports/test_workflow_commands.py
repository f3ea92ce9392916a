"""No text of a submission is a command to the runner of GitHub Actions, wherever it is printed.

`command` reads lines as the runner does: `ActionCommand.cs` in https://github.com/actions/runner.
"""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.base.console import plain_console
from grader.classroom import progress
from grader.contract.messages import clean
from grader.contract.record import Record
from grader.contract.results import Result
from grader.reports import board, feedback, junit, markdown
from tests.classes import graded

NAMES = {
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group"),
    *("internal-set-repo-path", "notice", "remove-matcher", "save-state", "set-env"),
    *("set-output", "stop-commands", "warning"),
}
COMMANDS = [
    *(f"::{name}::value" for name in sorted(NAMES)),
    *(f"##[{name}]value" for name in sorted(NAMES)),
    "::error file=app.py,line=1,title=x::value",
    " \t\u00a0\u2003::error::after blanks",
    "before ##[add-mask]value",
    "::ERROR::value",
    "##[Warning]value",
    "###[error]value",
    "::notice ::value",
    "##vso[task.setvariable variable=x]value",
    "##teamcity[buildStop]",
]
READABLE = [
    "x[::2], x[::-1], x[:, ::2]",
    "torch::jit::load, at::native::error_code, std::group",
    "## heading, # comment",
    "https://example.org: 12:30::45",
]


def command(line: str) -> bool:
    """Return whether a runner takes a line for a command."""
    if line.lstrip().startswith("::") and "::" in line.lstrip()[2:]:
        name = line.lstrip()[2:].partition("::")[0].partition(" ")[0]
        if name.lower() in NAMES:
            return True
    if "##vso[" in line or "##teamcity[" in line:
        return True
    inside, found, _ = line.partition("##[")[2].partition("]")
    return bool(found) and inside.partition(" ")[0].lower() in NAMES


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_is_still_readable_and_no_command_any_more(text: str) -> None:
    cleaned = clean(text)
    assert command(text)
    assert not command(cleaned)
    assert cleaned.replace(" ", "") == clean(text.replace(" ", "")).replace(" ", "")
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize("text", READABLE)
def test_other_colons_stay_as_they_are(text: str) -> None:
    assert clean(text) == text


def lying(text: str) -> Record:
    """A record with a text in each place that a submission decides."""
    record = graded()["wrong"]
    failed = next(check for check in record.checks if check.status.is_broken)
    checks = [replace(failed, message=f"Called it.\n{text}\n  {text}")]
    submission = record.submission | {"name": text, "left_out": [text], "notes": [text]}
    return replace(record, checks=checks, submission=submission)


@pytest.mark.parametrize("text", COMMANDS)
def test_no_line_of_a_report_is_a_command(text: str) -> None:
    record = lying(text)
    result = Result(text, name=text, path=text, record=record)
    pages = [board.text(record), markdown.text(record, text), feedback.text(record, text)]
    for page in [*pages, junit.text([result]), progress.line(result)]:
        assert not [line for line in page.splitlines() if command(line)]


@pytest.mark.parametrize("text", ["::error::value", "::error x=1::value", "##[error]value"])
@pytest.mark.parametrize("before", ["b", "b b"])
def test_no_line_is_a_command_wherever_it_is_broken(text: str, before: str) -> None:
    for width in range(40, 80):
        stream = io.StringIO()
        console = plain_console(file=stream, width=width, color_system=None)
        board.show(lying(before.ljust(60, "b") + text), console=console)
        assert not [line for line in stream.getvalue().splitlines() if command(line)]


def test_the_name_of_a_file_is_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x\n::error::y.txt"
    assert main(["grade", str(path)]) == 2
    told = capsys.readouterr().err
    assert ": :error::y" in told
    assert not [line for line in told.splitlines() if command(line)]
