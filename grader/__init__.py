"""Judges a submission: student code runs in `grader.worker`, verdicts are made outside it."""
