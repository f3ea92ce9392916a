"""Both banks of submissions, graded over all tasks: the matrix mistake x check."""
