"""Checks of the task perplexity: `perplexity`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grader.checks._differences import about_number
from grader.checks._tools import (
    close_number,
    explain_error,
    generator,
    matching_mistake,
    require_number,
    require_unchanged,
    two_mistakes,
)
from grader.contract.messages import Failure
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial

if TYPE_CHECKING:
    from torch import Tensor


ROWS, STEPS, CLASSES = 3, 6, 5
PERPLEXITY = "perplexity(logits, targets, padding={})"
CERTAIN_CALL = f"{PERPLEXITY.format(0)} of a model that is certain and wrong"


def batch(submission: Submission, padding: int, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Sample logits (B, T, C) and targets (B, T) with padding after each sentence.

    The first target is 0 if that is not the padding, so that 0 for padding leaves out a target.
    """
    import torch

    draw = generator(1000 * submission.seed + padding)
    logits = 2 * torch.randn((ROWS, STEPS, CLASSES), generator=draw)
    ids = torch.tensor([id_ for id_ in range(CLASSES) if id_ != padding])
    targets = ids[torch.randint(len(ids), (ROWS, STEPS), generator=draw)]
    targets[0, 0] = ids[0]
    for row, length in enumerate(lengths):
        targets[row, length:] = padding
    return logits, targets


# padding id and lengths; no length twice, so that sentences and tokens count differently
SCENES = ((0, (STEPS,) * ROWS), (0, (6, 1, 3)), (CLASSES - 1, (2, 6, 3)))


# mean negative log-likelihoods of models that are certain and wrong; e to the power of the second
# does not fit into a float32
CERTAIN = (60.0, 150.0)


def certain_batch(submission: Submission, loss: float) -> tuple[Tensor, Tensor]:
    """Return logits whose largest is `loss` more than the others and belongs to a wrong token."""
    import torch

    _, targets = batch(submission, *SCENES[0])
    wrong = torch.nn.functional.one_hot((targets + 1) % CLASSES, CLASSES)
    return loss * wrong.float(), targets


@evidence
def perplexities(submission: Submission) -> list[CallResult]:
    """Call the function on a batch without padding, on two with padding, and on certain models."""
    calls = [
        Call(PERPLEXITY.format(padding), [*batch(submission, padding, lengths), padding])
        for padding, lengths in SCENES
    ]
    padding = SCENES[0][0]
    calls += [Call(CERTAIN_CALL, [*certain_batch(submission, loss), padding]) for loss in CERTAIN]
    return submission.call("perplexity", "perplexity", calls)


def surprises(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute in float64 the negative log-likelihood of each target, (B, T)."""
    logits = logits.double()
    shifted = logits - logits.max(2, keepdim=True).values
    logs: Tensor = shifted - shifted.exp().sum(2, keepdim=True).log()
    return -logs.gather(2, targets[..., None])[..., 0]


def check_number(submission: Submission) -> None:
    """The perplexity is a float."""
    call = PERPLEXITY.format(SCENES[0][0])
    known = {
        "Expected target size": "classes-not-second",
        f"target batch_size ({ROWS})": "targets-not-flattened",
        f"input batch_size ({ROWS})": "targets-not-flattened",
        "multi-target not supported": "targets-not-flattened",
    }
    explain_error(perplexities(submission)[0], call, "a float", known)
    require_number(perplexities(submission)[0].result, call)


def check_values(submission: Submission) -> None:
    """Without padding it is e to the power of the mean negative log-likelihood."""
    padding, lengths = SCENES[0]
    call = PERPLEXITY.format(padding)
    found = require_number(perplexities(submission)[0].result, call)
    logits, targets = batch(submission, padding, lengths)
    each = surprises(logits, targets)
    right = each.mean().exp().item()
    if close_number(found, right):
        _require_no_bound(submission)
        require_unchanged(perplexities(submission)[0], call, "logits, targets, padding")
        return
    end_trial()
    by_two = each.mean().item()
    viewed = logits.reshape(ROWS, CLASSES, STEPS).transpose(1, 2)
    mixed = logits.transpose(0, 1).reshape(logits.shape)
    mistakes = {
        "perplexity-shifted": surprises(logits[:, :-1], targets[:, 1:]).mean().exp().item(),
        "classes-viewed": surprises(viewed, targets).mean().exp().item(),
        "rows-in-another-order": surprises(mixed, targets).mean().exp().item(),
        "exp-of-bits": (each.mean() / math.log(2)).exp().item(),
        "exp-missing": by_two,
        "bits-returned": by_two / math.log(2),
        "two-to-the-nats": 2**by_two,
        "mean-of-perplexities": each.exp().mean().item(),
        "perplexity-softmax-twice": surprises(logits.softmax(2), targets).mean().exp().item(),
        "perplexity-inverted": 1 / right,
        "perplexity-of-the-sum": each.sum().exp().item(),
        "perplexity-no-softmax": (-logits.gather(2, targets[..., None]).mean()).exp().item(),
        "probabilities-in-nll": logits.softmax(2)
        .gather(2, targets[..., None])
        .mean()
        .neg()
        .exp()
        .item(),
        "perplexity-by-sentence": each.sum(1).mean().exp().item(),
        "perplexities-of-sentences": each.mean(1).exp().mean().item(),
    }
    told = f"{right:.4f} (without padding)"
    why: str | list[str] | None = matching_mistake(found, mistakes.items(), close_number)
    tokens = {
        "perplexity-shifted": surprises(logits[:, :-1], targets[:, 1:]),
        "classes-viewed": surprises(viewed, targets),
        "rows-in-another-order": surprises(mixed, targets),
        "perplexity-softmax-twice": surprises(logits.softmax(2), targets),
        "perplexity-no-softmax": -logits.gather(2, targets[..., None])[..., 0],
        "probabilities-in-nll": -logits.softmax(2).gather(2, targets[..., None])[..., 0],
    }
    note = about_number(found, right, {}) or _about_mean(found, right)
    if why is None and not note:
        pairs = _pairs_of_mistakes(tokens)
        why = two_mistakes(found, pairs, close_number) or "perplexity-differs"
    raise Failure(call, f"It returned {found:.4f}", told, why, note=note)


def _pairs_of_mistakes(tokens: dict[str, Tensor]) -> Iterator[tuple[str, str, float]]:
    """Yield what becomes of wrong losses of the tokens if they are put together in a wrong way."""
    for name, each in tokens.items():
        wrong = {
            "exp-missing": each.mean(),
            "bits-returned": each.mean() / math.log(2),
            "two-to-the-nats": 2 ** each.mean(),
            "mean-of-perplexities": each.exp().mean(),
            "perplexity-inverted": (-each.mean()).exp(),
            "perplexity-of-the-sum": each.sum().exp(),
            "perplexity-by-sentence": each.sum(1).mean().exp(),
            "perplexities-of-sentences": each.mean(1).exp().mean(),
        }
        for other, number in wrong.items():
            yield name, other, number.item()


def _about_mean(found: float, right: float) -> str:
    """Return what the mean before the exponential has to do with the correct one, or nothing."""
    if found <= 0:
        return ""
    if note := about_number(found, math.log(right), {}):
        return f"Look at the mean, and what is done to it. {note.replace('number', 'mean')}"
    sizes = {"B": ROWS, "T": STEPS, "C": CLASSES}
    note = about_number(math.log(found), math.log(right), sizes)
    return note and f"Look at the mean before the exponential. {note}"


def _require_no_bound(submission: Submission) -> None:
    """Require that a model that is certain and wrong has a very large perplexity, or infinity.

    Raises:
        Failure: the perplexity is smaller.
    """
    answers = perplexities(submission)[len(SCENES) :]
    for called, loss in zip(answers, CERTAIN, strict=True):
        found = called.result
        if isinstance(found, float) and found < math.exp(loss) * 0.999:
            told = f"e to the power of {loss:.0f}: about {math.exp(loss):.1e}"
            with local():
                raise Failure(CERTAIN_CALL, f"It returned {found:.1e}", told, "perplexity-bounded")


def check_padding(submission: Submission) -> None:
    """Padding does not count, and each real token counts the same."""
    answers = perplexities(submission)[1 : len(SCENES)]
    for called, (padding, lengths) in zip(answers, SCENES[1:], strict=True):
        call = f"{PERPLEXITY.format(padding)} with padding in targets"
        found = require_number(called.result, call)
        logits, targets = batch(submission, padding, lengths)
        each, real = surprises(logits, targets), targets != padding
        right = each[real].mean().exp().item()
        if close_number(found, right):
            continue
        means = (each * real).sum(1) / real.sum(1)
        mistakes = {
            "padding-in-the-mean": each.mean().exp().item(),
            "padding-logits-overwritten": each.where(real, each.new_tensor(math.log(CLASSES)))
            .mean()
            .exp()
            .item(),
            "padding-in-the-number": ((each * real).sum() / real.numel()).exp().item(),
            "mean-over-sentences": means.mean().exp().item(),
            "perplexities-of-sentences": means.exp().mean().item(),
        }
        if padding:
            mistakes["padding-id-fixed"] = each[targets != SCENES[1][0]].mean().exp().item()
        told = f"{right:.4f} (the mean over {int(real.sum())} real tokens)"
        why = matching_mistake(found, mistakes.items(), close_number) or "padding-differs"
        raise Failure(call, f"It returned {found:.4f}", told, why)
