"""What was graded already: one line of ASCII JSON per submission, written at once.

The last line of each student counts. A line that was cut short by a crash is skipped.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from grader.base.errors import UsageError
from grader.contract.results import Result


@dataclass(frozen=True)
class Entry:
    """A result, and what it was made from.

    Attributes:
        result: it.
        submission: the digest of the submission.
        setting: the digest of the setting.
        tokens: by module, see `similarity.tokens`.
    """

    result: Result
    submission: str
    setting: str
    tokens: dict[str, str] = field(default_factory=dict)


class Journal:
    """The results so far, stored in a file in the report folder.

    Attributes:
        entries: the last entry of each student.
    """

    def __init__(self, path: Path) -> None:
        """Read the journal at `path` if it exists.

        Raises:
            UsageError: the file cannot be read or written.
        """
        self.path = path
        self.entries: dict[str, Entry] = {}
        try:
            self.stream = path.open("ab", buffering=0)  # what cannot be written does not wait
            line = b"\n"
            with path.open("rb") as before:
                for line in before:
                    self._take(line)
            if not line.endswith(b"\n"):
                self.stream.write(b"\n")
        except OSError as error:
            raise self._unusable(error) from None

    def _take(self, line: bytes) -> None:
        try:
            data = json.loads(line)
            result, tokens = Result.from_dict(data["result"]), data.get("tokens", {})
            entry = Entry(result, data["submission"], data["setting"], tokens)
        except (ValueError, KeyError, TypeError):
            return
        self.entries[entry.result.student] = entry

    def add(self, entry: Entry) -> None:
        """Append an entry.

        Raises:
            UsageError: the file cannot be written.
        """
        self.entries[entry.result.student] = entry
        data = {
            "submission": entry.submission,
            "setting": entry.setting,
            "tokens": entry.tokens,
            "result": entry.result.as_dict(),
        }
        line = json.dumps(data).encode("ascii") + b"\n"
        try:
            while line:
                line = line[self.stream.write(line) :]
            os.fsync(self.stream.fileno())
        except OSError as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """Close the journal's file."""
        self.stream.close()

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"{self.path}: cannot be written ({error.strerror}). Name a writable folder with free "
            "space and run the same command again: it continues where it stopped."
        )
