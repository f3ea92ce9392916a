"""Checks of simple functions in one line: call the function, compare, say what differs.

    check_whole = close("mean", [[1, 2, 6]], 3.0, "The mean of three numbers.")
    check_any = close("mean", lambda draw: [draw.sample(range(99), 5)], fmean, "Of any numbers.")
    check_empty = raises("mean", [[]], ValueError, "No numbers have no mean.")

Instead of the arguments, a function can draw them with the `random.Random` that it gets: such a
check makes `DRAWS` calls, with arguments that nobody knows beforehand. Instead of the expected
result, a function can compute it from the arguments. It runs in the grader; the worker gets the
arguments alone. Arguments and results are plain data, tensors or NumPy arrays.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from grader.base.errors import UsageError
from grader.checks._tools import close as close_tensors
from grader.checks._tools import close_number, matching_mistake
from grader.contract.messages import Failure, shorten, show, waits_for
from grader.contract.mistakes import mistakes as known_mistakes
from grader.contract.tasks import tasks
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call, construct
from grader.grading.submission import Submission
from grader.sandbox.worker_client import WorkerLost
from grader.worker.wire import Raised, TensorData, tensor_data

DRAWS = 5  # calls of a check that draws its arguments
OTHERS_SECONDS = 5.0  # for calls that only show whether a result is a constant
PLAIN = (bool, int, float, str, np.ndarray, np.generic, TensorData)
MAX_CALL = 300  # characters of a call in a message

Check = Callable[[Submission], None]
Arguments = Sequence[Any] | Callable[[Random], Sequence[Any]]
Mistakes = Mapping[str, Any]  # what known mistakes give instead, as `expected`


def equal(
    name: str, args: Arguments, expected: Any, says: str, mistakes: Mistakes | None = None
) -> Check:
    """Return a check that a result equals the expected one, in value and in type.

    Args:
        name: the function.
        args: its arguments, or a function that draws them.
        expected: the result, or a function that computes it from the arguments.
        says: the requirement, in one sentence.
        mistakes: ids of known mistakes with their results, or functions that compute them.
    """
    return _compared(name, args, expected, says, mistakes or {}, None)


def close(
    name: str,
    args: Arguments,
    expected: Any,
    says: str,
    mistakes: Mistakes | None = None,
    tolerance: float = 1e-4,
) -> Check:
    """Return a check that the numbers of a result agree with the expected ones up to rounding.

    Args:
        name: the function.
        args: its arguments, or a function that draws them.
        expected: the result, or a function that computes it from the arguments. For a float, an
            int is accepted; tensors must have its dtype and shape.
        says: the requirement, in one sentence.
        mistakes: ids of known mistakes with their results, or functions that compute them.
        tolerance: the largest difference, relative to numbers above 1.
    """
    return _compared(name, args, expected, says, mistakes or {}, tolerance)


def raises(name: str, args: Arguments, expected: type[Exception], says: str) -> Check:
    """Return a check that a call raises an exception of Python's.

    Args:
        name: the function.
        args: its arguments, or a function that draws them.
        expected: the exception; built-in subclasses of it are accepted.
        says: the requirement, in one sentence.
    """
    if not (isinstance(expected, type) and issubclass(expected, Exception)):
        raise UsageError(f"raises({name!r}, ...): {expected!r} is not an exception of Python's.")

    def judge(call: Call, called: CallResult) -> None:
        result = called.result
        if not isinstance(result, Raised):
            raise Failure(call.text, f"It returned {show(result)}", f"{expected.__name__}, raised")
        if result.kind != "exception" or result.type == "NotImplementedError":
            unwrap(result)  # not written yet, or it ended itself
        kind = getattr(builtins, result.type, None)
        if not (isinstance(kind, type) and issubclass(kind, expected)):
            raise Failure(call.text, result, f"{expected.__name__}, raised")

    return _check(name, args, says, judge)


def _compared(
    name: str,
    args: Arguments,
    expected: Any,
    says: str,
    mistakes: Mistakes,
    tolerance: float | None,
) -> Check:
    def agree(found: Any, right: Any) -> bool:
        return _agree(found, right, tolerance)

    def judge(call: Call, called: CallResult) -> None:
        found, right = unwrap(called.result), _result(expected, call)
        if not agree(found, right):
            known = [(id_, _result(wrong, call)) for id_, wrong in mistakes.items()]
            why = matching_mistake(found, known, agree)
            raise Failure(call.text, *_difference(found, right), why)

    unknown = [id_ for id_ in mistakes if id_ not in known_mistakes()]
    if unknown:
        raise UsageError(f"{name}: mistakes.toml has no row [{unknown[0]}].")
    check = _check(name, args, says, judge, [expected, *mistakes.values()])
    if callable(args):
        check.draw = name, args, expected  # type: ignore[attr-defined]
        return check

    def and_no_constant(submission: Submission) -> None:
        check(submission)
        (call,) = _calls(name, args, Random())
        _require_no_constant(submission, name, lambda found: agree(found, _result(expected, call)))

    return functools.update_wrapper(and_no_constant, check)


def _require_no_constant(
    submission: Submission, name: str, is_the_same: Callable[[Any], bool]
) -> None:
    """Require more than the result of given arguments, which students can read in the check.

    It is compared with those of arguments that another check draws, if there is one.

    Raises:
        Blocked: the function returns this result for them, too; they have others.
    """
    task = _task(submission, name)
    for other in tasks()[task].checks:
        drawn = getattr(other.load(), "draw", None) if other.is_here else None
        if drawn is None or drawn[0] != name:
            continue
        _, args, expected = drawn
        calls = _calls(name, args, Random(f"{submission.seed} {name} others"))
        calls = [call for call in calls if not is_the_same(_result(expected, call))]
        try:
            results = submission.call(task, name, [*map(_to_send, calls)], seconds=OTHERS_SECONDS)
        except WorkerLost:
            return
        if calls and all(is_the_same(called.result) for called in results):
            raise waits_for(other.id)


def _check(
    name: str,
    args: Arguments,
    says: str,
    judge: Callable[[Call, CallResult], None],
    results: Sequence[Any] = (),
) -> Check:
    if not (callable(args) or isinstance(args, list | tuple)):
        raise UsageError(f"{name}: the arguments are {args!r}, not a list of them, or a function.")
    if not isinstance(says, str):
        raise UsageError(f"{name}: {says!r} is not a sentence that says what the check requires.")

    is_open = isinstance(args, list) and len(args) == 1 and args[0] is ...

    def check(submission: Submission) -> None:
        if is_open:
            raise UsageError(f"A check of {name} is not written yet: replace each `...` in it.")
        calls = _calls(name, args, Random(f"{submission.seed} {name}"))
        seen = submission.call(_task(submission, name), name, [*map(_to_send, calls)])
        for call, called in zip(calls, seen, strict=True):
            judge(call, called)

    def try_out() -> None:
        for call in _calls(name, args, Random(name)):
            for value in [*call.args, *(_result(each, call) for each in results)]:
                _require_plain(name, value)

    check.__doc__ = says
    if not is_open:
        check.try_out = try_out  # type: ignore[attr-defined]
    return check


def _task(submission: Submission, name: str) -> str:
    return next(id_ for id_ in submission.modules if name in tasks()[id_].names)


def _to_send(call: Call) -> Call:
    return replace(call, args=_sent([*call.args]), arrays=True)


def _calls(name: str, args: Arguments, numbers: Random) -> list[Call]:
    """Return the calls of a check, with drawn arguments or the given ones."""
    cases = [args(numbers) for _ in range(DRAWS)] if callable(args) else [args]
    for case in cases:
        if not isinstance(case, list | tuple):
            raise UsageError(f"{name}: {case!r} was drawn, not a list of arguments.")
    return [Call(_calling(name, case), case) for case in cases]


def _require_plain(name: str, value: Any) -> None:
    """Require what a worker can get and return.

    Raises:
        UsageError: it is of another type.
    """
    if type(value) in (list, tuple):
        parts = [*value]
    elif type(value) is dict:
        parts = [*value, *value.values()]
    elif value is None or isinstance(value, PLAIN) or hasattr(value, "detach"):
        return
    else:
        raise UsageError(
            f"{name}: a check cannot have {value!r} as an argument or a result, only numbers, "
            "texts, lists, tuples, dicts, tensors and NumPy arrays."
        )
    for part in parts:
        _require_plain(name, part)


def _sent(value: Any) -> Any:
    """Return an argument as a worker makes it: tensors travel, NumPy arrays are made there."""
    if isinstance(value, np.ndarray):
        return construct("numpy.array", value.tolist(), dtype=value.dtype.name)
    if type(value) in (list, tuple):
        return type(value)(map(_sent, value))
    if type(value) is dict:
        return {key: _sent(part) for key, part in value.items()}
    return value


def _calling(name: str, args: Sequence[Any]) -> str:
    """Write a call as Python."""
    return shorten(f"{name}({', '.join(map(_literal, args))})", MAX_CALL)


def _literal(value: Any) -> str:
    """Write an argument as Python that can be pasted, with the dtype of tensors if needed."""
    import torch

    if isinstance(value, torch.Tensor):
        numbers = value.tolist()
        implied = value.numel() and torch.tensor(numbers).dtype == value.dtype
        return f"torch.tensor({numbers}{'' if implied else f', dtype={value.dtype}'})"
    if isinstance(value, np.ndarray):
        numbers = value.tolist()
        implied = value.size and np.array(numbers).dtype == value.dtype
        return f"np.array({numbers}{'' if implied else f', dtype=np.{value.dtype}'})"
    if type(value) is list:
        return f"[{', '.join(map(_literal, value))}]"
    if type(value) is tuple:
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        pairs = (f"{_literal(key)}: {_literal(part)}" for key, part in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


def _result(expected: Any, call: Call) -> Any:
    """Return a result, given or to be computed, as a worker sends it."""
    return _plain(expected(*call.args) if callable(expected) else expected)


def _plain(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return tensor_data(value)
    if isinstance(value, np.ndarray):
        return {"array": tensor_data(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _agree(found: Any, right: Any, tolerance: float | None) -> bool:
    """Return whether two results are equal, or agree up to a tolerance."""
    if isinstance(right, TensorData):
        if not isinstance(found, TensorData) or found.dtype != right.dtype:
            return False
        one, other = found.torch(), right.torch()
        if tolerance is None or right.dtype == "bool":
            return one.equal(other)
        return close_tensors(one, other, tolerance, relative=True)
    if type(right) in (list, tuple):
        return (
            type(found) is type(right)
            and len(found) == len(right)
            and all(_agree(one, other, tolerance) for one, other in zip(found, right, strict=True))
        )
    if type(right) is dict:
        return (
            type(found) is dict
            and {(type(key), key) for key in found} == {(type(key), key) for key in right}
            and all(_agree(found[key], right[key], tolerance) for key in right)
        )
    if tolerance is not None and type(right) in (int, float) and type(found) in (int, float):
        return close_number(found, right, tolerance)
    return type(found) is type(right) and bool(found == right)


def _array_of(value: Any) -> Any:
    return value.get("array", value) if type(value) is dict else value


def _difference(found: Any, right: Any) -> tuple[str, str]:
    """Describe a result and the expected one; of large tensors, the numbers that differ most."""
    shown, wanted = show(found), show(right)
    found, right = (_array_of(each) for each in (found, right))
    if shown != wanted or not isinstance(found, TensorData):
        return f"It returned {shown}", wanted
    numbers, others = (each.torch().double().flatten() for each in (found, right))
    at = int((numbers - others).abs().argmax())
    return f"It returned {shown}; number {at} is {numbers[at]:.6g}", f"{others[at]:.6g} there"
