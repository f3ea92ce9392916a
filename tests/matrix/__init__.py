"""Mutants and accepted variants, graded: the kill matrix, mutants x checks."""
