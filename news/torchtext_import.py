"""Lets `import torchtext` work on any torch, and without torchtext, from `import news` on.

torchtext 0.18 is the last release. Its data sets are Python, but `import torchtext` loads a C++
library that fits torch 2.3 alone (pytorch/text #2272). Where the library cannot be loaded, empty
modules stand in for it; where it can, nothing is touched. Where there is no torchtext (Python
3.13), and while a submission is graded, `torchtext_stand_in` has the names of the lesson.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

PACKAGE = "torchtext"
EXTENSION = ("torchtext._extension", "torchtext._torchtext")  # the C++ side of torchtext
# What the stand-in for torchtext offers, by module; each name is one of `torchtext_stand_in`.
STAND_IN: dict[str, tuple[str, ...]] = {
    "torchtext": ("__version__", "disable_torchtext_deprecation_warning"),
    "torchtext.datasets": ("AG_NEWS",),
    "torchtext.datasets.ag_news": ("AG_NEWS",),
    "torchtext.data": ("get_tokenizer", "to_map_style_dataset"),
    "torchtext.data.functional": ("to_map_style_dataset",),
    "torchtext.data.utils": ("get_tokenizer",),
}


class TorchtextFinder(MetaPathFinder, Loader):
    """Finds torchtext's C++ library, or a stand-in for it or for all of torchtext.

    Attributes:
        stand_in: whether a stand-in takes the place of torchtext where that is installed, too.
        broken: whether the library could not be loaded.
    """

    def __init__(self) -> None:
        """Find torchtext itself, as long as it is installed."""
        self.stand_in = False
        self.broken = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find a module of torchtext, if it is one that needs a stand-in, or may need it."""
        if fullname.partition(".")[0] != PACKAGE:
            return None
        if self.stand_in or PathFinder.find_spec(PACKAGE) is None:
            if fullname not in STAND_IN:
                return None
            is_package = any(name.startswith(f"{fullname}.") for name in STAND_IN)
            return importlib.util.spec_from_loader(fullname, self, is_package=is_package)
        if fullname == EXTENSION[0] or (fullname == EXTENSION[1] and self.broken):
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Load the library, or fill in a stand-in."""
        name = module.__name__
        if name in STAND_IN:
            from news import torchtext_stand_in

            for attribute in STAND_IN[name]:
                setattr(module, attribute, getattr(torchtext_stand_in, attribute))
        elif name == EXTENSION[0]:
            self._load(module)
        else:
            module.__getattr__ = _not_loaded  # type: ignore[method-assign]

    def _load(self, module: ModuleType) -> None:
        """Load the library; if that fails, leave the module empty."""
        package = sys.modules[PACKAGE]
        spec = PathFinder.find_spec(module.__name__, package.__path__)
        assert spec is not None
        assert spec.loader is not None
        real = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(real)
            sys.modules[module.__name__] = real
        except (ImportError, OSError):
            self.broken = True
            package.__dict__["_WARN"] = False  # it would say that it is the last release
            importlib.import_module(EXTENSION[1])


def _not_loaded(name: str) -> type:
    """Stand in for a class of the library, so that modules which name it can be imported."""
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: object, **__: object) -> None:
        raise ImportError(
            f"torchtext's {name} needs its C++ library, which fits torch 2.3 only; its data sets "
            "and tokenizers work"
        )

    return type(name, (), {"__init__": refuse})


def install(*, stand_in: bool = False) -> TorchtextFinder:
    """Find torchtext by a `TorchtextFinder` from now on, one in a process; return it."""
    found = next((each for each in sys.meta_path if isinstance(each, TorchtextFinder)), None)
    if found is None:
        found = TorchtextFinder()
        sys.meta_path.insert(0, found)
    found.stand_in = found.stand_in or stand_in
    return found
