"""The class report: one HTML page, and files for other systems."""
