"""What a submission may import, and stand-ins for what works in a notebook only.

A submission may import Python's standard library, its own modules and the packages that its
assignment lists, whatever else is installed: so a mark does not depend on the grader's machine.
This is no security; the sandbox is.
"""

from __future__ import annotations

import builtins
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

STAND_INS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stand_ins")


def guarded_builtins(packages: Collection[str], own: Collection[str]) -> dict[str, Any]:
    """Return Python's builtins with an `__import__` that refuses what may not be imported.

    Modules that have it as their `__builtins__` are bound by it; what they import is not.

    Args:
        packages: what may be imported besides the standard library.
        own: the names of the submission's modules.
    """
    allowed = allowed_modules(packages, own)

    def guarded(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        package = name.partition(".")[0]
        # C code that is called from a submission imports for itself; it gives a list.
        if level == 0 and package not in allowed and type(fromlist) is not list:
            raise refusal(package, packages)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    return {**vars(builtins), "__import__": guarded}


def allowed_modules(packages: Collection[str], own: Collection[str]) -> frozenset[str]:
    """Return the names of what may be imported."""
    return sys.stdlib_module_names | {*packages, *own}


def refusal(package: str, packages: Collection[str]) -> ModuleNotFoundError:
    """Return the error that says what may be imported instead."""
    listed = ", ".join(sorted(packages, key=str.lower))
    return ModuleNotFoundError(
        f"No module named {package!r}: while your code is graded, it can import {listed}, and "
        "Python's standard library",
        name=package,
    )


class PackageGuard(MetaPathFinder):
    """Refuses what a submission imports by `importlib`, which does not ask its `__import__`."""

    def __init__(self, packages: Collection[str], own: Collection[str]) -> None:
        """Bind the submission; see `guarded_builtins`."""
        self.packages, self.allowed = packages, allowed_modules(packages, own)
        for place, name in ASKS_NO_FINDER:
            function = getattr(place, name)
            if not hasattr(function, "__wrapped__"):
                setattr(place, name, _asking_guards(function))

    def find_spec(self, fullname: str, *_: Any) -> None:
        """Find nothing; refuse what may not be imported, if a module of the submission asks."""
        package = fullname.partition(".")[0]
        if package not in self.allowed and _importer() == "exercise":
            raise refusal(package, self.packages)


# What finds a module that is loaded already by itself.
ASKS_NO_FINDER = ((importlib, "import_module"), (importlib, "__import__"))


def _asking_guards(function: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    """Return an import function that asks the guards first, also for modules that are loaded."""

    @functools.wraps(function)
    def asking(name: str, *arguments: Any, **options: Any) -> ModuleType:
        for finder in sys.meta_path:
            if isinstance(finder, PackageGuard) and isinstance(name, str) and name[:1] != ".":
                finder.find_spec(name)
        return function(name, *arguments, **options)

    return asking


def _importer() -> str:
    """Return the package of the code that the import system works for."""
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        package = name.partition(".")[0]
        if name != __name__ and package not in IMPORT_SYSTEM:
            return package
        frame = frame.f_back  # type: ignore[assignment]
    return ""


IMPORT_SYSTEM = ("importlib", "_frozen_importlib", "_frozen_importlib_external")


class StandInFinder(MetaPathFinder):
    """Finds what shows something in a notebook, or writes it for a viewer: here it shows nothing.

    The modules are `stand_ins/<name with _ for .>.py`.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find a module that there is a stand-in for."""
        if fullname == "torchtext":
            return _torchtext()
        name = FILES.get(fullname)
        if name is None:
            return None
        folder: list[str] | None = [] if fullname == "IPython" else None
        return importlib.util.spec_from_file_location(
            fullname, os.path.join(STAND_INS, name), submodule_search_locations=folder
        )


def _torchtext() -> ModuleSpec | None:
    """Find the stand-in for torchtext, which gives the same names on every machine."""
    from news import torchtext_import

    return torchtext_import.install(stand_in=True).find_spec("torchtext")


FILES = {
    "IPython": "ipython.py",
    "IPython.display": "ipython_display.py",
    "torch.utils.tensorboard": "tensorboard.py",
    "tqdm.notebook": "tqdm_notebook.py",
}
