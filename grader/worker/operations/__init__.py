"""What a worker can be told to do with a submission, a module a task."""
