"""Checks of the task sentence_states: `sentence_states`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import (
    argument_changed,
    close,
    draw,
    first_difference,
    numbers,
    require_tensor,
    showing,
    tensor_of,
)
from grader.checks.words_to_tensors._sentences import (
    F,
    H,
    alive_at,
    by_hand,
    draw_lengths,
    drawing,
    sentences_of,
)
from grader.contract.messages import Failure, waits_for
from grader.grading.answers import ObservedCall, unwrap
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


LAYERS = 2
PER_CALL = 64.0  # what each call of a coded LSTM adds to hidden states, which are within 1 of 0


def cases_of(submission: Submission) -> list[tuple[int, tuple[int, ...]]]:
    """Return numbers of layers, and lengths of sentences."""
    lengths = draw_lengths(submission)
    return [(LAYERS, lengths), (1, lengths), (3, lengths), (LAYERS, (3,))]


def calling_states(layers: int, lengths: Sequence[int]) -> str:
    """Format the call with an LSTM and sentences."""
    lstm = f"nn.LSTM({F}, {H}, {layers}, batch_first=True, bidirectional=True)"
    return f"sentence_states({lstm}, {drawing(lengths)})"


def lstm_of(submission: Submission, layers: int) -> Any:
    """Create a bidirectional LSTM with random weights."""
    from torch import nn

    lstm = nn.LSTM(F, H, layers, batch_first=True, bidirectional=True)
    size = sum(weight.numel() for weight in lstm.parameters())
    weights = iter(
        (0.5 * draw(submission.seed, size)).split([w.numel() for w in lstm.parameters()])
    )
    lstm.load_state_dict({n: next(weights).view(w.shape) for n, w in lstm.named_parameters()})
    return lstm.eval().requires_grad_(False)


@evidence
def states_seen(submission: Submission) -> list[ObservedCall]:
    """Call the function with LSTMs of 1 to 3 layers, a single sentence, and with a coded LSTM."""
    cases = cases_of(submission)
    calls = [
        {
            "text": calling_states(layers, lengths),
            "sizes": {"input_size": F, "hidden_size": H, "num_layers": layers},
            "state": dict(lstm_of(submission, layers).state_dict()),
            "sentences": sentences_of(submission, lengths),
            "per_call": per_call,
        }
        for (layers, lengths), per_call in [*((case, 0.0) for case in cases), (cases[0], PER_CALL)]
    ]
    return submission.sentence_states("sentence_states", calls)


def states_of(submission: Submission, which: int) -> Tensor:
    """Return the states, which must be float32 (B, 2 * H).

    Raises:
        Failure: the result has a different type or shape.
    """
    layers, lengths = cases_of(submission)[which]
    call, found = calling_states(layers, lengths), states_seen(submission)[which].result
    b = len(lengths)
    expected = tensor_of("float32", "(B, 2 * H)", (b, 2 * H))
    if isinstance(found, Raised) and "enforce_sorted" in found.message:
        raise Failure(call, found, expected, "order-enforced")
    if which and isinstance(found, Raised) and found.type != "NotImplementedError":
        why = "depth-hard-coded" if layers != LAYERS else None
        raise Failure(call, found, expected, why)
    shapes = {
        (b, H): "one-direction-of-two",
        (2 * layers, b, H): "all-of-h-n",
        (2 * layers, 2 * b, H): "pair-not-taken-apart",
        (b, 2 * layers * H): "all-layers-joined",
        (2, b, H): "directions-not-side-by-side",
        (2 * b, H): "directions-one-below-the-other",
        (2 * H,): "one-sentence-squeezed",
        (b, max(lengths), 2 * H): "states-of-all-steps",
    }

    def name_mistake(found: Any) -> str | None:
        if not isinstance(found, TensorData):
            return None
        if b > 1 and found.shape == (b, 2 * layers * H):
            h_n = _final_states(lstm_of(submission, layers), sentences_of(submission, lengths))
            if close(found.torch(), h_n.reshape(b, -1)):
                return "rows-mixed-by-a-view"
        return shapes.get(found.shape)

    return require_tensor(found, call, "float32", "(B, 2 * H)", (b, 2 * H), name_mistake)


def alone(lstm: Any, sentences: Sequence[Tensor]) -> Tensor:
    """Compute the states (B, 2 * H) by running each sentence alone."""
    import torch

    return torch.cat([*_final_states(lstm, sentences)[-2:]], dim=1)


def _final_states(lstm: Any, sentences: Sequence[Tensor]) -> Tensor:
    """Compute h_n (L * D, B, H) by running each sentence alone."""
    import torch

    return torch.cat([lstm(sentence[None])[1][0] for sentence in sentences], dim=1)


def require_states(submission: Submission, which: int) -> None:
    """Require the states of each sentence alone.

    Raises:
        Failure: a number differs.
    """
    found = states_of(submission, which)
    layers, lengths = cases_of(submission)[which]
    lstm, sentences = lstm_of(submission, layers), sentences_of(submission, lengths)
    expected = alone(lstm, sentences)
    if close(found, expected):
        return
    end_trial()
    call = calling_states(layers, lengths)
    b = next(b for b in range(len(lengths)) if not close(found[b], expected[b]))
    at, number, right = first_difference(found[b], expected[b])
    half = "forward" if at < H else "backward"
    wanted = f"{right}, the {half} state of an LSTM that reads sentence {b} alone"
    why = why_states(found, lstm, sentences)
    raise Failure(f"{call}[{b}, {at}]", f"It is {number}", wanted, why)


def why_states(found: Tensor, lstm: Any, sentences: Sequence[Tensor]) -> str | None:
    """Return the known mistake that leads to other states than each sentence's final ones."""
    import torch

    padded = by_hand(sentences)
    output, (h_n, _) = lstm(padded)
    in_packs = [lstm(sentence[None]) for sentence in sentences]
    right_states = alone(lstm, sentences)
    own_h = torch.cat([h for _, (h, _) in in_packs], dim=1)
    own_c = torch.cat([c for _, (_, c) in in_packs], dim=1)
    last = torch.stack([output[0, -1] for output, _ in in_packs])
    first = torch.stack([output[0, 0] for output, _ in in_packs])
    lengths = [len(sentence) for sentence in sentences]
    at_the_end = torch.stack([row[n - 1] for row, n in zip(output, lengths, strict=True)])
    own_end = torch.cat([at_the_end[:, :H], output[:, 0, H:]], dim=1)
    zeros = torch.zeros_like(right_states)
    of_box = torch.stack(
        [
            one if n == max(lengths) else zero
            for one, zero, n in zip(last, zeros, lengths, strict=True)
        ]
    )
    b = len(sentences)
    mistakes = {
        "padding-read": [torch.cat([*h_n[-2:]], 1), own_end, output[:, -1], at_the_end],
        "cell-state": [torch.cat([*own_c[-2:]], 1)],
        "first-layer": [
            torch.cat([own_h[one], own_h[other]], 1) for one, other in ((0, 1), (0, -1), (-2, 1))
        ],
        "halves-swapped": [right_states.roll(H, 1)],
        "output-at-the-last-token": [last],
        "output-of-padding": [of_box, torch.cat([of_box[:, :H], right_states[:, H:]], 1)],
        "output-first-step": [first],
        "rows-mixed-by-a-view": [own_h[-2:].reshape(b, 2 * H)],
        "depth-hard-coded": [torch.cat([*own_h[2:4]], 1)] if len(own_h) > 4 else [],
        "one-direction-twice": [torch.cat([own_h[d], own_h[d]], 1) for d in (-2, -1)],
    }
    for name, wrongs in mistakes.items():
        if any(close(found, wrong) for wrong in wrongs):
            return name
    longest_first = sorted(range(b), key=lambda i: -lengths[i])
    if close(found, right_states[sorted(range(b), key=longest_first.__getitem__)]):
        return "unsorted-twice"
    if _are_rows_of(found, right_states):
        return "sentences-reordered"
    halves = zip(found.split(H, 1), right_states.split(H, 1), strict=True)
    if all(_are_rows_of(half, right) for half, right in halves):
        return "halves-of-two-sentences"
    return "not-the-final-states"


def _are_rows_of(found: Tensor, right: Tensor) -> bool:
    """Return whether each row is one of the right rows."""
    return all(any(close(row, other) for other in right) for row in found)


def check_shape(submission: Submission) -> None:
    """The states have shape (B, 2 * H)."""
    with showing(states_seen(submission)[0].trace):
        states_of(submission, 0)


def check_states(submission: Submission) -> None:
    """Row b holds the final hidden states of sentence b alone, in both directions."""
    require_states(submission, 0)
    if states_seen(submission)[0].changed:
        with local():
            raise argument_changed(calling_states(*cases_of(submission)[0]), "sentences")


def check_layers(submission: Submission) -> None:
    """The states are those of the last layer, for any number of layers."""
    for which in (1, 2):
        require_states(submission, which)


def check_one_sentence(submission: Submission) -> None:
    """A single sentence works."""
    require_states(submission, 3)


def check_packed(submission: Submission) -> None:
    """The LSTM gets all sentences packed, in one call."""
    seen = states_seen(submission)[0]
    unwrap(seen.result)
    call, expected = calling_states(*cases_of(submission)[0]), "one call, with all sentences packed"
    alive = alive_at(draw_lengths(submission))
    if seen.given == [alive]:
        _require_first_call(submission, call, expected)
        return
    if not seen.given:
        raise Failure(call, "The given LSTM was not called", expected)
    times = len(seen.given)
    how = "once" if times == 1 else f"{times} times"
    if alive not in seen.given:
        why = "padding-read" if times == 1 else "sentences-one-by-one"
        text = f"The LSTM was called {how}, and never with all sentences packed"
        raise Failure(call, text, expected, why)
    raise Failure(call, f"The LSTM was called {how}", expected, "lstm-called-again")


def _require_first_call(submission: Submission, call: str, expected: str) -> None:
    """Require that all numbers come from the first call of a coded LSTM, on packed sentences."""
    coded = list(numbers(unwrap(states_seen(submission)[-1].result)))
    if not coded:
        raise waits_for("sentence_states.shape")
    calls = {round(each / PER_CALL) for each in coded if math.isfinite(each)} - {0}
    if calls != {1}:
        found = "The result does not come from one call of the LSTM on packed sentences"
        raise Failure(call, found, expected)
