"""Errors, files, devices, paths and the console, used by all other packages."""
