"""What a wrong result has in common with the correct one is said where it is so, and only there."""

import math

import pytest
import torch
from torch import Tensor

from grader.checks._differences import about_form, about_number, about_tensor, which_step
from grader.worker.wire import Opaque, TensorData


def data(tensor: Tensor) -> TensorData:
    """Return a tensor as it comes from a worker."""
    name = str(tensor.dtype).removeprefix("torch.")
    return TensorData(name, (*tensor.shape,), tensor.contiguous().numpy().tobytes())


DIMS = (3, 4, 5)  # of an expected float32 tensor


@pytest.mark.parametrize(
    ("found", "dtype", "dims", "words"),
    [
        (torch.zeros(3, 4) > 0, "int64", (3,), "a mask"),
        (torch.zeros(DIMS).long(), "float32", DIMS, "are places, not values"),
        (torch.zeros(3), "int64", (3,), ".long() converts."),
        (torch.zeros(3).int(), "int64", (3,), ".long() converts int32"),
        (torch.zeros(DIMS).double(), "float32", DIMS, ".float() converts"),
        (torch.zeros(()), "float32", DIMS, "a single number"),
        (torch.zeros(3, 4), "float32", (3,), "dim=1 of size 4"),
        (torch.zeros(2, 4, 3), "float32", (3,), "dim=0 of size 2, dim=1 of size 4"),
        (torch.zeros(3, 20), "float32", DIMS, "20 = 4 * 5"),
        (torch.zeros(12, 5), "float32", DIMS, "12 = 3 * 4"),
        (torch.zeros(3, 5), "float32", DIMS, "that of size 4"),
        (torch.zeros(4, 3, 5), "float32", DIMS, "in a different order"),
        (torch.zeros(3, 8, 5), "float32", DIMS, "dim=1 is 2 times as large"),
        (torch.zeros(3, 2, 5), "float32", DIMS, "only 1/2 of its size"),
        (torch.zeros(3, 3, 5), "float32", DIMS, "is 3 instead of 4"),
    ],
)
def test_a_form_is_described(found: Tensor, dtype: str, dims: tuple[int, ...], words: str) -> None:
    assert words in about_form(data(found), dtype, dims)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"a": 1}, "A dict has names"),
        ([1, 2], "a list of numbers"),
        ([data(torch.zeros(1)), data(torch.zeros(2))], "torch.stack and torch.cat"),
        ((data(torch.zeros(DIMS)), data(torch.zeros(2))), "Part 0 of this tuple"),
        (Opaque("ndarray", "array([0.])"), "torch.from_numpy"),
    ],
)
def test_another_type_is_described(found: object, words: str) -> None:
    assert words in about_form(found, "float32", DIMS)


@pytest.mark.parametrize(
    "found",
    [
        data(torch.zeros(DIMS)),
        data(torch.zeros(7, 8)),
        data(torch.zeros(6, 7, 8)),
        None,
        "text",
        [],
    ],
)
def test_other_forms_are_not_described(found: object) -> None:
    assert about_form(found, "float32", DIMS) == ""


SIZES = {"B": 3, "K": 4}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (-2.5, "the other sign"),
        (math.exp(2.5), "the exponential"),
        (math.log(2.5), "the logarithm"),
        (1 / 2.5, "1 divided by"),
        (2.5**2, "the square"),
        (2.5 * 3, "3 times the expected number, and B = 3"),
        (2.5 / 4, "divided by 4, and K = 4"),
        (2.5 * 12, "12 times the expected number, and B * K = 12"),
        (2.5 ** (1 / 4), "to the power of 1 / 4, and K = 4"),
    ],
)
def test_a_number_is_described(found: float, words: str) -> None:
    assert words in about_number(found, 2.5, SIZES)


@pytest.mark.parametrize("found", [2.0, 3.1, math.nan, math.inf, 0.0])
def test_other_numbers_are_not_described(found: float) -> None:
    assert about_number(found, 2.5, SIZES) == ""


RIGHT = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (RIGHT.flip(0), "in other rows"),
        (RIGHT.T.reshape(4, 6), "rows and columns are mixed"),
        (RIGHT.abs(), "signs of some numbers"),
        (RIGHT / 3, "0.3333 times"),
        (RIGHT.tanh(), "Each number is the tanh"),
        (RIGHT.exp(), "Each number is the exp"),
    ],
)
def test_a_tensor_is_described(found: Tensor, words: str) -> None:
    assert words in about_tensor(found, RIGHT)


def test_what_lacks_a_function_is_described() -> None:
    assert "The tanh of each number is the expected one" in about_tensor(RIGHT, RIGHT.tanh())


@pytest.mark.parametrize("found", [RIGHT + 0.1 * RIGHT[:1], RIGHT[:2], RIGHT * math.nan])
def test_other_tensors_are_not_described(found: Tensor) -> None:
    assert about_tensor(found, RIGHT) == ""


def test_a_step_is_found() -> None:
    tables = {"targets[:, {}]": torch.tensor([[1, 2], [3, 4]]), "x {}": torch.tensor([[5], [6]])}
    assert which_step([2, 4], tables) == "That is targets[:, 1]."
    assert which_step([5, 6], tables) == "That is x 0."
    assert which_step([1, 4], tables) == ""
