"""Checks of the task teacher_forcing: `decode`, judged by the inputs of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_form, which_step
from grader.checks._tools import close, generator, matching_mistake, require_tensor
from grader.contract.messages import Failure, shape, show
from grader.grading.answers import DecodedText, unwrap
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import is_trial
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor


SENTENCES, LENGTH, HIDDEN, TOKENS = 3, 6, 4, 24
RATIO, LONG, TIMES = 0.25, 201, 10
SHORT_TIMES = 60  # one draw per call is never below RATIO with a probability of 3e-8
# Over 2,000 draws the share of forced steps differs from RATIO by more than this with a
# probability below 1e-9 (Hoeffding: 2 exp(-2 * 2000 * 0.075 ** 2) = 3.4e-10).
FAR_OFF = 0.075
BELOW = 0.599  # the share of normal numbers below RATIO
TOLERANCE = 1e-4
DECODE = "decode(step, state, targets, start={}, ratio={})"


def decoding(submission: Submission) -> dict[str, Any]:
    """Generate a batch: in each row the start, the targets and the choices are different tokens."""
    import torch

    draw = generator(1000 * submission.seed + 1)
    rows = torch.stack([torch.randperm(TOKENS - 1, generator=draw) for _ in range(SENTENCES)])
    targets, choices = rows[:, :LENGTH], rows[:, LENGTH : 2 * LENGTH]
    logits = torch.rand((SENTENCES, LENGTH, TOKENS), generator=draw)
    logits.scatter_(2, choices[..., None], 2.0)
    state = torch.randn((SENTENCES, HIDDEN), generator=draw)
    return {"logits": logits, "state": state, "targets": targets, "start": TOKENS - 1}


def long_decoding(submission: Submission, number: int) -> dict[str, Any]:
    """Generate a long batch: targets are 0 or 1, choices 2 or 3."""
    import torch

    draw = generator(1000 * submission.seed + 2 + number)
    targets = torch.randint(2, (2, LONG), generator=draw)
    choices = torch.randint(2, (2, LONG), generator=draw) + 2
    logits = torch.nn.functional.one_hot(choices, 5).float()
    return {"logits": logits, "state": torch.zeros(2, 1), "targets": targets, "start": 4}


@evidence
def decoded(submission: Submission) -> list[DecodedText]:
    """Decode with ratio 1, and twice with ratio 0: a choice that is drawn differs."""
    return _decode(
        submission, [{**decoding(submission), "ratio": ratio} for ratio in (1.0, 0.0, 0.0)]
    )


@evidence
def decoded_long(submission: Submission) -> list[DecodedText]:
    """Decode long texts several times, in a trial once, with a ratio between 0 and 1."""
    times = 1 if is_trial() else TIMES
    return _decode(
        submission, [{**long_decoding(submission, n), "ratio": RATIO} for n in range(times)]
    )


def _decode(submission: Submission, calls: list[dict[str, Any]]) -> list[DecodedText]:
    for call in calls:
        call["text"] = DECODE.format(call["start"], call["ratio"])
    return submission.decode("teacher_forcing", calls)


def fed_tokens(seen: DecodedText, call: str, rows: int, steps: int) -> Tensor:
    """Return the inputs of a decoder, (B, T).

    Raises:
        Failure: `step` was called too often or too rarely, or not with an int64 tensor (B,).
    """
    import torch

    unwrap(seen.result)
    if len(seen.steps) != steps:
        found = f"`step` was called {len(seen.steps)} times"
        why = "decoder-starts-at-step-1" if len(seen.steps) == steps - 1 else None
        raise Failure(call, found, f"one call for each of the T = {steps} steps", why)
    for number, (tokens, _) in enumerate(seen.steps, 1):
        fits = isinstance(tokens, TensorData) and tokens.dtype == "int64"
        if not fits or tokens.shape != (rows,):
            found = f"At step {number} `step` was fed {show(tokens)}"
            expected = f"the ids of tokens, an int64 tensor of shape ({rows},)"
            why = why_not_ids(tokens, rows)
            if number == 1 and isinstance(tokens, TensorData) and tokens.shape in ((1,), ()):
                why = "one-start-for-the-batch"
            note = about_form(tokens, "int64", (rows,))
            raise Failure(call, found, expected, why, note=note)
    return torch.stack([tokens.torch() for tokens, _ in seen.steps], dim=1)


def why_not_ids(tokens: Any, rows: int) -> str | None:
    """Return the known mistake behind an input of a step that has a wrong type or shape."""
    if not isinstance(tokens, TensorData):
        return "fed-one-number" if type(tokens) is int else None
    if tokens.shape == (rows,):
        return "pairs-not-int64"
    return {
        (rows, TOKENS): "logits-fed",
        (rows, 1): "fed-a-column",
        (1, rows): "fed-a-column",
        (TOKENS,): "argmax-over-the-batch",
        (): "argmax-over-the-batch",
    }.get(tokens.shape)


def fed(submission: Submission, number: int) -> tuple[str, Tensor]:
    """Return the call of one of the two short batches, and the inputs (B, T)."""
    ratio = (1.0, 0.0)[number]
    call = DECODE.format(TOKENS - 1, ratio)
    return call, fed_tokens(decoded(submission)[number], call, SENTENCES, LENGTH)


def check_shape(submission: Submission) -> None:
    """The result is the logits of all steps, (B, T, C), with one call of the decoder per step."""
    fed(submission, 0)
    with local():  # the other checks look at what the steps were fed
        _require_logits(submission)


def _require_logits(submission: Submission) -> None:
    call, dims = DECODE.format(TOKENS - 1, 1.0), (SENTENCES, LENGTH, TOKENS)
    seen = decoded(submission)[0].result
    if isinstance(seen, TensorData) and seen.shape == (LENGTH, SENTENCES, TOKENS):
        raise Failure(
            call, f"It returned {show(seen)}", f"shape {shape(dims)}", "decoded-time-first"
        )
    if isinstance(seen, TensorData) and seen.shape == (SENTENCES, LENGTH):
        raise Failure(call, f"It returned {show(seen)}", f"shape {shape(dims)}", "decoded-tokens")
    known = {
        (SENTENCES, TOKENS): "last-step-only",
        (SENTENCES * LENGTH, TOKENS): "joined-not-stacked",
        (LENGTH * SENTENCES, TOKENS): "joined-not-stacked",
        (SENTENCES, LENGTH * TOKENS): "joined-not-stacked",
        (SENTENCES, LENGTH - 1, TOKENS): "first-row-missing",
        (SENTENCES, LENGTH + 1, TOKENS): "first-row-added",
        list: "list-not-joined",
    }
    found = require_tensor(seen, call, "float32", "(B, T, C)", dims, known)
    right = decoding(submission)["logits"]
    if not close(found, right, TOLERANCE):
        why = why_other_logits(found, right)
        expected = "those that `step` returned, in order"
        raise Failure(call, "It returned different logits", expected, why)


def why_other_logits(found: Tensor, right: Tensor) -> str | None:
    """Return the known mistake behind other numbers than those of `step`."""
    import torch

    last = right[:, -1:].expand_as(right)
    others = right[:, :-1], right[:, 1:]
    if bool(found[:, 0].eq(0).all()) and any(close(found[:, 1:], o, TOLERANCE) for o in others):
        return "first-row-left-empty"
    choices = torch.nn.functional.one_hot(right.argmax(2), TOKENS).to(right.dtype)
    mistakes = [
        ("probabilities-for-logits", right.softmax(2)),
        ("probabilities-for-logits", right.log_softmax(2)),
        ("choices-for-logits", choices),
        ("one-row-for-all-steps", last),
        ("one-row-for-all-steps", torch.cat([torch.zeros_like(last[:, 1:]), last[:, :1]], dim=1)),
        ("one-row-for-all-steps", torch.cat([last[:, :1], torch.zeros_like(last[:, 1:])], dim=1)),
        ("steps-and-rows-mixed", right.transpose(0, 1).reshape(right.shape)),
    ]
    return matching_mistake(found, mistakes, lambda one, other: close(one, other, TOLERANCE))


def check_start(submission: Submission) -> None:
    """The input of the first step is the start token."""
    call, tokens = fed(submission, 0)
    if bool((tokens[:, 0] != TOKENS - 1).any()):
        found = f"The first input is {tokens[:, 0].tolist()}"
        target = bool((tokens[:, 0] == decoding(submission)["targets"][:, 0]).all())
        fixed = len({*tokens[:, 0].tolist()}) == 1
        why = "start-is-a-target" if target else "start-fixed" if fixed else None
        raise Failure(call, found, f"the token start = {TOKENS - 1} in each row", why)


def check_state(submission: Submission) -> None:
    """Each step gets the state that the previous step returned."""
    call, _ = fed(submission, 0)
    first = decoding(submission)["state"]
    for step, (_, seen) in enumerate(decoded(submission)[0].steps):
        state = seen.torch() if isinstance(seen, TensorData) else None
        if state is not None and close(state, first + step, TOLERANCE):
            continue
        again = state is not None and step > 0 and close(state, first, TOLERANCE)
        why = "decoder-state-not-carried" if again else None
        if not step and state is not None and not state.any():
            why = "decoder-starts-from-zeros"
        before = "previous step returned" if step else "encoder returned"
        found = f"Step {step + 1} got {'the first state again' if again else 'another state'}"
        raise Failure(call, found, f"the state that the {before}", why)


def check_forced(submission: Submission) -> None:
    """With ratio 1, the input of each step is the previous step's target."""
    require_fed(submission, 0)


def check_free(submission: Submission) -> None:
    """With ratio 0, the input of each step is the decoder's own choice at the previous step."""
    require_fed(submission, 1)


def require_fed(submission: Submission, number: int) -> None:
    """Require the correct inputs of all steps after the first.

    Raises:
        Failure: a token differs.
    """
    import torch

    call, tokens = fed(submission, number)
    scenario = decoding(submission)
    targets, choices = scenario["targets"], scenario["logits"].argmax(2)
    found, right = tokens[:, 1:], (targets, choices)[number][:, :-1]
    if torch.equal(found, right):
        return
    swapped = torch.equal(found, (choices, targets)[number][:, :-1])
    both = torch.equal(found, fed(submission, 1 - number)[1][:, 1:])
    known = {
        "teacher-tells-the-answer": torch.equal(found, targets[:, 1:]),
        "start-fed-again": bool((found == scenario["start"]).all()),
        "ratio-not-used": swapped and both,
        "ratio-swapped": swapped,
    }
    if number and not any(known.values()):
        again = fed_tokens(decoded(submission)[2], call, SENTENCES, LENGTH)
        known["choice-drawn"] = not torch.equal(again, tokens)
        known["choice-smallest"] = torch.equal(found, scenario["logits"].argmin(2)[:, :-1])
        known["argmax-over-the-batch"] = bool((found < len(found)).all())
    why = next((name for name, fits in known.items() if fits), None)
    step = int((found != right).any(0).nonzero()[0, 0])
    what = ("targets[:, {}]", "the choice at step {}")[number].format(step + (0, 1)[number])
    told = f"Step {step + 2} was fed {found[:, step].tolist()}"
    tables = {"targets[:, {}]": targets, "the decoder's choice at step {} (from 0)": choices}
    note = which_step(found[:, step].tolist(), tables)
    raise Failure(call, told, f"{right[:, step].tolist()}, {what}", why, note=note)


def _is_drawn_once_per_call(submission: Submission) -> bool:
    """Return whether some short texts are decoded with the right tokens, and others without."""
    calls = [{**decoding(submission), "ratio": RATIO} for _ in range(SHORT_TIMES)]
    right = calls[0]["targets"][:, :-1]
    tokens = [
        fed_tokens(seen, call["text"], SENTENCES, LENGTH)[:, 1:]
        for seen, call in zip(_decode(submission, calls), calls, strict=True)
    ]
    return len({bool((each == right).all()) for each in tokens}) > 1


def check_mixed(submission: Submission) -> None:
    """With a ratio between, this share of the steps is forced, chosen at random at each step."""
    forced = []
    call = DECODE.format(4, RATIO)
    for number, seen in enumerate(decoded_long(submission)):
        scenario = long_decoding(submission, number)
        tokens = fed_tokens(seen, call, 2, LONG)[:, 1:]
        right, own = scenario["targets"][:, :-1], scenario["logits"].argmax(2)[:, :-1]
        if bool(((tokens != right) & (tokens != own)).any()):
            found = "The input of a step is neither the right token nor the decoder's choice"
            raise Failure(call, found, "one of the two at the previous step")
        forced.append((tokens == right).double().mean().item())
    share = sum(forced) / len(forced)
    whole = sum(one in (0.0, 1.0) for one in forced)
    if not whole and abs(share - RATIO) <= FAR_OFF * (2 if is_trial() else 1):
        return
    why = None
    if whole:
        drawn = len({*forced}) > 1 or _is_drawn_once_per_call(submission)
        why = "one-draw-for-all-steps" if drawn else "ratio-not-drawn"
    elif abs(share - (1 - RATIO)) <= FAR_OFF:
        why = "ratio-swapped"
    elif abs(share - BELOW) <= FAR_OFF:
        why = "normal-numbers-drawn"
    found = f"{share:.0%} of {TIMES * (LONG - 1):,} steps were fed the right token"
    if whole:
        found = f"In {whole} of {TIMES} calls all steps, or none, were fed the right token"
    raise Failure(call, found, f"a fraction of about {RATIO:.0%} in each call", why)
