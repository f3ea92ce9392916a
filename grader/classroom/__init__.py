"""Many submissions: taken in, graded side by side, kept in a journal."""
