"""Learners: LightningModules that learn across the source tasks of a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import Callback
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.example_checks import check_target_space
from tlml.data.spaces import same_space, space_from_plain, space_to_plain
from tlml.data.tasks import Batch, Episode
from tlml.errors import TlmlError, check_not_negative
from tlml.learners.adapter import TargetAdapter, adapter_for
from tlml.learners.consolidation import BUFFER, Consolidation, stream_of
from tlml.learners.evaluation import (
    Evaluation,
    differentiable,
    episode_number,
    gather_records,
    half_intervals,
)
from tlml.learners.keyed_draws import KeyedDraws
from tlml.learners.new_data import predict_batch
from tlml.learners.retention import Retention
from tlml.learners.run_log import LogConfiguration, log_measured
from tlml.learners.saved_names import SafelyLoaded
from tlml.learners.target_kinds import check_target_kind
from tlml.learners.together import Together
from tlml.recorded import Recorded, plain
from tlml.registry.instances import build
from tlml.registry.registry import default_registry
from tlml.strategies.strategy import Strategy
from tlml.version import tlml_version
from tlml.views.base import KeyedLoader, View, ViewSpaces, begin_epoch, view_of
from tlml.views.contract import Place, Played
from tlml.views.episode import EpisodeView
from tlml.views.pair import PairView
from tlml.views.stream import StreamView
from tlml.views.stream_identity import check_same_stream, stream_identity
from tlml.views.table import view_type_of


class Learner(Recorded, SafelyLoaded, ABC):
    """A LightningModule that learns across source tasks, and predicts for a task from a support.

    A subclass sets `view_type` and writes `predict`; `GradientLearner` does so for networks. What a
    batch is of says how it is measured (`tlml.views.View.measure`): episodes are adapted to, task
    by task, by the view's strategy or the learner's own; pairs and streams are predicted as they
    are; environments are acted in. After a test `records` holds one dict for each episode.

    Args:
        strategy: What takes part in training, and adapts unless a test names another: a
            `Strategy`, a registered name, or ``{"name": ..., "options": {...}}``.
        seed: The key of initialisations.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: The strategy belongs to another learner, or an option is out of range.
    """

    view_type: ClassVar[type[View]]
    # Whether what `prepare` registers as buffers is the same in all processes of a fit.
    equal_buffers: ClassVar[bool] = False
    strategy: Strategy
    records: list[dict[str, Any]]

    def __init__(
        self,
        *,
        strategy: Strategy | str | dict[str, Any] | None = None,
        seed: int = 0,
        spaces: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_not_negative(seed=seed)
        self.seed = seed
        self.strategy = as_strategy(strategy)
        self.view_spaces = spaces_from_plain(spaces)
        self._prepared = False
        self._own_buffers: tuple[str, ...] = ()
        # Prepared once for all episodes of a test; in a tuple, where torch takes the network in it
        # for no part of this.
        self._adapting: tuple[TargetAdapter, Together | None] | tuple[()] = ()
        self.save_hyperparameters(plain(self.options), logger=False)  # LogConfiguration does that
        if self._consolidates():
            self.register_buffer(BUFFER, torch.zeros((), dtype=torch.int64))

    # Meeting a view

    def view(self, domain: Domain[Any], **options: Any) -> View:
        """Return the view of a domain that this learner trains on, and build for its spaces."""
        made = self.view_type(domain, **options)
        self.meet(made.spaces)
        return made

    def meet(self, spaces: ViewSpaces) -> None:
        """Take the spaces of the view to train on.

        Raises:
            TlmlError: The learner was built for other ones, or it or its strategy needs targets of
                another kind.
        """
        check_target_space(spaces.y, type(self).__name__)
        self.check_spaces(spaces)
        self.view_spaces = spaces
        self.hparams["spaces"] = spaces_to_plain(spaces)
        self._build_for(spaces)
        self._prepare_once(spaces)
        # Last: a learner that says more of what it needs has said it by now.
        check_target_kind("learner", type(self), spaces.y)
        check_target_kind("strategy", type(self.strategy), spaces.y)

    def check_spaces(self, spaces: ViewSpaces) -> None:
        """Raise where the learner was built for other spaces than these.

        Raises:
            TlmlError: It names both.
        """
        known = self.view_spaces
        if known is not None and not (
            same_space(known.x, spaces.x) and same_space(known.y, spaces.y)
        ):
            raise TlmlError(
                f"{type(self).__name__}: it was built for inputs {known.x} and targets {known.y}; "
                f"the view has {spaces.x} and {spaces.y}"
            )

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make what the learner owns beside a network, such as the buffers of a memory.

        Called once, as soon as the spaces are known and the network, if there is one, is built:
        when a view is met, or when a checkpoint is loaded. What is made should be registered
        (parameters, buffers, modules), so that it is saved and found again. Where several processes
        would give buffers other values, as a memory of what each has seen, a fit has one process; a
        learner of which that is not so sets `equal_buffers`.
        """

    def check(self, view: View) -> None:
        """Raise where this learner can't train on a view; called before a fit, and by suites."""

    def costs(self) -> dict[str, float]:
        """Return what a fit took beside time, by name, such as ``memory_examples``.

        Suites ask when the fit has ended, and show what their tables have a column for.
        """
        return {}

    def courses(self) -> dict[str, list[tuple[int, float]]]:
        """Return what was measured on the way of a fit, by name: steps with a value each.

        Suites ask when the fit has ended, keep it with the result, and draw it.
        """
        return {}

    def current_view(self) -> View | None:
        """Return the view that the Trainer uses: its datamodule, or whose loaders it has."""
        return None if self._trainer is None else view_of(self._trainer)

    # Predicting

    @abstractmethod
    def predict(self, support: Batch, x: Tensor) -> Tensor:
        """Predict for the inputs `x` of a task of which `support` is known.

        Args:
            support: ``Batch(x [K, ...], y [K, ...])``; may be empty.
            x: ``[n, ...]``; may serve unlabelled (transductive, named in results).

        Returns:
            Class scores ``[n, classes]`` or values ``[n, d]``.
        """

    def predict_by(self, adapter: TargetAdapter, support: Batch, x: Tensor) -> Tensor:
        """Predict as `predict`, but by the strategy of a test.

        Args:
            adapter: What adapts, with the space of the task's targets.
        """
        return self.predict(support, x)

    def predict_now(self, x: Tensor) -> Tensor:
        """Predict without adapting, for pairs and streams."""
        raise TlmlError(f"{type(self).__name__} predicts episodes only; test it on an EpisodeView")

    def played(self, environments: Any) -> Sequence[tuple[float, int]]:
        """Act in the environments of one task; return each episode's return and its steps."""
        raise TlmlError(f"{type(self).__name__} can't act; environments need a learner that plays")

    def plays(self, environments: Any) -> Iterable[Played]:
        """Act in the environments of one task, as a test does; yield how its episodes went.

        A learner that adapts to each task yields them before any step, and after each.

        Raises:
            TlmlError: The view asks for an adaptation, and this learner has none.
        """
        view = self.current_view()
        for option in ("adapt", "head"):
            if getattr(view, option, None) is not None:
                raise TlmlError(
                    f"{option}: {type(self).__name__} does not adapt within a test; train it on "
                    "the task itself (train_split='target'), or take one that does, such as "
                    "maml_rl"
                )
        yield Played(self.played(environments))

    def play(self, environments: Any) -> list[float]:
        """Act in the environments of one task; return the return of each episode."""
        return [total for total, _ in self.played(environments)]

    def on_source(self) -> AbstractContextManager[None]:
        """Let the learner be as it is for source examples, inside the block; mostly as it is."""
        return nullcontext()

    def transductive(self, strategy: Strategy) -> bool:
        """Say whether predictions after adapting by a strategy depend on the other queries."""
        return strategy.unlabelled

    def forward(self, support: Batch, x: Tensor) -> Tensor:
        """As `predict`."""
        return self.predict(support, x)

    # Measuring

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Measure a batch of validation tasks."""
        return self._measure(batch, Place("val", batch_idx, dataloader_idx))

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Measure a batch of target tasks."""
        return self._measure(batch, Place("test", batch_idx, dataloader_idx))

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Predict for new data, as ``trainer.predict(learner, loader)`` asks for."""
        return predict_batch(self, batch, type(self).predict_now is not Learner.predict_now)

    def on_validation_epoch_end(self) -> None:
        """Put the validation's strategy away."""
        self._adapting = ()

    def on_test_epoch_end(self) -> None:
        """Gather the records of all processes and log 95% intervals."""
        self._adapting = ()
        self.records = gather_records(self.records)
        for name, half in half_intervals(self.records, self.current_view()).items():
            self.log(f"test_{name}_ci95", half.to(self.device), sync_dist=True)

    def adapt_to(self, tasks: Sequence[Episode], place: Place) -> list[dict[str, Any]]:
        """Adapt to each task of an evaluation and return a record of each."""
        view, loader = self.current_view(), self._loader(place)
        first = getattr(view, "first", 0) if place.stage == "test" else 0
        with torch.inference_mode(False), torch.enable_grad():
            own = [differentiable(task) for task in tasks]
            if not self._adapting and isinstance(view, EpisodeView):
                adapter = adapter_for(self, view)
                self._adapting = (adapter, self.together(adapter, own[0].support.x))
            adapts = self._adapting or (None, None)
            numbers = [first + episode_number(loader, place.batch, i) for i in range(len(own))]
            return Evaluation(self, adapts[0], view, place.stage, adapts[1]).records(own, numbers)

    def together(self, adapter: TargetAdapter, x: Tensor) -> Together | None:
        """Return what adapts to several tasks of an evaluation at once; None: nothing does.

        Args:
            adapter: What adapts to each.
            x: The labelled inputs of one task ``[n, ...]``.
        """
        return None

    def diverged_at(self, adapter: TargetAdapter, support: Batch) -> int | None:
        """Return the inner step after which parameters aren't finite, from 1 on, if one is so."""
        return None

    def target_space(self) -> Any:
        """Return the space of the targets that this learner predicts."""
        if self.view_spaces is not None:
            return self.view_spaces.y
        view = self.current_view()
        assert view is not None, "neither a view nor a checkpoint told the targets' space"
        return view.spaces.y

    def loss_name(self) -> str | None:
        """Return the name of the loss that predictions are judged by; None: by the targets."""
        return None

    def check_labels(self, view: View) -> None:
        """Raise where the target's labels of a pair view are not those that were learned."""
        trained = self.view_spaces
        if isinstance(view, PairView) and trained and not trained.same_labels(view.target_spaces):
            raise TlmlError(
                f"{type(self).__name__}: the target's labels ({view.target_spaces.y}, of its "
                f"{view.target_spaces.labels}) are not those that it learned ({trained.y}, of the "
                f"{trained.labels}); test it on an EpisodeView, where it adapts"
            )

    # Lightning's hooks

    def configure_model(self) -> None:
        """Take the spaces of the Trainer's view; called by Lightning, also when it loads."""
        view = self.current_view()
        if view is not None and (self.view_spaces is None or self.trainer.state.fn == "fit"):
            self.meet(view.spaces)
        if self.view_spaces is not None:
            self._prepare_once(self.view_spaces)

    def configure_callbacks(self) -> list[Callback]:
        """Bring what every run of a learner needs, where the Trainer hasn't got it yet."""
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        kinds: list[type[Callback]] = [LogConfiguration, KeyedDraws, *self._of_streams()]
        return [kind() for kind in kinds if not any(isinstance(c, kind) for c in callbacks)]

    def consolidate(self, task: int) -> None:
        """Do what a learner does when a task of a stream ends, before it is measured.

        Called once for each task, also where a fit was killed and resumed, in evaluation mode,
        with gradients, and with torch's draws keyed by the seed and the task. What it changes
        must be parameters or registered buffers, for checkpoints hold no more. The examples of the
        task are ``self.current_view().learned_from(task)``.

        Args:
            task: Its place in the stream.
        """

    def on_fit_start(self) -> None:
        """Check the Trainer's processes and its view."""
        self._check_processes()
        view = self.current_view()
        if view is not None:
            self.check(view)

    def on_train_start(self) -> None:
        """Don't begin with a stream that has been learned already."""
        begin_epoch(self.trainer)
        self._stop_after(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Stop after the last task of a stream."""
        self._stop_after(self.current_epoch + 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down which learner, strategy and stream this is."""
        checkpoint["tlml"] = {
            "learner": default_registry().name_of(type(self)),
            "strategy": plain(self.strategy)["name"],
            "version": tlml_version(),
        }
        view = self._stream()
        if view is not None:
            checkpoint["tlml"]["stream"] = stream_identity(view)
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = plain(dict(self.hparams))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is this learner's, and of the stream to go on with.

        The state of another strategy is dropped.

        Raises:
            TlmlError: It is another learner's, or another stream's.
        """
        name = default_registry().name_of(type(self))
        theirs = checkpoint.get("tlml", {}).get("learner")
        if theirs != name:
            whose = f"the checkpoint of learner {theirs}" if theirs else "not a tlml checkpoint"
            raise TlmlError(f"learner {name}: this is {whose}; load it with tlml.load(path)")
        view, saved = self._stream(), checkpoint["tlml"].get("stream")
        if view is not None and saved is not None:
            check_same_stream(saved, view)
        self._drop_other_strategy(checkpoint)

    def log_sparsely(self, values: dict[str, Tensor | float], batch_size: int) -> None:
        """Log every `log_every_n_steps` steps: a call costs more than a small step."""
        every = getattr(self._trainer, "log_every_n_steps", 0)
        # Lightning passes on to loggers what was logged in the last step of each `every`.
        if every and (self.global_step == 0 or (self.global_step + 1) % every == 0):
            self.log_dict(values, prog_bar=True, batch_size=batch_size)

    def _build_for(self, spaces: ViewSpaces) -> None:
        """Build what has the sizes of the spaces, where it isn't there yet."""

    def _prepare_once(self, spaces: ViewSpaces) -> None:
        if not self._prepared:
            self._prepared = True
            before = {name for name, _ in self.named_buffers()}
            self.prepare(spaces)
            after = (name for name, _ in self.named_buffers())
            self._own_buffers = tuple(name for name in after if name not in before)

    def _check_processes(self) -> None:
        """Refuse several processes, of which the first one's buffers would take all others'."""
        processes = self.trainer.world_size
        if processes > 1 and self._own_buffers and not self.equal_buffers:
            raise TlmlError(
                f"{type(self).__name__}: its buffer {self._own_buffers[0]} would be the first of "
                f"{processes} processes' alone, whatever the others put into theirs; take "
                "devices=1, or set equal_buffers = True on a learner that fills it equally in all"
            )

    def _measure(self, batch: Any, place: Place) -> dict[str, Any]:
        if place.batch == 0 and place.loader == 0:
            self.records, self._adapting = [], ()
        found: dict[str, Any] = {}
        view = self.current_view()
        for measurement in view_type_of(batch).measure(self, batch, place, view):
            self.records += measurement.records
            log_measured(self, place.stage, measurement)
            found = dict(measurement.values)
        return found

    def _loader(self, place: Place) -> KeyedLoader | None:
        trainer = self.trainer
        loaders: Any = (
            trainer.test_dataloaders if place.stage == "test" else trainer.val_dataloaders
        )
        found: KeyedLoader | None = loaders[place.loader] if isinstance(loaders, list) else loaders
        return found

    def _stream(self) -> StreamView | None:
        """Return the stream that the Trainer fits this to, if it does."""
        fits = self._trainer is not None and self._trainer.state.fn == "fit"
        return stream_of(self.trainer) if fits else None

    def _stop_after(self, epochs: int) -> None:
        view = stream_of(self.trainer)
        if view is not None and epochs >= view.length:
            self.trainer.should_stop = True

    def _consolidates(self) -> bool:
        return type(self).consolidate is not Learner.consolidate

    def _of_streams(self) -> list[type[Callback]]:
        if self._stream() is None:
            return []
        return [Consolidation, Retention] if self._consolidates() else [Retention]

    def _drop_other_strategy(self, checkpoint: dict[str, Any]) -> None:
        # Lightning writes the options given to load_from_checkpoint over the checkpoint's own.
        name = checkpoint["tlml"].get("strategy")
        if name is None or name == plain(self.strategy)["name"]:
            return
        state = checkpoint["state_dict"]
        dropped = [key for key in state if key.startswith("strategy.")]
        for key in dropped:
            del state[key]
        state |= {f"strategy.{key}": v for key, v in self.strategy.state_dict().items()}
        if dropped:
            rank_zero_info(f"dropped {len(dropped)} tensors of the strategy {name}")


def as_strategy(given: Strategy | str | dict[str, Any] | None) -> Strategy:
    """Return a strategy from an object, a name, or a name with options; None never adapts."""
    if given is None:
        return Strategy(steps=0)
    if isinstance(given, Strategy):
        return given
    if isinstance(given, str):
        given = {"name": given}
    made: Strategy = build("strategy", given["name"], given.get("options", {}))
    return made


def spaces_to_plain(spaces: ViewSpaces) -> dict[str, Any]:
    """Return the spaces as plain data."""
    return {"x": space_to_plain(spaces.x), "y": space_to_plain(spaces.y), "labels": spaces.labels}


def spaces_from_plain(data: dict[str, Any] | None) -> ViewSpaces | None:
    """Return the spaces that `spaces_to_plain` wrote."""
    if data is None:
        return None
    return ViewSpaces(space_from_plain(data["x"]), space_from_plain(data["y"]), data["labels"])
