"""Tools for maintainers of the kit; the students' archive does not contain them."""
