"""Errors, files, devices, paths and the console: what everything else uses."""
