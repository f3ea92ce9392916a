"""Known mistakes of the three cells: with their weights, and with the parts of the products."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from grader.checks.recurrent_layers._layers import B, H, Option

if TYPE_CHECKING:
    from torch import Tensor

    Given = Sequence[Tensor]  # w_ih, w_hh, b_ih, b_hh
    Product = Callable[[Tensor, Tensor, Tensor], Tensor]  # of vectors, weights and bias


def weight_options(given: Given, gates: int) -> list[Option]:
    """Return the weights, and those with which the formula gives the results of mistakes."""
    w_ih, w_hh, b_ih, b_hh = given
    options: list[Option] = [("", given), *_bias_options(given, gates)]
    options += [
        ("one-bias-twice", (w_ih, w_hh, b_ih, b_ih)),
        ("one-bias-twice", (w_ih, w_hh, b_hh, b_hh)),
        ("state-left-out", (w_ih, 0 * w_hh, b_ih, b_hh)),
        ("state-left-out", (w_ih, 0 * w_hh, b_ih, 0 * b_hh)),
        *(("joined-in-another-order", each) for each in _joined_otherwise(given)),
    ]
    return options + _row_options(given, gates) if gates > 1 else options


def _bias_options(given: Given, gates: int) -> Iterator[Option]:
    """Yield the weights without one bias or both, of all gates or of one."""
    import torch

    w_ih, w_hh, b_ih, b_hh = given
    every = torch.arange(gates).repeat_interleave(H)
    parts = [every.ge(0)] + [every.eq(gate) for gate in range(gates) if gates > 1]
    for without in parts:
        ih, hh = b_ih * ~without, b_hh * ~without
        for biases in ((ih, hh), (ih, b_hh), (b_ih, hh)):
            yield "bias-left-out", (w_ih, w_hh, *biases)


def _joined_otherwise(given: Given) -> Iterator[Given]:
    """Yield the weights of two other products of joined tensors.

    They are [state, inputs] @ [w_ih, w_hh].T and [inputs, state] @ [w_hh, w_ih].T.
    """
    import torch

    w_ih, w_hh, b_ih, b_hh = given
    size, units = w_ih.shape[1], w_hh.shape[1]
    both = torch.cat([w_ih, w_hh], dim=1)
    yield both[:, units:], both[:, :units], b_ih, b_hh
    both = torch.cat([w_hh, w_ih], dim=1)
    yield both[:, :size], both[:, size:], b_ih, b_hh


def _row_options(given: Given, gates: int) -> list[Option]:
    """Return the weights with the rows of other gates."""
    import torch

    w_ih, w_hh, b_ih, b_hh = given
    rows = torch.arange(gates * H)
    options: list[Option] = []
    for order in [*itertools.permutations(range(gates))][1:]:
        own = rows.view(gates, H)[list(order)].flatten()
        swapped = order == (1, 0, 2, 3)
        name = "input-and-forget-swapped" if swapped else "gate-order"
        options.append((name, [each[own] for each in given]))
    own = rows.view(H, gates).T.flatten()
    options.append(("gates-interleaved", [each[own] for each in given]))
    options.append(("gates-interleaved", (w_ih[own], w_hh[own], b_ih, b_hh)))
    return options


def product_options(gates: int) -> list[Option]:
    """Return functions that compute the two products, first correctly, then without a transpose.

    Each gets the inputs, the state and the weights. `view` and `reshape` give the shape of the
    transpose, but other numbers. The parts of `w_hh` for one gate are square.
    """
    import torch

    def right(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return a @ w.T + b

    def weights_viewed(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return a @ w.reshape(a.shape[1], -1) + b

    def gates_viewed(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a @ part.reshape(a.shape[1], H) for part in w.chunk(gates)], dim=1) + b

    def product_viewed(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return (w @ a.T).reshape(len(a), -1) + b

    def sum_viewed(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return (w @ a.T + b[:, None]).reshape(len(a), -1)

    def vectors_viewed(a: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return (w @ a.reshape(-1, len(a))).T + b

    others = [weights_viewed, product_viewed, sum_viewed, vectors_viewed]
    ways: list[tuple[str, Product, Product]] = [
        ("", right, right),
        ("state-weights-transposed", right, gates_viewed),
        *(("view-for-transpose", way, right) for way in (*others, gates_viewed)),
        *(("view-for-transpose", right, way) for way in others[gates == 1 :]),
        *(("view-for-transpose", way, way) for way in (*others, gates_viewed)),
        ("view-for-transpose", weights_viewed, gates_viewed),
    ]

    def products(of_inputs: Product, of_state: Product) -> Callable[..., tuple[Tensor, Tensor]]:
        def compute(inputs: Tensor, state: Tensor, given: Given) -> tuple[Tensor, Tensor]:
            w_ih, w_hh, b_ih, b_hh = given
            return of_inputs(inputs, w_ih, b_ih), of_state(state, w_hh, b_hh)

        return compute

    return [(name, products(*way)) for name, *way in ways]


def cut_options(gates: int) -> list[Option]:
    """Return functions that cut (B, gates * H) into the gates, first correctly."""
    wrong: list[Callable[[Tensor], Tensor]] = [
        lambda each: each.reshape(gates, B, H),
        lambda each: each.T.reshape(gates, B, H),
        lambda each: each.reshape(gates, H, B).transpose(1, 2),
    ]
    options = [("gates-across-sentences", cut) for cut in wrong]
    return [("", lambda each: each.chunk(gates, dim=1)), *options]
