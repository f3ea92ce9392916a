"""A student as the roster of a course names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Student:
    """A row of a roster; what it does not tell is empty.

    Attributes:
        id: the course's own id, such as a matriculation number.
        name: as the roster writes it.
        email: the e-mail address.
        section: the sections or groups, joined by commas.
        login: what they log in with: Canvas's SIS Login ID, Moodle's user name.
        canvas_id: Canvas's own number for them.
        participant: Moodle's number for them in one assignment.
    """

    id: str = ""
    name: str = ""
    email: str = ""
    section: str = ""
    login: str = ""
    canvas_id: str = ""
    participant: str = ""

    @property
    def shown_id(self) -> str:
        """The id that reports show: the course's own, or whatever else there is."""
        known = (self.id, self.login, self.canvas_id, self.participant, self.email, self.name)
        return next(filter(None, known), "")

    @property
    def shown_name(self) -> str:
        """The name, or the id if there is none."""
        return self.name or self.shown_id
