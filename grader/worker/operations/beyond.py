"""Operations on `exercise.beyond`; they record each input of a decoder and a language model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from .. import replacements
from ..student import PACKAGE, student
from ..wire import TensorData
from .call import plain

MOST_NODES = 100  # of the graph behind a looked-up vector; an embedding has two
DRAWS = {"randint", "randint_like", "random_", "multinomial"}
LOOK_UPS = {"embedding": 0, "__getitem__": 1, "index_select": 2}  # and where they take the ids
GET_DATA = Tensor.data.__get__  # type: ignore[attr-defined]
MOST_ROWS = 8  # of ids that are kept
MOST = 4  # at most this many times the expected number of calls are recorded

State = tuple[Tensor, Tensor]


def word_vectors(module: str, text: str, loss: str, **given: Any) -> dict[str, Any]:
    """Call `train_word_vectors`, with the loss in its module replaced by a fast, correct one.

    Args:
        module: the student's module.
        text: the call as shown to the student.
        loss: the source of the replacement.
        given: the arguments of the call.

    Returns:
        Its `result`, and what its training did, see `TableTraining`.
    """
    function = student.get(module, "train_word_vectors")
    given["pairs"] = given["pairs"].torch()
    names = vars(sys.modules[f"{PACKAGE}.{module}"])
    own = names.get("negative_sampling_loss")
    seen = TableTraining(replacements.load(loss, "sampling_loss"), given["pairs"])
    names["negative_sampling_loss"] = seen.loss
    hook = register_optimizer_step_pre_hook(seen.before_step)
    try:
        with Watching(seen):
            result = student.attempt(text, function, **given)
    finally:
        hook.remove()
        names["negative_sampling_loss"] = own
    return {"result": plain(result), **seen.summary(result)}


class TableTraining:
    """Records what a training of tables of vectors does.

    Attributes:
        steps: the steps of the optimizer.
        rate: its learning rate at the last step.
        optimizer: the name of its class.
        drawn: whether the first negatives differ, from each other and from the contexts.
        piled_up: how many losses found old gradients when `backward` was called.
        uphill: whether a step made a loss larger: its gradient was negative.
        rows: the largest number of pairs in a loss.
        learned: the parameters that it holds, each with a copy of its values before a step.
        looked_up: the parameters that the vectors of the first loss came from, by argument.
        cut: whether vectors that need no gradient were looked up before the first loss, or were
            detached.
        first: the first values of all these parameters.
        n_drawn: how many ids were sampled, or looked up in a table of ids.
        lowest: the smallest of them.
        highest: the largest of them.
        rows_of_ids: the one-dimensional ids, int64 (B,), looked up before the first loss.
        strangers: the share of the pairs of the first loss that are not two words of `pairs`.
        n_negatives: the number of negatives of its pairs; 0 for a loss that was not called.
    """

    def __init__(self, compute: Callable[[Tensor, Tensor, Tensor], Tensor], pairs: Tensor) -> None:
        """Start without a step; `compute` computes the loss of `pairs`, int64 (N, 2)."""
        self.compute = compute
        self.pairs = pairs.clone()
        self.rows_of_ids: list[Tensor] = []
        self.strangers, self.uphill, self.n_negatives = 0.0, False, 0
        self.steps = self.piled_up = self.rows = 0
        self.rate, self.optimizer, self.drawn, self.cut = 0.0, "", True, False
        self.learned: dict[Tensor, Tensor] = {}
        self.looked_up: list[set[Tensor]] = []
        self.first: dict[Tensor, Tensor] = {}
        self.n_drawn = self.lowest = self.highest = 0

    def loss(self, centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
        """Compute the loss, and look at the gradients when `backward` comes to it."""
        if not self.looked_up:
            self._keep_sources(centre, context, negatives)
            self.n_negatives = negatives.shape[1]
            others = negatives[:1, :1], context[:, None]
            self.drawn = not any(bool((negatives == other).all()) for other in others)
        self.rows = max(self.rows, len(centre))
        found = self.compute(centre, context, negatives)
        if found.requires_grad and self.steps:
            found.register_hook(self._before_backward)
        return found

    def before_backward(self, loss: Any) -> None:
        """Look at a loss that the submission computes itself."""
        if not self.looked_up:
            self._keep_sources(loss)

    def _keep_sources(self, *tensors: Any) -> None:
        self.looked_up = [_sources(each) for each in tensors]
        self.strangers = self._strangers()
        for parameter in set[Tensor]().union(*self.looked_up):
            self.first.setdefault(parameter, parameter.detach().clone())

    def look_up(self, args: Any, ids: Any, found: Any) -> None:
        """Note vectors of ids; `args` has the table that they are from."""
        tables = [each for each in args if isinstance(each, Tensor) and each.is_floating_point()]
        if self.looked_up or not tables or tables[0].dim() != 2 or not isinstance(ids, Tensor):
            return
        self.cut |= isinstance(found, Tensor) and not found.requires_grad
        is_row = ids.dim() == 1 and ids.dtype == torch.int64
        if is_row and len(self.rows_of_ids) < MOST_ROWS:
            self.rows_of_ids.append(ids.clone())

    def _strangers(self) -> float:
        centres, *others = self.rows_of_ids or [torch.empty(0)]
        contexts = next((ids for ids in others if len(ids) == len(centres)), None)
        if contexts is None:
            return 0.0
        base = int(self.pairs.max()) + 1
        known = self.pairs[:, 0] * base + self.pairs[:, 1]
        fits = torch.isin(centres * base + contexts, known) & (centres != contexts)
        return 1 - fits.double().mean().item()

    def detach(self, tensor: Any) -> None:
        """Note that the vectors of a loss are detached; a table and its loss may be."""
        if not self.looked_up and isinstance(tensor, Tensor) and tensor.dim() > 1:
            self.cut |= tensor.requires_grad and not tensor.is_leaf

    def draw(self, ids: Any) -> None:
        """Note sampled ids."""
        if not isinstance(ids, Tensor) or ids.dtype != torch.int64 or ids.numel() < 2:
            return
        low, high = (int(end) for end in ids.aminmax())
        self.lowest = min(self.lowest, low) if self.n_drawn else low
        self.highest = max(self.highest, high)
        self.n_drawn += ids.numel()

    def before_step(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        """Count a step."""
        for parameter in (each for group in optimizer.param_groups for each in group["params"]):
            if parameter not in self.learned:
                self.learned[parameter] = parameter.detach().clone()
                self.first.setdefault(parameter, self.learned[parameter])
        self.steps += 1
        self.rate = float(optimizer.param_groups[0]["lr"])
        self.optimizer = type(optimizer).__name__

    def _before_backward(self, gradient: Tensor) -> None:
        self.uphill |= bool(gradient < 0)
        gradients = [parameter.grad for parameter in self.learned]
        self.piled_up += any(each is not None and bool(each.any()) for each in gradients)

    def summary(self, result: Any) -> dict[str, Any]:
        """Return the record as plain data; `result` is what the function returned."""
        pairs, first = self.learned.items(), self.first.values()
        moves = [((now.detach() - old).norm() / old.norm()).item() for now, old in pairs]
        return {
            "steps": self.steps,
            "rate": self.rate,
            "optimizer": self.optimizer,
            "drawn": self.drawn,
            "cut": self.cut,
            "piled_up": self.piled_up,
            "uphill": self.uphill,
            "rows": self.rows,
            "held": [
                bool(sources) and sources <= self.learned.keys() for sources in self.looked_up
            ],
            "moved": min(moves, default=0.0),
            "changed": any(not torch.equal(now, old) for now, old in self.first.items()),
            "start": max((old.square().mean().sqrt().item() for old in first), default=0.0),
            "returned": any(
                isinstance(result, Tensor)
                and parameter.shape == result.shape
                and torch.equal(parameter.detach(), result.detach())
                for parameter in self.learned
            ),
            "n_drawn": self.n_drawn,
            "lowest": self.lowest,
            "highest": self.highest,
            "strangers": self.strangers,
            "n_negatives": self.n_negatives,
        }


class Watching(TorchFunctionMode):
    """Shows a record the ids that are sampled, and the losses."""

    def __init__(self, seen: TableTraining) -> None:
        """Show them to `seen`."""
        super().__init__()
        self.seen = seen

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Execute a call."""
        name = getattr(func, "__name__", "")
        if name == "backward":
            self.seen.before_backward(args[0])
        result = func(*args, **kwargs or {})
        if name in DRAWS:
            self.seen.draw(result)
        elif name in LOOK_UPS and len(args) > LOOK_UPS[name]:
            ids = args[LOOK_UPS[name]]
            self.seen.draw(ids if isinstance(ids, Tensor) and ids.dim() > 1 else None)
            self.seen.look_up(args, ids, result)
        elif name == "detach" or func == GET_DATA:
            self.seen.detach(args[0])
        return result


def _sources(tensor: Any) -> set[Tensor]:
    """Return the parameters that a tensor was computed from."""
    found, seen = set[Tensor](), set[Any]()
    left = [getattr(tensor, "grad_fn", None)]
    while left:
        node = left.pop()
        if node is None or node in seen or len(seen) > MOST_NODES:
            continue
        seen.add(node)
        if (variable := getattr(node, "variable", None)) is not None:
            found.add(variable)
        left += [each for each, _ in node.next_functions]
    return found


class Decoder:
    """A step function that returns given logits (B, C) at step t and adds 1 to the state (B, H)."""

    def __init__(self, logits: Tensor) -> None:
        """Return these logits, (B, T, C), step by step."""
        self.logits = logits
        self.calls: list[tuple[Any, Any]] = []

    def __call__(self, tokens: Any, state: Any) -> tuple[Tensor, Tensor]:
        """Record the input and return the logits and the new state."""
        steps = self.logits.shape[1]
        if len(self.calls) < MOST * steps:
            self.calls.append((plain(_copy(tokens)), plain(_copy(state))))
        return self.logits[:, min(len(self.calls), steps) - 1].clone(), state + 1


def decode(module: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `decode` several times, each time with a decoder that returns its `logits`.

    Returns:
        For each call its `result`, and the `steps`: the inputs (tokens, state) of the decoder.
    """
    function = student.get(module, "decode")
    seen = []
    for call in calls:
        decoder = Decoder(call["logits"].torch())
        state, targets = call["state"].torch(), call["targets"].torch()
        arguments = decoder, state, targets, call["start"], call["ratio"]
        result = student.attempt(call["text"], function, *arguments)
        seen.append({"result": plain(result), "steps": decoder.calls})
    return seen


class Writer(nn.Module):
    """A small language model that records its inputs, initial states and weights."""

    def __init__(self, weights: dict[str, Tensor], most: int) -> None:
        """Start from these weights; record at most `most` calls."""
        super().__init__()
        classes, features = weights["embedding.weight"].shape
        self.embedding = nn.Embedding(classes, features)
        self.reader = nn.LSTM(features, weights["read_out.weight"].shape[1], batch_first=True)
        self.read_out = nn.Linear(self.reader.hidden_size, classes)
        self.load_state_dict(weights)
        self.calls: list[dict[str, Any]] = []
        self.most = most

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Compute logits (B, T, C) and the new state from ids (B, T) and a state."""
        parts = state if isinstance(state, (list, tuple)) else ()
        tensors = [part for part in parts if isinstance(part, Tensor)]
        if len(self.calls) < self.most:
            self.calls.append(
                {
                    "ids": plain(_copy(ids)),
                    "state": plain(None if state is None else tuple(map(_copy, tensors))),
                    "attached": any(part.requires_grad for part in tensors),
                    "weights": self.copied(),
                }
            )
        outputs, new = self.reader(self.embedding(ids), state)
        return self.read_out(outputs), new

    def copied(self) -> dict[str, Tensor]:
        """Return a copy of the current weights."""
        return {name: weight.detach().clone() for name, weight in self.state_dict().items()}


def train_on_text(
    module: str, call: str, weights: dict[str, TensorData], text: TensorData, chunk: int, lr: float
) -> dict[str, Any]:
    """Call `train_on_text` with a small language model and plain SGD.

    Returns:
        Its `result`, the `calls` of the model, and the final `weights`.
    """
    function = student.get(module, "train_on_text")
    most = MOST * text.shape[1]
    model = Writer({name: weight.torch() for name, weight in weights.items()}, most)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    result = student.attempt(call, function, model, optimizer, text.torch(), chunk)
    return {"result": plain(result), "calls": model.calls, "weights": model.copied()}


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
