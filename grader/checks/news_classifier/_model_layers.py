"""The recurrent layer of a student's model: what it must be, and what is there instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.checks._tools import draw
from grader.checks.news_classifier._model_runs import (
    SIZES,
    B,
    D,
    F,
    H,
    L,
    T,
    call,
    close_logits,
)
from grader.contract.messages import Failure, show
from grader.grading.answers import ModelBuilt, Sizes, StudentError
from grader.grading.leniency import leniently
from grader.grading.pipeline import FEATURES
from grader.grading.submission import Submission
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

    from grader.checks.news_classifier._model_runs import States

OTHER_LAYERS = {"GRU", "RNN", "GRUCell", "RNNCell", "LSTMCell"}
GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}  # of a kind of layer


def expect_lstm(submission: Submission, sizes: Sizes) -> None:
    """Require one `nn.LSTM` with these sizes."""
    known: dict[str, str | None] = {
        "bidirectional": "one-direction-lstm",
        "num_layers": "layers-ignored",
        "proj_size": None,
    }
    built = submission.build_model(sizes)
    if len(built.lstms) != 1:
        found = f"It has {len(built.lstms) or 'no'} nn.LSTM"
        mistake = "several-lstms" if built.lstms else why_no_lstm(submission, built)
        raise Failure(call(sizes), found, "one", mistake)
    expected = {"input_size": FEATURES, "hidden_size": 64, "num_layers": 2, **sizes}
    del expected["n_targets"]
    for name, size in {**expected, "bidirectional": True, "proj_size": 0}.items():
        seen = getattr(built.lstms[0], name)
        if seen != size:
            found = f"Its nn.LSTM has {name}={show(seen)}"
            lstm, why = built.lstms[0], known.get(name, "sizes-ignored")
            if (lstm.hidden_size, lstm.input_size) == (F, H):
                why = "sizes-swapped"
            elif name == "hidden_size" and seen == size // 2:
                why = "hidden-size-halved"
            raise Failure(call(sizes), found, f"{size}", why)


def why_no_lstm(submission: Submission, built: ModelBuilt) -> str:
    """Return the known mistake behind a model without an `nn.LSTM`."""
    if OTHER_LAYERS & {*built.modules}:
        return "other-recurrent-layer"
    try:
        same = [draw(submission.seed, B, T, F)] * 2
        first, second = submission.run_model(SIZES, same)
    except StudentError:
        return "no-lstm"
    if not first.lstm_calls:
        return "no-lstm"
    logits = [run.logits for run in (first, second)]
    if all(isinstance(each, TensorData) for each in logits):
        one, other = (each.torch().double() for each in logits)
        if one.shape == other.shape and not close_logits(one, other):
            return "lstm-created-in-forward"
    return "lstm-in-a-list"


def can_be_adapted(submission: Submission) -> bool:
    """Return whether the other checks can be judged with another layer, or with other sizes.

    The layer may be an nn.GRU or nn.RNN, ignore the sizes that the constructor gets, or be no
    attribute of the model.
    """
    try:
        lstms = submission.build_model(SIZES, is_adapted=True).lstms
        if not lstms:
            with leniently("model.builds"):
                (run,) = submission.run_model(SIZES, [draw(submission.seed, B, T, F)])
            return [seen.h_n_shape for seen in run.lstm_calls] == [(L * D, B, H)]
    except StudentError:
        return False
    sizes = [(each.input_size, each.hidden_size, each.num_layers) for each in lstms]
    return sizes == [(F, H, L)] and lstms[0].bidirectional is True and lstms[0].proj_size == 0


def expect_registered(submission: Submission) -> None:
    """Require that the layer is a part of the model, so that training reaches it."""
    built = submission.build_model(SIZES)
    if not built.lstms:
        found, mistake = "The nn.LSTM has no weights among them", why_no_lstm(submission, built)
        raise Failure(f"{call(SIZES)}.parameters()", found, "all weights", mistake)


def rebuilt_layer(submission: Submission, where: str) -> Callable[[Tensor, Any], States]:
    """Return the layer of a model, with its weights, outside of the model.

    Raises:
        Failure: the weights are not those of a layer with these sizes.
    """
    import torch

    weights = submission.lstm_weights(SIZES)
    first = weights.get("weight_ih_l0")
    gates = first.shape[0] // H if first is not None and first.shape else 0
    name = GATES.get(gates, "LSTM")
    bias = "bias_ih_l0" in weights
    kind = getattr(torch.nn, name)
    layer = kind(F, H, L, batch_first=True, bidirectional=True, bias=bias)
    forms = {name: tuple(weight.shape) for name, weight in layer.named_parameters()}
    if {name: weight.shape for name, weight in weights.items()} != forms:
        found = f"Its nn.LSTM has weights with the shapes {show(weights)}"
        raise Failure(where, found, "those of nn.LSTM with these sizes")
    layer.load_state_dict({name: weight.torch() for name, weight in weights.items()})

    def run(padded: Tensor, start: Any) -> States:
        with torch.no_grad():
            if name == "LSTM":
                output, (h_n, c_n) = layer(padded, start)
                return output, h_n, c_n
            output, h_n = layer(padded, None if start is None else start[0])
            return output, h_n, torch.zeros_like(h_n)

    return run
