"""What is promised and what is reported, as plain data: tasks, mistakes, messages, records."""
