"""Faces of a record: each is made from it and from nothing else."""
