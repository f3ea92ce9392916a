"""The devices that models can run on."""

from __future__ import annotations

from grader.base.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve(name: str) -> str:
    """Return the torch device for a name in `DEVICES`; auto prefers CUDA to the CPU.

    Raises:
        UsageError: this machine does not have the device.
    """
    if name == "cpu":
        return name
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        raise UsageError(f"--device {name}: torch {torch.__version__} has none. Use --device cpu.")
    return name
