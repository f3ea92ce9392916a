"""Checks of the task truncated: `train_on_text`, judged by the inputs of the model."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_number
from grader.checks._tools import (
    close,
    close_number,
    draw_each,
    generator,
    is_generator,
    matching_mistake,
)
from grader.contract.messages import Failure, shape, show
from grader.grading.answers import LanguageModelCall, TextTraining, unwrap
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


TEXTS, CHARACTERS, CHUNK, LETTERS, FEATURES, UNITS, RATE = 2, 12, 4, 6, 5, 4, 0.5
TRAIN = f"train_on_text(model, optimizer, text, chunk={CHUNK})"
REST = 2 * CHUNK + 2  # characters of a text whose last chunk has one character to predict
TOLERANCE = 1e-4
RAISED = {  # known mistakes by what torch and Python say
    "'tuple' object has no attribute": "pair-detached",
    "'list' object has no attribute": "pair-detached",
    "Expected target size": "classes-not-second",
    f"target batch_size ({TEXTS})": "targets-not-flattened",
    f"input batch_size ({TEXTS})": "targets-not-flattened",
    "multi-target not supported": "targets-not-flattened",
    "'NoneType' object has no attribute 'detach": "none-detached",
    "'NoneType' object has no attribute 'data": "none-detached",
    "'Writer' object has no attribute": "model-has-no-such-name",
}
State = tuple[Any, Any]
Retarget = Callable[["Tensor", "Tensor"], "Tensor"]


def start_weights(seed: int) -> dict[str, Tensor]:
    """Sample the weights of a small language model, such that no gradient is longer than 1.

    So a loop that clips gradients to that length, as is usual, takes the same steps.
    """
    dims = {
        "embedding.weight": (LETTERS, FEATURES),
        "reader.weight_ih_l0": (4 * UNITS, FEATURES),
        "reader.weight_hh_l0": (4 * UNITS, UNITS),
        "reader.bias_ih_l0": (4 * UNITS,),
        "reader.bias_hh_l0": (4 * UNITS,),
        "read_out.weight": (LETTERS, UNITS),
        "read_out.bias": (LETTERS,),
    }
    weights = draw_each(1000 * seed + 3, *dims.values())
    return {name: 0.4 * weight for name, weight in zip(dims, weights, strict=True)}


def text_ids(submission: Submission) -> Tensor:
    """Return ids of characters, (B, N), see `_text_ids`."""
    return _text_ids(submission.seed)


@functools.lru_cache(maxsize=4)
def _text_ids(seed: int) -> Tensor:
    """Sample ids such that known mistakes differ.

    Wrong targets differ in every chunk, and wrong losses in the first chunk.
    """
    import torch

    draw, weights = generator(1000 * seed + 4), start_weights(seed)
    while True:
        text = torch.randint(LETTERS, (TEXTS, CHARACTERS), generator=draw)
        chunks = chunks_of(text)
        if all(_are_different(*chunk) for chunk in chunks):
            logits, _ = read({k: w.double() for k, w in weights.items()}, chunks[0][0], None)
            if _lead_to_different_losses(logits, *chunks[0]):
                return text


def chunks_of(text: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut a text into chunks of inputs and targets, (B, T) each."""
    pairs = zip(text[:, :-1].split(CHUNK, 1), text[:, 1:].split(CHUNK, 1), strict=True)
    return list(pairs)


def _are_different(ids: Tensor, targets: Tensor) -> bool:
    found = [targets, *(wrong(ids, targets) for _, wrong in wrong_targets())]
    return len({str(each.tolist()) for each in found}) == len(found)


def _lead_to_different_losses(logits: Tensor, ids: Tensor, targets: Tensor) -> bool:
    wrong = list(_wrong_losses(logits, ids, targets))
    found = [("", _loss(logits, targets).item()), *wrong]
    return not any(
        one != other and close_number(loss, another, 2e-4)
        for (one, loss), (other, another) in itertools.combinations(found, 2)
    )


def _loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Compute the loss of as many characters as have a target."""
    import torch

    rows = logits[:, : targets.shape[1]].mT
    return torch.nn.functional.cross_entropy(rows, targets, reduction=reduction)


def wrong_targets() -> list[tuple[str, Retarget]]:
    """Return known mistakes with the targets of a chunk, which they compute from ids and targets.

    Targets that are made from the ids of one chunk lack the character after it. With fewer targets,
    the last characters predict nothing.
    """
    import torch

    def ends_with(last: Callable[[Tensor], Tensor]) -> Retarget:
        return lambda ids, _: torch.cat([ids[:, 1:], last(ids)], dim=1)

    of_its_own = "last-target-of-its-own-chunk"
    return [
        ("targets-not-shifted", lambda ids, _: ids),
        ("shifted-inside-the-chunks", lambda ids, _: ids[:, 1:]),
        (of_its_own, ends_with(lambda ids: ids[:, :1])),
        (of_its_own, ends_with(lambda ids: ids[:, -1:])),
        (of_its_own, ends_with(lambda ids: 0 * ids[:, :1])),
        (of_its_own, ends_with(lambda ids: ids[:, :1].roll(-1, 0))),
        ("targets-shifted-back", lambda ids, _: ids.roll(1, 1)),
        ("targets-shifted-back", lambda ids, _: torch.cat([0 * ids[:, :1], ids[:, :-1]], dim=1)),
        ("targets-of-another-text", lambda ids, _: ids.roll(-1, 0)),
        ("targets-of-another-text", lambda _, targets: targets.roll(-1, 0)),
    ]


def read(
    weights: dict[str, Tensor], ids: Tensor, state: State | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Compute the logits (B, T, C) and the new state of the model with these weights."""
    import torch

    lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True).double()
    own = {k.removeprefix("reader."): w for k, w in weights.items() if k.startswith("reader.")}
    inputs = weights["embedding.weight"][ids]
    outputs, new = torch.func.functional_call(lstm, own, (inputs, state))
    return outputs @ weights["read_out.weight"].T + weights["read_out.bias"], new


def learned(
    submission: Submission, mistake: str = "", retarget: Retarget | None = None
) -> dict[str, Tensor]:
    """Train with plain SGD in float64, correctly or with a mistake; return the weights."""
    import torch

    weights = {k: w.double().requires_grad_() for k, w in start_weights(submission.seed).items()}
    text, state = text_ids(submission), None
    sums = dict.fromkeys(weights, torch.tensor(0.0))
    late = 0.0 * weights["read_out.bias"].sum()
    for ids, right in chunks_of(text):
        targets = retarget(ids, right) if retarget else right
        logits, (h, c) = read(weights, ids, state)
        state = h.detach(), c.detach()
        loss = _loss(logits, targets, "sum" if mistake == "loss-summed" else "mean")
        late = late + loss
        if mistake in ("one-step-for-the-text", "no-step"):
            continue
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            sums[name] = sums[name] + gradient if mistake == "gradients-not-cleared" else gradient
            weights[name] = (weight - RATE * sums[name]).detach().requires_grad_()
    if mistake == "one-step-for-the-text":
        gradients = torch.autograd.grad(late, list(weights.values()))
        return {
            name: weight - RATE * gradient
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
    return weights


def training(submission: Submission, text: Tensor) -> TextTraining:
    """Train the small model on a text with the student's function."""
    return submission.train_on_text(
        "truncated",
        call=TRAIN,
        weights=start_weights(submission.seed),
        text=text,
        chunk=CHUNK,
        lr=RATE,
    )


@evidence
def trained_on_a_rest(submission: Submission) -> TextTraining:
    """Train the small model on a text whose last chunk has a single character."""
    return training(submission, text_ids(submission)[:, :REST])


@evidence
def trained(submission: Submission) -> TextTraining:
    """Train the small model with the student's function.

    Raises:
        Failure: the function raised an exception that a known mistake leads to.
    """
    seen = training(submission, text_ids(submission))
    if isinstance(seen.result, Raised):
        for words, mistake in RAISED.items():
            if words in seen.result.message:
                raise Failure(TRAIN, seen.result, "a list of losses", mistake)
    if isinstance(seen.result, Raised) and "batch_size" in seen.result.message:
        ids = [each.ids.tolist() for each in seen.calls if isinstance(each.ids, TensorData)]
        if ids == [part.tolist() for part in text_ids(submission).split(CHUNK, dim=1)]:
            raise Failure(TRAIN, seen.result, "a list of losses", "last-character-read")
    if isinstance(seen.result, Raised) and any(call.attached for call in seen.calls):
        found = f"It raised {seen.result.type}, because `backward` went back into an earlier chunk"
        raise Failure(TRAIN, found, "gradients that stay inside a chunk", "state-not-detached")
    unwrap(seen.result)
    return seen


def check_chunks(submission: Submission) -> None:
    """The model reads the texts chunk by chunk, in order, including the shorter last one."""
    require_chunks(trained(submission), text_ids(submission))
    with local():
        require_chunks(trained_on_a_rest(submission), text_ids(submission)[:, :REST])


def require_chunks(seen: TextTraining, text: Tensor) -> None:
    """Require that the model read the text, without its last character, in chunks.

    Raises:
        Failure: it read something else.
    """
    unwrap(seen.result)
    found = [call.ids for call in seen.calls]
    right = [part.tolist() for part in text[:, :-1].split(CHUNK, dim=1)]
    read_ = [ids.tolist() if isinstance(ids, TensorData) else None for ids in found]
    if read_ == right:
        return
    known = {
        "text-not-cut": [text[:, :-1].tolist()],
        "last-loss-dropped": right[:-1],
        "last-character-read": [part.tolist() for part in text.split(CHUNK, dim=1)],
        "chunks-overlap": [
            text[:, start : start + CHUNK].tolist() for start in range(text.shape[1] - CHUNK)
        ],
        "shifted-inside-the-chunks": [
            part[:, :-1].tolist() for part in text.split(CHUNK, dim=1) if part.shape[1] > 1
        ],
        "chunks-along-the-batch": [part.tolist() for part in text[:, :-1].split(1, dim=0)],
        "texts-one-by-one-in-chunks": [
            part.tolist() for row in text.split(1) for part in row[:, :-1].split(CHUNK, dim=1)
        ],
        "targets-two-ahead": [part.tolist() for part in text[:, :-2].split(CHUNK, dim=1)],
    }
    one_longer = text.split(CHUNK + 1, dim=1)
    pieces = [part[:, :-1].tolist() for part in one_longer if part.shape[1] > 1]
    found_by = [*known.items(), ("shifted-inside-the-chunks", pieces)]
    why = matching_mistake(read_, found_by, operator.eq)
    told = ", ".join(show_ids(ids) for ids in found[:4]) or "none"
    told += ", ..." if len(found) > 4 else ""
    shapes = ", ".join(shape((TEXTS, len(part[0]))) for part in right)
    texts = f"text of shape (B, N) = {shape((*text.shape,))}"
    raise Failure(
        f"{TRAIN} with a {texts}",
        f"The model read ids of these shapes: {told}",
        f"{len(right)} chunks (B, T), {shapes}, all of text[:, :-1]",
        why,
    )


def show_ids(ids: Any) -> str:
    """Format the shape of a model's input."""
    return shape(ids.shape) if isinstance(ids, TensorData) else show(ids)


def call_weights(call: LanguageModelCall) -> dict[str, Tensor]:
    """Return the model's weights at a call, in float64."""
    return {name: weight.torch().double() for name, weight in call.weights.items()}


def call_state(call: LanguageModelCall) -> tuple[Tensor, Tensor] | None:
    """Return the initial state of a call, or None if there was none."""
    parts = call.state
    if not isinstance(parts, tuple) or len(parts) != 2:
        return None
    if not all(isinstance(part, TensorData) and part.shape == (1, TEXTS, UNITS) for part in parts):
        return None
    h, c = (part.torch().double() for part in parts)
    return (h, c) if h.any() or c.any() else None


def _same_state(found: State, expected: State) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(close(one, other, TOLERANCE) for one, other in pairs)


def check_state(submission: Submission) -> None:
    """Each chunk starts from the final state of the previous chunk."""
    calls = trained(submission).calls
    if call_state(calls[0]) is not None:
        found = "The model started the texts from a state that is not zero"
        raise Failure(TRAIN, found, "None before the first chunk")
    for number, (before, call) in enumerate(itertools.pairwise(calls), 2):
        with_weights = read(call_weights(before), before.ids.torch(), call_state(before))
        state, right = call_state(call), with_weights[1]
        if state is not None and _same_state(state, right):
            continue
        why = None
        if state is None:
            why = "state-reset"
        elif _same_state(state, right[::-1]):
            why = "state-parts-swapped"
        elif _same_state(state, (right[0], 0 * right[1])):
            why = "cell-state-not-carried"
        elif _same_state(state, (0 * right[0], right[1])):
            why = "only-cell-state-carried"
        found = f"Chunk {number} started from {'zeros' if state is None else 'another state'}"
        raise Failure(TRAIN, found, "the state at the end of the previous chunk", why)


def check_detached(submission: Submission) -> None:
    """No gradient flows from a chunk into the previous one."""
    for number, call in enumerate(trained(submission).calls, 1):
        if call.attached:
            found = f"The first state of chunk {number} is still connected to the previous chunk"
            raise Failure(TRAIN, found, "a state without its history", "state-not-detached")


def check_losses(submission: Submission) -> None:
    """The losses are the mean cross-entropies of the chunks, as floats."""
    with local():  # the steps do not depend on what is returned
        _require_losses(submission)


def _require_losses(submission: Submission) -> None:
    seen = trained(submission)
    found = seen.result
    if type(found) is not list or len(found) != len(seen.calls):
        expected = f"a list of {len(seen.calls)} floats, one per chunk"
        why = "one-loss-returned" if type(found) is float else None
        why = "generator-returned" if is_generator(found) else why
        raise Failure(TRAIN, f"It returned {show(found)}", expected, why)
    if any(isinstance(loss, TensorData) for loss in found):
        raise Failure(TRAIN, f"It returned {show(found)}", "a list of floats", "losses-are-tensors")
    if any(type(loss) is not float for loss in found):
        raise Failure(TRAIN, f"It returned {show(found)}", "a list of floats")
    earlier: list[float] = []
    chunks = chunks_of(text_ids(submission))
    for number, (loss, call, chunk) in enumerate(zip(found, seen.calls, chunks, strict=True), 1):
        logits, _ = read(call_weights(call), chunk[0], call_state(call))
        right = _loss(logits, chunk[1]).item()
        if close_number(loss, right):
            earlier.append(right)
            continue
        so_far = ("losses-of-all-chunks-so-far", (sum(earlier) + right) / number)
        known = [so_far, *_wrong_losses(logits, *chunk)]
        why = matching_mistake(loss, known, functools.partial(close_number, tolerance=1e-5))
        note = about_number(loss, right, {"B": TEXTS, "T": CHUNK, "C": LETTERS})
        told = f"The loss of chunk {number} is {loss:.4f}"
        raise Failure(TRAIN, told, f"{right:.4f}", why, note=note)


def _wrong_losses(logits: Tensor, ids: Tensor, targets: Tensor) -> Iterator[tuple[str, float]]:
    """Yield known mistakes and the losses of a chunk that they lead to."""
    from torch.nn.functional import cross_entropy, nll_loss

    right, rows, flat = _loss(logits, targets).item(), logits.flatten(0, 1), targets.flatten()
    for name, wrong in wrong_targets():
        yield name, _loss(logits, wrong(ids, targets)).item()
    yield "loss-summed", right * targets.numel()
    yield "rows-in-another-order", cross_entropy(logits.transpose(0, 1).flatten(0, 1), flat).item()
    yield "classes-viewed", cross_entropy(logits.reshape(len(ids), LETTERS, -1), targets).item()
    yield "perplexity-no-softmax", nll_loss(rows, flat).item()
    yield "probabilities-in-nll", nll_loss(rows.softmax(1), flat).item()
    yield "perplexity-softmax-twice", _loss(logits.softmax(2), targets).item()
    yield "loss-of-the-last-character", cross_entropy(logits[:, -1], targets[:, -1]).item()
    for factor in (*targets.shape, *(1 / size for size in (*targets.shape, targets.numel()))):
        yield "loss-scaled", right * factor


def _is_scaled(submission: Submission) -> bool:
    """Return whether the first step of the optimizer goes along the gradient, but too far or not.

    Plain SGD multiplies all numbers of the gradient by its rate.
    """
    import torch

    first, second = (call_weights(call) for call in trained(submission).calls[:2])
    own = {name: weight.requires_grad_() for name, weight in first.items()}
    chunk = text_ids(submission)[:, : CHUNK + 1]
    logits, _ = read(own, chunk[:, :-1], None)
    rows, targets = logits.flatten(0, 1), chunk[:, 1:].flatten()
    loss = torch.nn.functional.cross_entropy(rows, targets)
    right = torch.cat([each.flatten() for each in torch.autograd.grad(loss, [*own.values()])])
    found = torch.cat([(first[name].detach() - second[name]).flatten() for name in first])
    length = found.norm() / right.norm()
    along = torch.dot(found, right) / (found.norm() * right.norm())
    return bool(length > 0) and along.item() > 0.999 and not close_number(length.item(), RATE, 1e-2)


def check_learns(submission: Submission) -> None:
    """Each chunk is one optimizer step along the chunk's own gradient."""
    found = {name: weight.torch().double() for name, weight in trained(submission).weights.items()}

    def fits(weights: dict[str, Tensor]) -> bool:
        return all(close(found[name], weight.detach(), 1e-3) for name, weight in weights.items())

    if fits(learned(submission)):
        return
    known = ("gradients-not-cleared", "no-step", "one-step-for-the-text", "loss-summed")
    why = next((name for name in known if fits(learned(submission, name))), None)
    if why is None:
        targets = ((name, learned(submission, retarget=wrong)) for name, wrong in wrong_targets())
        why = next((name for name, weights in targets if fits(weights)), None)
    why = why or ("steps-of-another-length" if _is_scaled(submission) else "steps-not-these")
    told = "The final weights differ from those of one step per chunk"
    if why == "no-step":
        told = "The final weights equal the initial ones"
    raise Failure(TRAIN, told, "zero_grad, backward and step once per chunk", why)
