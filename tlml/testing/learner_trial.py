"""A learner's life in small: it is made, fitted, tested, saved, loaded and pickled."""

from __future__ import annotations

import math
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from gymnasium.spaces import Discrete
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor

from tlml.data.domains import Domain
from tlml.data.tasks import Episode
from tlml.errors import TlmlError
from tlml.learners.checkpoints import load
from tlml.learners.learner import Learner
from tlml.lightning_notes import quiet
from tlml.registry.options import options_of
from tlml.strategies.strategy import Strategy
from tlml.testing.failure import doing, require
from tlml.testing.randomness import global_state, without_global_draws
from tlml.testing.subject import Subject
from tlml.views.base import View
from tlml.views.env import EnvView, known_tasks
from tlml.views.episode import EpisodeView

_TASKS = 2
_RARE = "adamw"  # no learner steps by it unless told


@dataclass(frozen=True)
class Trial:
    """A learner with what it learns on.

    Args:
        subject: The learner.
        domain: What it learns on.
        strategy: What it learns with; its default where None.
        view: Options of its view.
    """

    subject: Subject
    domain: Domain[Any]
    strategy: Strategy | None = None
    view: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.subject.label} on {type(self.domain).__name__}"

    def make(self, **options: Any) -> tuple[Learner, View]:
        """Make the learner, and the view that it trains on."""
        if self.strategy is not None:
            options.setdefault("strategy", self.strategy)
        learner: Learner = self.subject.make(**options)
        with doing(f"{self.label}: making its view"):
            return learner, learner.view(self.domain, **self.view)


def check_trial(trial: Trial) -> None:
    """Check that a learner trains, predicts, and comes back from its checkpoint and from pickle.

    Raises:
        CheckFailed: The first thing that is wrong.
    """
    learner, view = trial.make()
    with quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.ckpt"
        if is_overridden("training_step", learner):
            _check_fit(trial, learner, view, path)
        _check_test(trial, learner, path)
        if not isinstance(view, EnvView):
            _check_predictions(trial, learner, view)
        _check_checkpoint(trial, learner, view, path)
    with doing(f"{trial.label}: pickling it", "no lambdas, no open files, no local classes"):
        copied = pickle.loads(pickle.dumps(learner))
    _check_same(trial, learner, copied, view, "unpickled")


def check_optimizer(trial: Trial) -> None:
    """Check that a learner that takes the option ``optimizer`` steps by it, or refuses it.

    Raises:
        CheckFailed: The option changes nothing.
    """
    known = options_of(trial.subject.cls).known
    by_function = not isinstance(trial.subject.build.given, type)  # it may pass no options on
    if by_function or all(option.name != "optimizer" for option in known):
        return
    try:
        trial.subject.build(optimizer=_RARE)
    except (TlmlError, TypeError):
        return  # it says so, or passes one of its own on
    learner, view = trial.make(optimizer=_RARE)
    trainer = _trainer()
    with quiet(), doing(f"{trial.label}: fitting it with optimizer={_RARE!r}"):
        trainer.fit(learner, view)
    taken = {type(one).__name__ for one in trainer.optimizers}
    require(
        _RARE in {name.lower() for name in taken},
        f"{trial.label}: given optimizer={_RARE!r}, it steps by {', '.join(sorted(taken))}; leave "
        "the option out of its constructor, or raise TlmlError where it is given",
    )


def _check_fit(trial: Trial, learner: Learner, view: View, path: Path) -> None:
    learner.configure_model()
    before, trainer = _state(learner), _trainer()
    with doing(f"{trial.label}: fitting it for two batches"), global_state(1):
        trainer.fit(learner, view)
    require(
        trainer.global_step > 0 or not trainer.optimizers,
        f"{trial.label}: after two batches global_step is 0; step one optimiser in each batch, "
        "or max_steps and checkpoints see no progress",
    )
    after = _state(learner)
    for name, value in after.items():
        require(
            bool(torch.isfinite(value).all()),
            f"{trial.label}: after two batches '{name}' is NaN or infinite",
        )
    require(
        before.keys() != after.keys() or any(not torch.equal(before[k], after[k]) for k in after),
        f"{trial.label}: two batches change nothing of it; does the loss depend on its parameters, "
        "and does configure_optimizers() hold them?",
    )
    _save(trial, trainer, path)
    _check_again(trial, after)


def _check_again(trial: Trial, expected: Mapping[str, Tensor]) -> None:
    learner, view = trial.make()
    with global_state(2):
        _trainer().fit(learner, view)
    for name, value in _state(learner).items():
        require(
            torch.equal(value, expected[name]),
            f"{trial.label}: two fits with equal seeds differ in '{name}'; draw from generators "
            "keyed by the seed, not from the global random states",
        )


def _check_test(trial: Trial, learner: Learner, path: Path) -> None:
    view, trainer = _test_view(trial, learner), _trainer()
    with doing(f"{trial.label}: testing it"):
        trainer.test(learner, view, verbose=False)
    tasks = _tested(view)
    require(
        len(learner.records) == tasks,
        f"{trial.label}: a test of {tasks} tasks leaves {len(learner.records)} records; leave "
        "test_step() as it is",
    )
    for record in learner.records:
        bad = [name for name, value in record.items() if not _is_finite(value)]
        require(not bad, f"{trial.label}: a test gives {bad} NaN or infinite")
    if not path.exists():
        _save(trial, trainer, path)


def _tested(view: View) -> int:
    """Return how many tasks a test has: a finite family of environments may have but one."""
    known = known_tasks(view.domain, "target") if isinstance(view, EnvView) else None
    return _TASKS if known is None else min(_TASKS, len(known))


def _is_finite(value: Any) -> bool:
    """Return whether a number is, or all of a list are."""
    return all(map(_is_finite, value)) if isinstance(value, list) else math.isfinite(value)


def _check_predictions(trial: Trial, learner: Learner, view: View) -> None:
    before, episode = _state(learner), _episode(trial)
    whose = f"{trial.label}: predict()"
    with doing(whose), without_global_draws(whose):
        scores = learner.predict(episode.support, episode.query.x)
    y, count = view.spaces.y, len(episode.query.x)
    wanted = [count, int(y.n)] if isinstance(y, Discrete) else [count, *(y.shape or ())]
    require(
        list(scores.shape) == wanted,
        f"{whose} gives the shape {list(scores.shape)}, must be {wanted}: scores [n, classes] "
        "where targets are classes, else values [n, d]",
    )
    for name, value in _state(learner).items():
        require(
            torch.equal(value, before[name]),
            f"{whose} changes '{name}' of the learner; adapt copies",
        )


def _check_checkpoint(trial: Trial, learner: Learner, view: View, path: Path) -> None:
    with doing(
        f"{trial.label}: loading its checkpoint",
        "options and what on_save_checkpoint() adds must be plain data and tensors",
    ):
        loaded = load(path)
    _check_same(trial, learner, loaded, view, "loaded from its checkpoint")


def _check_same(trial: Trial, learner: Learner, other: Learner, view: View, how: str) -> None:
    theirs = _state(other)
    for name, value in _state(learner).items():
        require(
            name in theirs and torch.equal(value, theirs[name]),
            f"{trial.label}: {how}, it has another '{name}'",
        )
    if isinstance(view, EnvView):
        return
    episode = _episode(trial)
    expected, found = (one.predict(episode.support, episode.query.x) for one in (learner, other))
    require(
        torch.equal(expected, found),
        f"{trial.label}: {how}, it predicts something else; keep all that predict() needs in "
        "options, parameters or registered buffers",
    )


def _save(trial: Trial, trainer: pl.Trainer, path: Path) -> None:
    with doing(f"{trial.label}: saving it"):
        trainer.save_checkpoint(path, weights_only=False)


def _trainer() -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, limit_train_batches=2, limit_val_batches=1,
        num_sanity_val_steps=0, log_every_n_steps=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def _test_view(trial: Trial, learner: Learner) -> View:
    if issubclass(learner.view_type, EnvView):
        return EnvView(trial.domain, envs=2, test_tasks=_TASKS, test_episodes=2)
    return EpisodeView(trial.domain, shots=2, queries=2, episodes=_TASKS, tasks_per_batch=1)


def _episode(trial: Trial) -> Episode:
    return EpisodeView(trial.domain, shots=2, queries=2).dataset("target")[0]


def _state(learner: Learner) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}
