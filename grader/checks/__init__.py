"""The checks: one module per task, one function per requirement, from coarse to fine."""
