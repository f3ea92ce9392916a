"""Which device models run on."""

from __future__ import annotations

from grader.base.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve(name: str) -> str:
    """Return the device for a name of `DEVICES`; auto is CUDA where there is one, else the CPU.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "cpu":
        return name
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        raise UsageError(f"--device {name}: torch {torch.__version__} sees none. Use --device cpu.")
    return name
