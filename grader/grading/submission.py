"""The trusted side's handle on a submission: one typed method per operation of the worker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from grader.base import devices
from grader.contract import signatures
from grader.contract.enums import State, Tier
from grader.contract.tasks import MAIN, all_tasks, assignments, written_in
from grader.grading.answers import (
    CallResult,
    CollateSeen,
    DatasetSeen,
    DecodedText,
    Fitted,
    InstanceCalls,
    LoopSeen,
    ModelBuilt,
    ModelRun,
    ObservedCall,
    PipelineCall,
    PipelineSeen,
    Sizes,
    TableTraining,
    TextTraining,
    as_sent,
    reject_unless,
    structured,
    unwrap,
)
from grader.grading.calls import Call
from grader.grading.environment_fault import environment_fault
from grader.grading.leniency import lenient
from grader.grading.replacements import source
from grader.grading.trials import is_trial
from grader.sandbox.worker_client import FRESH, Report, Worker
from grader.worker.printed import Printed
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from grader.grading.vectors import Vectors

Batches = list[tuple[TensorData, TensorData]]
T = TypeVar("T")

LOAD_SECONDS = 45.0  # importing a module, torch and spaCy included
VECTOR_SECONDS = 60.0  # training word vectors
SECONDS = 20.0  # any other operation
PIPELINE_SECONDS = 60.0  # loading whole pipelines and running them


@dataclass(eq=False)
class Submission:
    """A submission in a worker.

    Attributes:
        worker: the worker that has the submission's files.
        seed: seed of the generated inputs, see `keys.input_seed`.
        wanted_device: one of `devices.DEVICES`.
        rows: the news for the task accuracy; None means the sample.
        secret: the course's secret; empty for the published one.
        digest: SHA-256 digest of the submission's files.
        names: the file names of the modules.
        modules: the module of a task, where it differs from the table's.
        state: returns the state of a task.
        log_probabilities: returns whether model and loop agree on log-probabilities: log_softmax
            in `forward` and nll_loss in the loop. That is one mistake, and it is the model's.
        broken: why a module does not run as a whole, if only some of its tasks can be graded.
        printed: what student code printed for the current check, call by call.
        memo: evidence gathered so far, see `evidence`.
        searched: seconds for which small changes were tried, see `edits`.
        initial: added to the seed of the worker, so that models get other initial weights.
    """

    worker: Worker
    seed: int = 0
    wanted_device: str = "cpu"
    rows: list[tuple[int, str]] | None = None
    secret: str = ""
    digest: str = ""
    names: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    state: Callable[[str], State] = lambda _task: State.DONE
    log_probabilities: Callable[[], bool] = lambda: False
    broken: dict[str, Raised] = field(default_factory=dict)
    printed: Printed = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)
    searched: float = 0.0
    initial: int = 0

    def module(self, task: str) -> str:
        """Return the module that holds a task in this submission."""
        return self.modules.get(task, all_tasks()[task].module)

    def reseeded(self, initial: int) -> Submission:
        """Return the same submission without evidence, for other initial weights."""
        loaded = {key: kept for key, kept in self.memo.items() if isinstance(key, str)}
        return replace(self, initial=initial, memo=loaded)

    @functools.cached_property
    def device(self) -> str:
        """Where models run; resolved on first use, because that imports torch."""
        if self.wanted_device == "auto" and self.worker.confinement is Tier.SANDBOX:
            return "cpu"  # it is not chosen where there is a GPU
        return devices.resolve(self.wanted_device)

    def _do(
        self,
        operation: str,
        modules: Sequence[str] = (),
        seconds: float | None = None,
        seed: int | None = None,
        report: Report | None = None,
        apart: str = "",
        **arguments: Any,
    ) -> Any:
        """Run an operation of the worker that uses these student modules, within `SECONDS`.

        `apart` is for operations with replacements: they share their process only with operations
        of the same `apart`. If it is `FRESH`, that holds where a process is cheap.
        """
        modules = modules or [operation.split(".")[0]]
        self.worker.use_modules(frozenset(modules), apart)
        for module in modules:
            self._load(module)
        seed = self.seed + self.initial if seed is None else seed
        seconds = SECONDS if seconds is None else seconds
        try:
            return unwrap(self.worker.call(operation, arguments, seconds, seed, report))
        finally:
            self.printed += self.worker.printed

    def _load(self, module: str) -> None:
        """Import a student module once; later calls raise the same exception.

        A missing name is reported by the operation that needs it.
        """

        def load(self: Submission) -> None:
            needs = [name for task in written_in(module) for name in task.names]
            arguments = {"name": module, "needs": needs}
            seen = self.worker.call("load.module", arguments, LOAD_SECONDS, self.seed, None)
            if isinstance(seen, Raised) and seen.kind == "missing_name":
                return
            for raised in structured(unwrap(seen), list[Raised])[:1]:
                if environment_fault(raised, self.worker):
                    unwrap(raised)
                self.broken[module] = raised

        self.once(module, load)

    def signatures(self, task: str) -> dict[str, str]:
        """Return the parameters of a task's functions, see `grader.contract.signatures`."""
        module, names = self.module(task), [*signatures.expected().get(task, {})]
        found = self._do("load.signatures", [module], module=module, names=names)
        return structured(found, dict[str, str])

    def end_to_end(self, rows: list[tuple[int, str]], val_rows: list[tuple[int, str]]) -> Any:
        """Run all four parts together for one epoch and return the history."""
        return self._do("fit.end_to_end", assignments()[MAIN].modules, rows=rows, val_rows=val_rows)

    def once(self, key: Any, gather: Callable[[Submission], T]) -> T:
        """Call `gather` once; later calls return the same result or raise the same exception."""
        if key not in self.memo:
            before, self.printed = self.printed, []
            try:
                self.memo[key] = (gather(self), None, self.printed)
            except Exception as error:
                self.memo[key] = (None, error, self.printed)
            self.printed = before
        found, raised, printed = self.memo[key]
        self.printed = self.printed + printed
        if raised is not None:
            raise raised
        return found  # type: ignore[no-any-return]

    def call(
        self,
        task: str,
        name: str,
        calls: Sequence[Call],
        seconds: float | None = None,
        without_built_in: bool = False,
        **process: Any,
    ) -> list[CallResult]:
        """Call a function of a task several times, with or without torch's recurrent layers.

        `process` may be the `seed` and the `apart` of the process, see `_do`.
        """
        module = self.module(task)
        arguments: dict[str, Any] = {"name": name, "calls": [call.plain() for call in calls]}
        if without_built_in:  # where a process is cheap, already while the module is imported
            is_fresh = self.worker.confinement is Tier.SANDBOX and not is_trial()
            arguments |= {"without_built_in": True, "is_fresh": is_fresh}
            process = {"apart": f"{FRESH}, without layers", **process}
        seen = self._do("call.function", [module], seconds, module=module, **arguments, **process)
        return structured(seen, list[CallResult], len(calls))

    def call_instance(
        self,
        task: str,
        name: str,
        make: Call,
        calls: Sequence[Call],
        state: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> tuple[dict[str, TensorData], list[CallResult]]:
        """Instantiate a class of a task, with these weights or its own, and call the object.

        Returns its weights by name (none unless it is an `nn.Module`) and the results of the calls.
        """
        module = self.module(task)
        seen = self._do(
            "call.instance",
            [module],
            seconds,
            module=module,
            name=name,
            make=make.plain(),
            state=state,
            calls=[call.plain() for call in calls],
        )
        found = structured(seen, InstanceCalls)
        reject_unless(len(found.called) == len(calls))
        return found.weights, found.called

    def word_vectors(self, task: str, text: str, **given: Any) -> TableTraining:
        """Train word vectors, with the student's loss replaced by the grader's."""
        module, operation = self.module(task), "beyond.word_vectors"
        arguments = {"module": module, "text": text, "loss": source("sampling_loss"), **given}
        seen = self._do(operation, [module], VECTOR_SECONDS, apart="loss", **arguments)
        return structured(seen, TableTraining)

    def decode(self, task: str, calls: list[dict[str, Any]]) -> list[DecodedText]:
        """Call `decode` with a decoder that returns given logits, once per set of logits."""
        module = self.module(task)
        seen = self._do("beyond.decode", [module], module=module, calls=calls)
        return structured(seen, list[DecodedText], len(calls))

    def train_on_text(self, task: str, **given: Any) -> TextTraining:
        """Call `train_on_text` with a small language model of the grader's."""
        module = self.module(task)
        seen = self._do("beyond.train_on_text", [module], module=module, **given)
        found = structured(seen, TextTraining)
        shapes = {name: (*weight.shape,) for name, weight in given["weights"].items()}
        for weights in [found.weights, *(call.weights for call in found.calls)]:
            reject_unless({name: weight.shape for name, weight in weights.items()} == shapes)
        return found

    def dataset(
        self, samples: Sequence[tuple[int, str]], indices: Sequence[int] = (), **how: bool
    ) -> DatasetSeen:
        """Make a `NewsDataset` and read what is in it; `how` is `once`, `length` or `alone`."""
        how = dict.fromkeys(("once", "length", "alone"), False) | how
        given: dict[str, Any] = {"samples": list(samples), "indices": list(indices), **how}
        found = structured(self._do("dataset.observe", **given), DatasetSeen)
        reject_unless(len(found.items) == len(indices))
        return found

    def collate(
        self, batches: Sequence[Sequence[tuple[str, int]]], *, apart: str = ""
    ) -> CollateSeen:
        """Make one `Collate` and call it on each batch of (text, target); `apart`: see `_do`."""
        batches = [list(batch) for batch in batches]
        seen = self._do("collate.observe", batches=batches, apart=apart)
        found = structured(seen, CollateSeen)
        parts = found.results, found.texts, found.embedded
        reject_unless(all(len(part) == len(batches) for part in parts))
        return found

    def build_model(self, sizes: Sizes, *, is_adapted: bool | None = None) -> ModelBuilt:
        """Construct an `LSTMClassifier` and list its parts.

        `is_adapted` makes up for wrong parameters and sizes; None: if a check is judged leniently.
        """
        is_adapted = lenient() if is_adapted is None else is_adapted
        seen = self._do("model.build", sizes=sizes, device=self.device, is_adapted=is_adapted)
        return structured(seen, ModelBuilt)

    def lstm_weights(self, sizes: Sizes) -> dict[str, TensorData]:
        """Return the parameters of the model's LSTM by their names in `nn.LSTM`."""
        weights = self._do("model.lstm_weights", sizes=sizes, is_adapted=lenient())
        return structured(weights, dict[str, TensorData])

    def lstm_learns(self, sizes: Sizes, padded: Any) -> dict[str, bool]:
        """Return whether the logits' gradient reaches each parameter of the model's LSTM."""
        seen = self._do("model.lstm_learns", sizes=sizes, padded=padded, is_adapted=lenient())
        return structured(seen, dict[str, bool])

    def run_model(
        self,
        sizes: Sizes,
        inputs: Sequence[Any],
        states: Sequence[tuple[Any, Any, Any] | None] | None = None,
        *,
        training: bool = False,
        apart: str = "",
    ) -> list[ModelRun]:
        """Call a model on each padded batch (B, T, F); `states` replace the output of its LSTM."""
        runs = self._do(
            "model.run",
            sizes=sizes,
            device=self.device,
            inputs=list(inputs),
            states=[None] * len(inputs) if states is None else list(states),
            training=training,
            is_adapted=lenient(),
            apart=apart,
        )
        return structured(runs, list[ModelRun], len(inputs))

    def run_model_elsewhere(self, sizes: Sizes, shape: tuple[int, ...]) -> str:
        """Call a model on a device other than the CPU; return the device type of its logits."""
        seen = self._do("model.run_elsewhere", sizes=sizes, shape=shape, is_adapted=lenient())
        return structured(seen, str)

    def evaluate(self, *, training: bool, **scenario: Any) -> LoopSeen:
        """Call the student's `evaluate` on a scenario's probe in the given mode."""
        seen = self._do(
            "train.evaluate",
            training=training,
            device=self.device,
            log_softmax=self.log_probabilities(),
            **scenario,
        )
        return as_sent(structured(seen, LoopSeen), scenario)

    def train(
        self, *, epochs: int, lr: float, tell_device: bool = False, **scenario: Any
    ) -> LoopSeen:
        """Call the student's `train` on a scenario's probe."""
        seen = self._do(
            "train.train",
            epochs=epochs,
            lr=lr,
            device=self.device,
            tell_device=tell_device,
            log_softmax=self.log_probabilities(),
            **scenario,
        )
        return as_sent(structured(seen, LoopSeen), scenario)

    def token_vectors(
        self, task: str, batches: Sequence[tuple[str, list[str], float | None]]
    ) -> list[PipelineCall]:
        """Call `token_vectors` on batches; observe the inputs of tok2vec.

        A batch is the call as shown to the student, the texts, and what tok2vec adds to vectors
        that it computes for several texts at a time; with None the result becomes plain data.
        """
        module = self.module(task)
        plain = [{"text": text, "texts": texts, "shift": shift} for text, texts, shift in batches]
        seen = self._do("text.vectors", [module], PIPELINE_SECONDS, module=module, batches=plain)
        return structured(seen, list[PipelineCall], len(plain))

    def sentence_states(self, task: str, calls: Sequence[dict[str, Any]]) -> list[ObservedCall]:
        """Call `sentence_states` on LSTMs and sentences; observe the inputs of each LSTM."""
        module = self.module(task)
        seen = self._do("text.states", [module], module=module, calls=list(calls))
        return structured(seen, list[ObservedCall], len(calls))

    def fast_pipeline(self, task: str, texts: list[str], batch_size: int) -> PipelineSeen:
        """Call `fast_pipeline` and run the returned pipeline on texts."""
        module = self.module(task)
        arguments: dict[str, Any] = {"texts": texts, "batch_size": batch_size}
        seen = self._do("text.pipeline", [module], PIPELINE_SECONDS, module=module, **arguments)
        return structured(seen, PipelineSeen)

    def fast_pipeline_calls(
        self, task: str, batches: list[list[str]], batch_size: int, step: int
    ) -> list[Any]:
        """Run the student's pipeline on batches, with calls counted in the vectors.

        Returns:
            The vectors of each batch, as in `PipelineSeen`.
        """
        module = self.module(task)
        arguments: dict[str, Any] = {"batches": batches, "batch_size": batch_size, "step": step}
        seen = self._do("text.calls", [module], PIPELINE_SECONDS, module=module, **arguments)
        return structured(seen, list[Any], len(batches))

    def fit(
        self,
        train: Vectors,
        val: Vectors,
        *,
        seconds: float,
        seed: int,
        own_model: bool,
        own_loop: bool,
        report: Report | None = None,
        **settings: Any,
    ) -> Fitted:
        """Train on vectors; the worker keeps the model for `predict`.

        `settings` are the arguments of the worker's `fit`: n_targets, epochs, lr, batch_size,
        hidden_size, num_layers, similar_lengths.
        """
        missing = {"model": not own_model, "loop": not own_loop}
        seen = self._do(
            "fit.fit",
            modules=_own_modules(own_model, own_loop),
            seconds=seconds,
            seed=seed,
            report=report,
            apart="fit",
            replacements={name: source(name) for name, is_missing in missing.items() if is_missing},
            train=train.labelled(),
            val=val.labelled(),
            device=self.device,
            **settings,
        )
        return structured(seen, Fitted)

    def predict(
        self, unseen: Vectors, *, seconds: float, seed: int, batch_size: int, own_loop: bool
    ) -> Any:
        """Classify with the student's model that `fit` trained; the worker gets no targets.

        Returns what should be logits (N, C).
        """
        return self._do(
            "fit.predict",
            modules=_own_modules(True, own_loop),
            seconds=seconds,
            seed=seed,
            apart="fit",
            sentences=unseen.unlabelled(),
            batch_size=batch_size,
            device=self.device,
        )


def _own_modules(own_model: bool, own_loop: bool) -> list[str]:
    own = {"model": own_model, "train": own_loop}
    return [module for module, is_own in own.items() if is_own]


def evidence(gather: Callable[[Submission], T]) -> Callable[[Submission], T]:
    """Make a function gather evidence once per submission; an exception is kept, too."""

    @functools.wraps(gather)
    def kept(submission: Submission) -> T:
        return submission.once(gather, gather)

    return kept
