"""Decides whether student code may run: in a sandbox, or because the instructor allows it."""

from __future__ import annotations

from typing import Any

from traitlets import Bool
from traitlets.config import Configurable

from grader.contract.enums import Tier
from grader.grading import requirements
from grader.grading.keys import course_secret
from grader.sandbox import bubblewrap, fork_server, tiers

REFUSAL = """\
Nothing was graded, and no mark was changed: there is no sandbox here for student code.
    for the marks (Landlock and seccomp): {marks}
    for the feedback pages (bubblewrap): {pages}
`python -m grader doctor` tells more. Or grade in a virtual machine that holds no secrets, and say \
in nbgrader_config.py:
    c.SandboxPolicy.run_student_code_without_a_sandbox = True"""


class SandboxPolicy(Configurable):
    """A step of `nbgrader autograde` that runs student code or prepares that."""

    run_student_code_without_a_sandbox = Bool(
        False, help="Where there is no sandbox, run student code with the rights of whoever grades."
    ).tag(config=True)

    def refusal(self) -> str:
        """Return why nothing can be graded on this machine; empty if it can."""
        for problem in requirements.problems("nbgrader autograde"):
            return f"Nothing was graded, and no mark was changed: {problem}"
        reason = why_no_marks()
        if not reason or self.run_student_code_without_a_sandbox:
            return ""
        return REFUSAL.format(marks=reason, pages=why_no_pages() or "there is one")

    def grading_options(self) -> dict[str, Any]:
        """Return the options for `grading.session`, such that its worker is confined."""
        options = {"device": "cpu", "secret": course_secret()}
        if self.run_student_code_without_a_sandbox:
            return options
        return options | {"confine": Tier.SANDBOX}


def why_no_marks() -> str:
    """Return why workers cannot be sandboxed; empty if they can."""
    try:
        tiers.sandboxed("cpu")
    except fork_server.Unavailable as error:
        return tiers.advise(str(error))
    return ""


def why_no_pages() -> str:
    """Return why kernels for feedback pages cannot be sandboxed; empty if they can."""
    reason = bubblewrap.why_not()
    return tiers.advise(reason) if reason else ""
