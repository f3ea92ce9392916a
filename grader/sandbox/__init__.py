"""Isolates student code: tiers, launching workers, and the client of a worker."""
