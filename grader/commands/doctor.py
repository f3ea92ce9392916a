"""`python -m grader doctor`: checks that everything needed is installed, one line per item.

The last lines say which commands can run on this machine.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from grader import commands
from grader.base.errors import UsageError
from grader.contract.tasks import MAIN, assignments
from grader.grading import requirements
from grader.grading.pipeline import FEATURES, MODEL, load_pipeline
from grader.grading.requirements import INSTALL, INSTALL_MODEL
from grader.sandbox import fork_server, tiers

ENOUGH = "nothing, if the layers above are enough; otherwise "


@dataclass(frozen=True)
class Line:
    """One finding: `remedy` is empty if all is well; `needed` says whether grading requires it."""

    what: str
    found: str
    remedy: str = ""
    needed: bool = True


def examine(verbose: bool) -> Iterator[Line]:
    """Examine Python, the packages, the model, the data, the exercise and the sandbox.

    Unless `verbose`, a student's copy says nothing about the sandbox, which protects an instructor.
    """
    for look in (_python, _torch, _spacy, _model, _torchtext, _data, _exercise):
        yield _safely(look)
    if verbose or commands.is_whole():
        yield _safely(_sandbox)
    yield from _commands()


def _safely(look: Callable[[], Line]) -> Line:
    try:
        return look()
    except Exception as error:  # importing a broken package may raise anything
        reason = str(error).strip().split("\n")[0]
        name = look.__name__.removeprefix("_")
        remedy = f"{INSTALL} --force-reinstall -e ."
        return Line(name, f"{type(error).__name__}: {reason}", remedy)


def _python() -> Line:
    found = f"{platform.python_version()} at {sys.executable}"
    known = ((3, 10), (3, 13))
    if not known[0] <= sys.version_info[:2] <= known[1]:
        return Line("Python", found, "use Python 3.10 to 3.13", needed=False)
    return Line("Python", found)


def _torch() -> Line:
    try:
        import torch
    except ModuleNotFoundError:
        return Line("torch", "not installed", f"{INSTALL} torch")
    devices = ["cpu"]
    devices += ["cuda"] if torch.cuda.is_available() else []
    devices += ["mps"] if torch.backends.mps.is_available() else []
    return Line("torch", f"{torch.__version__}, devices: {', '.join(devices)}")


def _spacy() -> Line:
    try:
        import spacy
    except ModuleNotFoundError:
        return Line("spaCy", "not installed", f"{INSTALL} spacy")
    return Line("spaCy", spacy.__version__)


def _model() -> Line:
    try:
        nlp = load_pipeline()
    except UsageError:
        return Line("model", f"spaCy cannot load {MODEL}", INSTALL_MODEL)
    width = nlp("news").tensor.shape[1]
    found = f"{MODEL} {nlp.meta['version']}, {width} features per token"
    if width != FEATURES:
        return Line("model", found, INSTALL_MODEL)
    return Line("model", found)


def _torchtext() -> Line:
    if sys.version_info >= (3, 13):
        return Line("torchtext", "has no release for this Python; news.AG_NEWS works without it")
    from news import ag_news

    if ag_news.torchtext_ag_news() is None:
        remedy = f"{INSTALL} torchtext torchdata portalocker"
        found = "cannot be imported; news.AG_NEWS works without it"
        return Line("torchtext", found, remedy, needed=False)
    return Line("torchtext", version("torchtext"))


def _data() -> Line:
    import news
    from news import ag_news

    count = sum(len(news.sample(split)) for split in ("train", "valid", "test"))
    folder = Path(ag_news.torchtext_cache()).expanduser() / "datasets" / "AG_NEWS"
    there = [name for name in ("train.csv", "test.csv") if (folder / name).exists()]
    cached = f"AG_NEWS ({' and '.join(there)})" if there else "AG_NEWS, not downloaded yet,"
    return Line("data", f"a sample of {count:,} news items; {cached} in {folder}")


def _exercise() -> Line:
    """Look for missing modules of each assignment that has at least one."""
    folder = Path("exercise")
    there = {path.stem for path in folder.glob("*.py")}
    begun = [each for each in assignments().values() if there & {*each.modules}]
    wanted = begun or [assignments()[MAIN]]
    missing = [f"{name}.py" for each in wanted for name in each.modules if name not in there]
    if missing:
        found = f"{', '.join(missing)} not in {folder.resolve()}"
        return Line("exercise", found, "change to the kit's folder (cd)")
    return Line("exercise", str(folder.resolve()))


def _sandbox() -> Line:
    """Examine the sandbox; records name the same layers."""
    try:
        found = tiers.sandboxed("cpu")
    except fork_server.Unavailable as error:
        why, remedy = tiers.explain(str(error))
        return Line("sandbox", f"none: {why}", remedy, needed=False)
    layers = ", ".join(found.layers)
    if missing := fork_server.running().missing:
        why, remedy = tiers.explain(missing)
        what = f"{layers}; without bubblewrap: {why}"
        return Line("sandbox", what, f"{ENOUGH}{remedy}", needed=False)
    return Line("sandbox", layers)


def _commands() -> Iterator[Line]:
    """Say which commands of this copy of the kit can run here, and what the others lack."""
    ready = []
    for name in commands.available():
        problem = next(requirements.problems(name), None)
        if problem is None:
            ready.append(name)
        else:
            needed = name in commands.GROUPS[commands.STUDENTS]
            yield Line(name, problem.what, problem.remedy, needed=needed)
    for name in requirements.ways() if commands.is_whole() else ["notebook"]:
        if problem := next(requirements.problems(name), None):
            yield Line(name, problem.what, problem.remedy, needed=False)
        else:
            ready.append(name)
    for problem in requirements.other_versions():
        yield Line("versions", problem.what, problem.remedy, needed=False)
    yield Line("can run", ", ".join(ready))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define how much to say."""
    parser.add_argument("-v", "--verbose", action="store_true", help="report on isolation, too")


def run(options: argparse.Namespace) -> int:
    """Print the findings; return 1 if something that grading requires must be fixed."""
    from rich.text import Text

    from grader.base.console import plain_console

    console = plain_console()
    to_fix = 0
    for line in examine(options.verbose):
        word, style = ("ok", "green") if not line.remedy else ("fix", "red")
        if line.remedy and not line.needed:
            word, style = "note", "yellow"
        text = Text.assemble((f"{word:<5}", style), f"{line.what:<10} {line.found}")
        console.print(text, soft_wrap=True)
        if line.remedy:
            console.print(f"     -> {line.remedy}", soft_wrap=True)
            to_fix += line.needed
    if not commands.is_whole() and not to_fix:
        console.print("\nReady. Next: python -m grader watch", soft_wrap=True)
    return 1 if to_fix else 0
