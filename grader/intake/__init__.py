"""Reads submissions in any form and turns them into modules."""
