"""What happens when a learner adapts: curves per inner step, and how much each layer changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning.utilities import move_data_to_device
from torch import Tensor, nn

from tlml.data.checks import check_data
from tlml.data.spaces import same_space
from tlml.data.tasks import SPLITS, Split
from tlml.errors import TlmlError, check_choice, check_positive
from tlml.files import make_folder, write_atomic
from tlml.inspection.trace import Row, trace_adaptation
from tlml.learners.adapter import adapter_for
from tlml.learners.evaluation import differentiable
from tlml.learners.gradient_learner import GradientLearner
from tlml.metrics.intervals import bootstrap_interval
from tlml.metrics.targets import primary
from tlml.networks.layers import Layer, layers_of, spread_of
from tlml.networks.modes import evaluating
from tlml.views.episode import EpisodeView

_MEASURED = ("cka", "cka_debiased", "relative_change")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """How a learner adapts to the episodes of a view.

    Args:
        curve: A row for each ``episode`` and ``step`` (0 is before any), with ``support_loss``,
            ``query_loss``, the `metric` of both, and ``gradient_norm``: of the gradient that leads
            to the next step, NaN at the last.
        layers: A row for each ``layer`` in order: ``cka`` between its outputs for the query before
            and after, ``cka_debiased``, and ``relative_change`` ‖Δθ‖ / ‖θ‖ of its parameters, each
            the mean over episodes with its 95% interval (``_low``, ``_high``); and ``rate_mean``,
            ``rate_min`` and ``rate_max`` of the learned rates. What there isn't is NaN.
        metric: ``accuracy`` or ``mse``.
        strategy: The class of what adapted.
    """

    curve: pd.DataFrame
    layers: pd.DataFrame
    metric: str
    strategy: str

    def summary(self) -> pd.DataFrame:
        """Return mean and 95% bootstrap interval over episodes of each quantity at each step.

        Columns ``step``, ``quantity``, ``mean``, ``low``, ``high``. One episode has no interval.
        """
        quantities = [name for name in self.curve if name not in ("episode", "step")]
        rows = [
            {"step": step, "quantity": name, **_interval(group[name])}
            for step, group in self.curve.groupby("step")
            for name in quantities
            if not group[name].isna().all()
        ]
        return pd.DataFrame(rows, columns=["step", "quantity", "mean", "low", "high"])

    def scalars(self) -> dict[str, float]:
        """Return the means before and after and those of each layer, by name, where finite."""
        found = _ends(self.summary())
        for row in self.layers.to_dict("records"):
            for name in ("cka", "relative_change", "rate_mean"):
                found[f"{name}/{row['layer']}"] = float(row[name])
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def plot(self, folder: str | Path) -> list[Path]:
        """Write the pictures and return their paths.

        They are ``curve.png`` and ``layers.png``, and ``gradients.png`` and ``rates.png`` where
        there were steps and are learned rates.

        Raises:
            TlmlError: The folder can't be written to.
        """
        from tlml.inspection.plots import pictures

        return _written(folder, pictures(self))

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``curve.csv``, ``layers.csv``, ``summary.csv`` and the pictures; return the paths.

        Each file is replaced whole or not at all.

        Raises:
            TlmlError: The folder can't be written to.
        """
        tables = {"curve": self.curve, "layers": self.layers, "summary": self.summary()}
        texts = {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
        return _written(folder, texts) + self.plot(folder)


def diagnose(
    learner: GradientLearner, view: EpisodeView, episodes: int = 20, *, split: Split | None = None
) -> Diagnosis:
    """Adapt to the first episodes of a view as a test does, and look at each inner step.

    The last step is what ``trainer.test`` measures on the same episodes. The learner stays as it
    was.

    Args:
        learner: A learner with a network, trained or not.
        view: Its `adapt` adapts, or the learner's own strategy.
        episodes: How many are looked at; they are numbered as in a test.
        split: The split they are of; the view's where None.

    Raises:
        TlmlError: The learner adapts by no inner steps, the view has no episodes, or they don't
            go together.
    """
    check_adapts(learner)
    check_episodes(view)
    check_positive(episodes=episodes)
    split = view.split if split is None else split
    check_choice("split", split, SPLITS)
    _check_inputs(learner, view)
    check_data(view.domain, split)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(learner):  # as in a test
        return _diagnose(learner, view, split, episodes)


def check_adapts(learner: Any) -> None:
    """Raise where a learner has no inner steps to look at."""
    if not isinstance(learner, GradientLearner):
        raise TlmlError(
            f"diagnose: {type(learner).__name__} adapts by no inner steps; take a learner with a "
            "network that gradients adapt, such as maml or supervised"
        )


def check_episodes(view: Any) -> None:
    """Raise where a view has no episodes."""
    if not isinstance(view, EpisodeView):
        given = "there is none" if view is None else f"this is a {type(view).__name__}"
        raise TlmlError(
            f"diagnose: needs an EpisodeView, whose episodes can be adapted to, and {given}; make "
            "one with tlml.EpisodeView(domain)"
        )


def _check_inputs(learner: GradientLearner, view: EpisodeView) -> None:
    learner.built()
    trained = learner.view_spaces
    if trained is not None and not same_space(trained.x, view.test_spaces.x):
        raise TlmlError(
            f"diagnose: {type(learner).__name__} was built for inputs {trained.x}; the view's are "
            f"{view.test_spaces.x}"
        )


def _diagnose(
    learner: GradientLearner, view: EpisodeView, split: Split, episodes: int
) -> Diagnosis:
    prepared, dataset = adapter_for(learner, view), view.dataset(split)
    layers = layers_of(prepared.network)
    steps: list[Row] = []
    changes: list[Row] = []
    for index in range(episodes):
        episode = differentiable(move_data_to_device(dataset[index], learner.device))
        key = (learner.seed, view.seed, SPLITS.index(split), index)
        found = trace_adaptation(learner, prepared.turned_to(key, episode.query.x), episode, layers)
        steps += [{"episode": index, **row} for row in found.steps]
        changes += found.layers
    return Diagnosis(
        pd.DataFrame(steps),
        _by_layer(layers, pd.DataFrame(changes), _rates(prepared.strategy)),
        primary(prepared.space, prepared.domain)[0],
        type(prepared.strategy).__name__,
    )


def _rates(strategy: nn.Module) -> Mapping[str, Tensor]:
    """Return what a strategy says it has learned as rates, by parameter name."""
    found = getattr(strategy, "rates", {})
    return found if isinstance(found, Mapping) else {}


def _by_layer(
    layers: Sequence[Layer], changes: pd.DataFrame, rates: Mapping[str, Tensor]
) -> pd.DataFrame:
    rows = []
    for layer in layers:
        own = changes[changes["layer"] == layer.name]
        row: Row = {"layer": layer.name}
        for name in _MEASURED:
            found = _interval(own[name])
            row |= {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        spread = zip(("mean", "min", "max"), spread_of(layer, rates), strict=True)
        rows.append(row | {f"rate_{name}": value for name, value in spread})
    return pd.DataFrame(rows)


def _interval(values: Iterable[float]) -> dict[str, float]:
    """Return the mean over episodes and its interval; NaN where a value is not finite."""
    array = np.array(list(values), dtype=np.float64)
    if not np.isfinite(array).all():
        return dict.fromkeys(("mean", "low", "high"), float("nan"))
    low, high = bootstrap_interval(array) if len(array) > 1 else (float("nan"), float("nan"))
    return {"mean": float(array.mean()), "low": low, "high": high}


def _ends(summary: pd.DataFrame) -> dict[str, float]:
    found = {}
    for quantity, rows in summary.groupby("quantity", sort=False):
        found[f"{quantity}_before"] = float(rows["mean"].iloc[0])
        found[f"{quantity}_after"] = float(rows["mean"].iloc[-1])
    return found


def _written(folder: str | Path, files: Mapping[str, str | bytes]) -> list[Path]:
    made = make_folder(folder)
    for name, content in files.items():
        write_atomic(made / name, content)
    return [made / name for name in files]
