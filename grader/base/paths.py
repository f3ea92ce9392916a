"""Paths of the kit; no other module computes its root."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
GRADER = ROOT / "grader"
CHECKS = GRADER / "checks"
SOLUTION = ROOT / "solution"
EXERCISE = ROOT / "exercise"
NEWS = ROOT / "news"
COURSE = ROOT / "assignments"  # the nbgrader course
