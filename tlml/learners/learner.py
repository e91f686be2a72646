"""Learners: LightningModules that learn across the source tasks of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pytorch_lightning import Callback
from torch import Tensor

from tlml.data.spaces import same_space, space_from_plain, space_to_plain
from tlml.data.tasks import Batch
from tlml.errors import TlmlError, check_not_negative
from tlml.learners.evaluation import Evaluated
from tlml.learners.keyed_draws import KeyedDraws
from tlml.learners.run_log import LogConfiguration
from tlml.recorded import Recorded, plain
from tlml.strategies.strategy import Strategy
from tlml.version import tlml_version
from tlml.views.base import View, ViewSpaces

if TYPE_CHECKING:
    from tlml.data.domains import Domain

GIVEN = "given:"  # how hyper-parameters write down an object that they cannot hold


class Learner(Recorded, Evaluated):
    """A LightningModule that learns across source tasks, and predicts for a task from a support.

    A subclass sets `view_type` and writes `predict`; `GradientLearner` does so for networks.

    Args:
        strategy: What takes part in training, and adapts unless a test names another: a
            `Strategy`, a registered name, or ``{"name": ..., "options": {...}}``.
        seed: The key of initialisations.
        spaces: Input and target space as plain data, as checkpoints hold them.

    Raises:
        TlmlError: The strategy belongs to another learner, or an option is out of range.
    """

    view_type: ClassVar[type[View]]
    strategy: Strategy

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
        self.save_hyperparameters(plain(self.options), logger=False)  # LogConfiguration does that

    def view(self, domain: Domain[Any], **options: Any) -> View:
        """Return the view of a domain that this learner trains on, and build for its spaces."""
        made = self.view_type(domain, **options)
        self.meet(made.spaces)
        return made

    def meet(self, spaces: ViewSpaces) -> None:
        """Take the spaces of the view to train on.

        Raises:
            TlmlError: The learner was built for other ones.
        """
        known = self.view_spaces
        if known is not None and not (
            same_space(known.x, spaces.x) and same_space(known.y, spaces.y)
        ):
            raise TlmlError(
                f"{type(self).__name__}: it was built for inputs {known.x} and targets {known.y}; "
                f"the view has {spaces.x} and {spaces.y}"
            )
        self.view_spaces = spaces
        self.hparams["spaces"] = spaces_to_plain(spaces)

    def check(self, view: View) -> None:
        """Raise where this learner can't train on a view; called before a fit, and by suites."""

    def on_fit_start(self) -> None:
        """Check the Trainer's view."""
        view = self.current_view()
        if view is not None:
            self.check(view)

    def transductive(self, strategy: Strategy) -> bool:
        """Say whether predictions after adapting by a strategy depend on the other queries."""
        return strategy.unlabelled

    def configure_model(self) -> None:
        """Take the spaces of the Trainer's view; called by Lightning, also when it loads."""
        view = self.current_view()
        if view is not None and (self.view_spaces is None or self.trainer.state.fn == "fit"):
            self.meet(view.spaces)

    def configure_callbacks(self) -> list[Callback]:
        """Bring what every run of a learner needs, where the Trainer hasn't got it yet."""
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        there = {type(callback) for callback in callbacks}
        return [kind() for kind in (LogConfiguration, KeyedDraws) if kind not in there]

    def forward(self, support: Batch, x: Tensor) -> Tensor:
        """As `predict`."""
        return self.predict(support, x)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down which learner and strategy this is."""
        from tlml.registry.registry import default_registry

        name = default_registry().name_of(type(self))
        checkpoint["tlml"] = {
            "learner": name,
            "strategy": plain(self.strategy)["name"],
            "version": tlml_version(),
        }
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = plain(dict(self.hparams))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is this learner's, and drop another strategy's state.

        Raises:
            TlmlError: It is another learner's.
        """
        from tlml.registry.registry import default_registry

        name = default_registry().name_of(type(self))
        theirs = checkpoint.get("tlml", {}).get("learner")
        if theirs != name:
            whose = f"the checkpoint of learner {theirs}" if theirs else "no checkpoint of tlml"
            raise TlmlError(f"learner {name}: this is {whose}; load it with tlml.load(path)")
        self._drop_other_strategy(checkpoint)

    def on_train_start(self) -> None:
        """Don't begin with a stream that has been learned already."""
        self._stop_after(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        """Stop after the last task of a stream."""
        self._stop_after(self.current_epoch + 1)

    def log_sparsely(self, values: dict[str, Tensor | float], batch_size: int) -> None:
        """Log every `log_every_n_steps` steps: a call costs more than a small step."""
        every = getattr(self._trainer, "log_every_n_steps", 0)
        # Lightning passes on to loggers what was logged in the last step of each `every`.
        if every and (self.global_step == 0 or (self.global_step + 1) % every == 0):
            self.log_dict(values, prog_bar=True, batch_size=batch_size)

    def _stop_after(self, tasks: int) -> None:
        from tlml.views.stream import StreamView

        view = self.current_view()
        if isinstance(view, StreamView) and tasks >= len(view.stream()):
            self.trainer.should_stop = True

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
            from lightning_utilities.core.rank_zero import rank_zero_info

            rank_zero_info(f"dropped {len(dropped)} tensors of the strategy {name}")


def as_strategy(given: Strategy | str | dict[str, Any] | None) -> Strategy:
    """Return a strategy from an object, a name, or a name with options; None never adapts."""
    from tlml.registry.instances import build

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
