"""Grades submissions: student code runs in `grader.worker`, checks judge it from outside."""

import news  # noqa: F401 - from here on `import torchtext` works
