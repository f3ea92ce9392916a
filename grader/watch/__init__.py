"""`python -m grader watch`: grades on every save and shows the task at hand."""
