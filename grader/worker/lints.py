"""Finds lines in a student's code that do not do what they seem to do, whatever the check says."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

MOST_SHOWN = 60  # characters of code
# Methods and functions that return a result and change nothing.
METHODS = {
    *("view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "flatten", "flip"),
    *("detach", "softmax", "log_softmax", "argmax", "item", "tolist", "clone", "contiguous"),
    *("lower", "upper", "strip", "replace", "split", "join"),
}
FUNCTIONS = {"relu", "softmax", "cat", "stack", "pad_sequence", "tanh", "sigmoid", "sorted", "flip"}
# Functions that return an iterator, and those that go through one to its end.
ITERATORS = {"pipe", "zip", "map", "filter", "iter", "enumerate", "reversed"}
GO_THROUGH = {"list", "tuple", "set", "dict", "sorted", "sum", "max", "min", "zip", "enumerate"}
ALIKE = {"shape", "size", "dtype", "device"}  # what is often the same in each round
GROWS = {"append", "extend", "insert", "add"}  # what a list or set does
WHOLE, SECOND = {"padded.shape", "padded.size()"}, {"padded.shape[1]", "padded.size(1)"}
BATCH_NAMES = {"b", "bs", "bsz", "batch", "batch_size", "n_batch", "n_samples", "samples"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Found = Iterator[tuple[ast.AST, str]]


@dataclass(frozen=True)
class Lint:
    """A line, and what is odd about it. It `is_weak` if right code may have such lines, too."""

    line: int
    says: str
    is_weak: bool = False


def lints(
    source: str,
    skip: Collection[str] = (),
    raising: Collection[int] = (),
    names: Collection[str] = (),
) -> list[Lint]:
    """Return the odd lines of a module, in order.

    Args:
        source: the module.
        skip: names of definitions that are left out.
        raising: lines that raised an exception: what they would do otherwise says nothing.
        names: the functions and classes that the task asks for; others are their helpers.
    """
    tree = ast.parse(source)
    uncalled = [*_never_called(tree, {*names, *skip})] if names else []
    tree.body = [part for part in tree.body if getattr(part, "name", None) not in skip]
    found = [
        Lint(getattr(node, "lineno", 1), says, rule in (_never_used, _made_once))
        for rule in (
            *(_without_effect, _ends_loop, _after_loop, _stale, _misplaced, _hides_errors),
            *(_renames_function, _used_up, _plain_layers, _never_used, _made_once),
            *(_steps_as_batch, _same_variable),
        )
        for node, says in rule(tree)
        if rule is not _without_effect or getattr(node, "lineno", 1) not in raising
    ]
    found += [Lint(node.lineno, says, is_weak=True) for node, says in uncalled]
    return sorted({(each.line, each.says): each for each in found}.values(), key=_line)


def _line(lint: Lint) -> int:
    return lint.line


def _code(node: ast.AST) -> str:
    text = ast.unparse(node).split("\n")[0]
    return f"`{text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 4] + ' ...'}`"


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS):
            yield node


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield block


def _names(node: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, context)
    }


def _without_effect(tree: ast.AST) -> Found:
    """Yield calls without parentheses, comparisons, and results that are lost."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr):
            continue
        value = node.value
        if isinstance(value, ast.Attribute):
            yield node, f"{_code(value)} is not called: its parentheses are missing."
        elif isinstance(value, ast.Compare):
            yield node, f"{_code(value)} only compares, and nothing uses the result."
        elif isinstance(value, ast.Call):
            func = value.func
            name = getattr(func, "attr", getattr(func, "id", ""))
            if name in METHODS | FUNCTIONS and not any(k.arg == "out" for k in value.keywords):
                yield node, f"{_code(value)} returns a result, which is lost, and changes nothing."


def _ends_loop(tree: ast.AST) -> Found:
    """Yield `return` and `break` that end a loop in its first round."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.While)) and isinstance(
            node.body[-1], (ast.Return, ast.Break)
        ):
            word = "return" if isinstance(node.body[-1], ast.Return) else "break"
            skips = any(isinstance(each, ast.Continue) for each in ast.walk(node))
            over = getattr(getattr(node, "iter", None), "func", None)
            finds_device = getattr(over, "attr", "") == "parameters"  # that of the first one
            if not skips and not finds_device:
                yield (
                    node.body[-1],
                    f"this `{word}` ends the loop of line {node.lineno} in its first round.",
                )


def _after_loop(tree: ast.AST) -> Found:
    """Yield lines after a loop that use its variables: they hold the last values."""
    for block in _blocks(tree):
        for at, loop in enumerate(block):
            if not isinstance(loop, ast.For):
                continue
            before = {name for each in block[:at] for name in _names(each, ast.Store)}
            own = _names(loop.target, ast.Store) - before - {"_"}
            inner = _names(loop, ast.Store) - {*_carried(loop)} - before - {"_"}
            for later in block[at + 1 :]:
                names = inner if _collects(later) else own
                used = sorted(names & _names(later, ast.Load) - _names(later, ast.Store))
                if used:
                    yield (
                        later,
                        f"`{used[0]}` holds its last value here, because the loop of line "
                        f"{loop.lineno} has ended. Does this line belong in the loop?",
                    )
                    break
                own, inner = (each - _names(later, ast.Store) for each in (own, inner))


def _stale(tree: ast.AST) -> Found:
    """Yield rounds of a loop that use what an earlier loop has set for each of its own rounds."""
    for block in _blocks(tree):
        for at, loop in enumerate(block):
            if not isinstance(loop, ast.For):
                continue
            names = {*_set_in_each_round(loop)}
            names -= {name for each in block[:at] for name in _names(each, ast.Store)}
            for later in block[at + 1 :]:
                names -= _names(later, ast.Store)
                uses = [node for each in _rounds(later) for node in ast.walk(each)]
                for node in uses:
                    if isinstance(node, ast.Name) and node.id in names:
                        names.remove(node.id)
                        yield (
                            node,
                            f"`{node.id}` is the same in each round here: its value is from the "
                            f"last round of the loop of line {loop.lineno}.",
                        )


def _set_in_each_round(loop: ast.For) -> Iterator[str]:
    """Yield what is set from the loop's variable, but no shape, dtype or device."""
    own = _names(loop.target, ast.Store)
    for line in loop.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id not in own:
            read = _names(line.value, ast.Load)  # type: ignore[attr-defined]
            parts = {getattr(each, "attr", "") for each in ast.walk(line)}
            if read & own and target.id not in read and not parts & ALIKE:
                yield target.id


def _rounds(line: ast.stmt) -> Iterator[ast.AST]:
    """Yield what runs in each round of a loop or comprehension."""
    for each in ast.walk(line):
        if isinstance(each, (ast.For, ast.While)):
            yield from each.body
        elif isinstance(each, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            yield each.elt


def _carried(loop: ast.For) -> Iterator[str]:
    """Yield the names of what a loop carries from one round to the next, such as a total."""
    for line in ast.walk(loop):
        if isinstance(line, ast.AugAssign) and isinstance(line.target, ast.Name):
            yield line.target.id
        elif isinstance(line, ast.Assign):
            yield from _names(line.value, ast.Load) & _names(line, ast.Store)


def _collects(line: ast.stmt) -> bool:
    """Return whether a line adds something to a list."""
    value = line.value if isinstance(line, ast.Expr) else None
    func = value.func if isinstance(value, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in ("append", "extend", "add")


def _misplaced(tree: ast.AST) -> Found:
    """Yield methods inside of another method, or outside of the class."""
    for outer in _functions(tree):
        for inner in ast.walk(outer):
            if inner is not outer and isinstance(inner, DEFINITIONS) and _has_self(inner):
                yield inner, f"`{inner.name}` is inside `{outer.name}`: indent it less."
    for inner in getattr(tree, "body", ()):
        if isinstance(inner, DEFINITIONS) and _has_self(inner):
            yield inner, f"`{inner.name}` is outside of the class: indent it."


def _has_self(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return [each.arg for each in function.args.args][:1] == ["self"]


def _hides_errors(tree: ast.AST) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and isinstance(
            node.body[0], (ast.Pass, ast.Continue)
        ):
            yield node, "this `except` hides the exceptions that say what is wrong."


def _renames_function(tree: ast.AST) -> Found:
    loops = [node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While))]
    for each in (part for loop in loops for part in ast.walk(loop)):
        if not isinstance(each, ast.Assign) or not isinstance(each.value, ast.Call):
            continue
        called, target = each.value.func, each.targets[0]
        same = isinstance(called, ast.Name) and isinstance(target, ast.Name)
        if same and called.id == target.id:  # type: ignore[attr-defined]
            yield (
                each,
                f"`{target.id}` is a function before this line, and its result after it, so the "  # type: ignore[attr-defined]
                "next round cannot call it.",
            )


def _used_up(tree: ast.AST) -> Found:
    """Yield lines that go through an iterator again: it is empty after the first time."""
    for function in _functions(tree):
        stores = [
            each.id
            for each in ast.walk(function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        ]
        for made in ast.walk(function):
            target = made.targets[0] if isinstance(made, ast.Assign) else None
            if not isinstance(target, ast.Name) or stores.count(target.id) > 1:
                continue
            if not _is_iterator(made.value):  # type: ignore[attr-defined]
                continue
            uses = sorted(_uses(function, target.id), key=lambda node: node.lineno)
            if len(uses) > 1:
                yield (
                    uses[1],
                    f"`{target.id}` was used up in line {uses[0].lineno}, and nothing is left: an "
                    "iterator can be gone through once. Keep a list of it.",
                )


def _is_iterator(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return getattr(value.func, "attr", getattr(value.func, "id", "")) in ITERATORS
    return isinstance(value, ast.GeneratorExp)


def _uses(function: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield the places where a function goes through the values of a variable."""
    for node in ast.walk(function):
        given: list[ast.expr] = []
        if isinstance(node, (ast.For, ast.comprehension)):
            given = [node.iter]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in GO_THROUGH:
            given = node.args
        elif isinstance(node, ast.Starred):
            given = [node.value]
        yield from (each for each in given if isinstance(each, ast.Name) and each.id == name)


def _made_once(tree: ast.AST) -> Found:
    """Yield lists that are made once, where the module is read, and grow with every call."""
    outside = {
        line.targets[0].id: line
        for line in getattr(tree, "body", ())
        if isinstance(line, ast.Assign)
        and isinstance(line.targets[0], ast.Name)
        and _is_container(line.value)
    }
    for function in _functions(tree):
        arguments = function.args.args
        defaults = zip(arguments[::-1], function.args.defaults[::-1], strict=False)
        made = outside | {each.arg: value for each, value in defaults if _is_container(value)}
        for call in ast.walk(function):
            grown = call.func if isinstance(call, ast.Call) else None
            if isinstance(grown, ast.Attribute) and grown.attr in GROWS:
                name = getattr(grown.value, "id", "")
                if name in made and name not in _names(function, ast.Store):
                    yield (
                        made.pop(name),
                        f"`{name}` is created once, for all calls, and grows with each of them: "
                        f"create it inside of `{function.name}`.",
                    )


def _steps_as_batch(tree: ast.AST) -> Found:
    """Yield lines that call the second size of `padded`, (B, T, F), the size of the batch."""
    assigned = [each for each in ast.walk(tree) if isinstance(each, ast.Assign)]
    if any("padded" in _names(each, ast.Store) for each in assigned):
        return  # it may be another tensor, or have the time first
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        sizes = ast.unparse(node.value) if isinstance(node, ast.Assign) else ""
        if isinstance(target, ast.Tuple) and len(target.elts) == 3 and sizes in WHOLE:
            target = target.elts[1]
        elif sizes not in SECOND:
            continue
        if isinstance(target, ast.Name) and target.id.lower() in BATCH_NAMES:
            yield node, f"`padded` has shape (B, T, F), so `{target.id}` is T here."


def _same_variable(tree: ast.AST) -> Found:
    """Yield loops that set the variable of the loop around them."""
    for outer in ast.walk(tree):
        if not isinstance(outer, ast.For):
            continue
        own = _names(outer.target, ast.Store) - {"_"}
        for inner in (each for line in outer.body for each in ast.walk(line)):
            same = own & _names(inner.target, ast.Store) if isinstance(inner, ast.For) else set()
            for name in sorted(same):
                yield inner, f"this loop sets `{name}` again, the variable of the loop around it."


def _is_container(value: ast.expr) -> bool:
    """Return whether a value is a new list or set."""
    is_made = isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("list", "set")
    return is_made or isinstance(value, (ast.List, ast.Set))


def _plain_layers(tree: ast.AST) -> Found:
    """Yield attributes that hold layers in a list or dict, where a model does not see them."""
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(target, ast.Attribute) or not _is_self(target.value):
            continue
        value = node.value  # type: ignore[attr-defined]
        if not isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.DictComp)):
            continue
        own = [each for each in ast.walk(tree) if _is_attribute(each, target.attr)]
        calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
        added = [each for each in calls if _is_attribute(_owner(each), target.attr)]
        kept = [each for each in calls if _is_layer(each) and {*own} & {*ast.walk(each)}]
        if not kept and any(map(_is_layer, (p for n in [value, *added] for p in ast.walk(n)))):
            kind = "dict" if isinstance(value, (ast.Dict, ast.DictComp)) else "list"
            yield (
                node,
                f"the model does not see layers in the plain {kind} `self.{target.attr}`, so they "
                f"are not trained: use nn.Module{kind.title()}.",
            )


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_attribute(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name and _is_self(node.value)


def _owner(call: ast.Call) -> ast.AST | None:
    """Return the object whose method is called."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _is_layer(node: ast.AST) -> bool:
    """Return whether a layer is created: `nn.Linear(...)`, `torch.nn.LSTM(...)`."""
    func = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return func.startswith(("nn.", "torch.nn.")) and func.rpartition(".")[2][:1].isupper()


def _never_used(tree: ast.AST) -> Found:
    for function in _functions(tree):
        used = _names(function, ast.Load)
        known = {
            name
            for each in ast.walk(function)
            if isinstance(each, (ast.Global, ast.Nonlocal))
            for name in each.names
        }
        for node in ast.walk(function):
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if not isinstance(target, ast.Name) or target.id in used | known:
                continue
            if not target.id.startswith("_"):
                meant = f" Is `self.{target.id}` meant?" if _has_self(function) else ""
                yield node, f"`{target.id}` gets a value that nothing uses.{meant}"


def _never_called(tree: ast.Module, names: Collection[str]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield helpers that nothing refers to: functions, and methods of classes without a base."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    plain = [part for part in tree.body if isinstance(part, ast.ClassDef) and not part.bases]
    bodies = [(tree.body, _names(tree, ast.Load)), *((part.body, attributes) for part in plain)]
    for body, used in bodies:
        for node in body:
            if not isinstance(node, DEFINITIONS) or node.name in {*used, *names, "main"}:
                continue
            if not node.decorator_list and not node.name.startswith("__"):
                yield node, f"nothing calls `{node.name}`."
