"""For maintainers of the kit; not in what students get."""
