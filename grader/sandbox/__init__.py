"""Isolation of student code: tiers, how workers are launched, and their client."""
