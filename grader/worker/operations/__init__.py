"""The operations that a worker can run on a submission, one module per student module."""
