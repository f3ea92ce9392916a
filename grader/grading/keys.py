"""Derives what is random in a grading from the course's secret and the submission.

Whoever does not know the secret cannot know the inputs of the checks beforehand, nor which news
are held out. Both differ between submissions, and are the same whenever one is graded again.
"""

from __future__ import annotations

import hmac
import os

from grader.contract import course

PUBLISHED = "published"  # replaces the secret if there is none
SEEDS = 1 << 32  # numpy.random.seed takes no more bits


def variable() -> str:
    """Return the name of the environment variable that holds the course's secret."""
    return course.current().secret_variable


def course_secret() -> str:
    """Return the course's secret from the environment; empty if it is not set."""
    return os.environ.get(variable(), "")


def without() -> str:
    """Return what whoever grades a class without a secret is told."""
    return (
        f"marks can be prepared in advance: set {variable()} to a long random text, and grade "
        "again (docs/instructor.md, The course's secret)"
    )


def kind(secret: str) -> str:
    """Return what records say about a secret: whether it is the course's or the published one."""
    return "course" if secret else PUBLISHED


def derive(secret: str, *parts: object) -> int:
    """Return the HMAC-SHA256 of `parts` by a secret, or by the published one if it is empty."""
    text = " ".join(map(str, parts))
    return int.from_bytes(
        hmac.digest((secret or PUBLISHED).encode(), text.encode(), "sha256"), "big"
    )


def input_seed(secret: str, digest: str, seed: int) -> int:
    """Return the seed of all generated inputs of one submission.

    Args:
        secret: the course's secret; empty for the published one.
        digest: the digest of the submission.
        seed: the seed that the user chose.
    """
    return derive(secret, digest, seed, "inputs") % SEEDS
