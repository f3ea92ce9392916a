"""Grades submissions: student code runs in `grader.worker`, checks judge it from outside."""
