"""The contract as plain data: tasks, mistakes, messages and records."""
