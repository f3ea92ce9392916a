"""Stands in for torch.utils.tensorboard, whose package the kit does not need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SummaryWriter:
    """Takes what is to be logged, and keeps nothing of it."""

    def __init__(self, log_dir: str | None = None, *_arguments: Any, **_options: Any) -> None:
        """Log nothing."""
        self.log_dir = log_dir or "runs"

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a method of any `add_...`, of `flush` and of `close`."""
        if name in ("flush", "close") or name.startswith("add_"):
            return lambda *_arguments, **_options: None
        raise AttributeError(f"SummaryWriter has no attribute {name!r}")

    def __enter__(self) -> SummaryWriter:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""
