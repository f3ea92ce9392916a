"""The helpers that all checks share."""

import operator

import numpy as np
import pytest
import torch

from grader.checks import _tools
from grader.contract.messages import Failure
from grader.worker.wire import tensor_data

NAN = float("nan")


@pytest.mark.parametrize("make", [torch.tensor, np.array])
def test_close_is_up_to_the_tolerance_and_never_for_nan_or_another_shape(make) -> None:  # type: ignore[no-untyped-def]
    expected = make([1.0, 200.0])
    assert _tools.close(make([1.0, 200.000_001]), expected)
    assert not _tools.close(make([1.001, 200.0]), expected)
    assert _tools.close(make([1.001, 200.0]), expected, 1e-2)
    assert _tools.close(make([1.001, 200.0]), expected, relative=True)  # 1e-5 of 200
    assert not _tools.close(make([1.003, 200.0]), expected, relative=True)
    assert not _tools.close(make([NAN, 200.0]), expected, 1e-2, relative=True)
    assert not _tools.close(make([NAN, 200.0]), make([NAN, 200.0]), relative=True)
    assert not _tools.close(make([[1.0, 200.0]]), expected)
    assert _tools.close(make([]), make([]), relative=True)


def test_close_number_is_relative_above_one_and_never_for_nan() -> None:
    assert _tools.close_number(1000.05, 1000.0)
    assert not _tools.close_number(0.05, 0.0)
    assert not _tools.close_number(NAN, NAN)


def test_a_drawn_tensor_depends_on_seed_and_shape_alone() -> None:
    assert torch.equal(_tools.draw(1, 2, 3), _tools.draw(1, 2, 3))
    assert not torch.equal(_tools.draw(1, 2, 3), _tools.draw(2, 2, 3))
    assert not torch.equal(_tools.draw(1, 2, 3).flatten(), _tools.draw(1, 6))
    first, second = _tools.draw_each(1, (2, 3), (2, 3))
    assert not torch.equal(first, second)


def test_the_first_mistake_that_explains_a_result_is_named() -> None:
    mistakes = [("one", 1), ("two", 2), ("too", 2)]
    assert _tools.matching_mistake(2, mistakes, operator.eq) == "two"
    assert _tools.matching_mistake(3, mistakes, operator.eq) is None


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        (torch.zeros(1, 3).double(), None),
        (torch.zeros(3), "squeezed"),
        (torch.zeros(2, 3), "list-not-joined"),
        (torch.zeros(4), None),
        ([], "whole-h-n"),
        (None, None),
    ],
)
def test_a_required_tensor_has_its_dtype_and_shape(found: object, mistake: str | None) -> None:
    plain = tensor_data(found) if isinstance(found, torch.Tensor) else found
    known = {(2, 3): "list-not-joined", (1, 3): "first-layer", list: "whole-h-n"}
    with pytest.raises(Failure, match=r"a float32 tensor of shape \(B, F\) = \(1, 3\)") as caught:
        _tools.require_tensor(plain, "f()", "float32", "(B, F)", (1, 3), known)
    assert caught.value.mistake == mistake
    right = tensor_data(torch.ones(1, 3))
    assert _tools.require_tensor(right, "f()", "float32", "(B, F)", (1, 3), known).sum() == 3
