"""Tables in a Trainer: errors in their units, and raw units named where something diverges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from stations import stations
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, PairView, TlmlError
from tlml.data.tables.domain import tell_once
from tlml.finetuning import Adaptation

FRAME = stations()
OPTIONS: dict[str, Any] = {"target": "temp", "group": "site", "features": ["pressure", "wind"]}
NAMED = r"input 'pressure' has mean 1\d\d\d and deviation \d"


@pytest.fixture(scope="module")
def raw() -> tlml.Domain[Any]:
    tell_once.cache_clear()
    with pytest.warns(UserWarning, match="table: set scale to 'source'"):
        return tlml.table(FRAME, **OPTIONS, scale=None)


def test_errors_are_in_the_units_of_the_table() -> None:
    """A network that predicts 0 predicts the source's mean."""
    domain = tlml.table(FRAME, **OPTIONS)
    net = nn.Linear(3, 1)
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    learner = tlml.learner("supervised", network=net)
    learner.view(domain)
    view = EpisodeView(domain, shots=0, queries="all", episodes=2, adapt=tlml.strategy("full"))
    (measured,) = quiet_trainer().test(learner, view, verbose=False)
    tasks = {s: [t.name for t in domain.tasks(s)] for s in ("source", "target")}
    source, *targets = (
        FRAME["temp"][FRAME["site"].isin(names)]
        for names in (tasks["source"], *([name] for name in tasks["target"]))
    )
    errors = [own - source.mean() for own in targets]
    expected = np.mean([np.sqrt((own**2).mean()) for own in errors])
    assert measured["test_rmse"] == pytest.approx(expected, rel=1e-4)
    assert measured["test_mae"] == pytest.approx(np.mean([own.abs().mean() for own in errors]))


def test_a_test_that_diverges_names_raw_columns(raw: tlml.Domain[Any]) -> None:
    learner = tlml.learner("maml", network=nn.Linear(3, 1), strategy=tlml.strategy("sgd", lr=9.0))
    learner.view(raw)
    view = EpisodeView(raw, shots=3, queries=3, episodes=1, adapt=tlml.strategy("sgd", steps=50))
    with pytest.raises(TlmlError, match=f"or scale the data to about 1: {NAMED}"):
        quiet_trainer().test(learner, view, verbose=False)


@pytest.mark.parametrize("name", ["maml", "supervised"])
def test_a_fit_that_diverges_names_raw_columns(raw: tlml.Domain[Any], name: str) -> None:
    net = nn.Linear(3, 1)
    net.weight.data.fill_(torch.nan)
    learner = tlml.learner(name, network=net)
    view = EpisodeView(raw, shots=3, queries=3) if name == "maml" else PairView(raw)
    with pytest.raises(TlmlError, match=rf"^{name}: the .*loss is nan .*{NAMED}"):
        quiet_trainer(max_steps=1, num_sanity_val_steps=0).fit(learner, datamodule=view)


def test_an_adaptation_that_diverges_names_raw_columns(raw: tlml.Domain[Any]) -> None:
    learner = tlml.learner("supervised", network=nn.Linear(3, 1))
    learner.view(raw)
    how = tlml.strategy("full", lr=1e30, optimizer="sgd")
    view = PairView(raw, shots=5, source=False)
    with pytest.raises(TlmlError, match=f"^adapting by Full diverged: .*{NAMED}"):
        quiet_trainer(max_steps=9).fit(Adaptation(learner, how), datamodule=view)


@pytest.mark.parametrize("name", ["naive", "estimator"])
def test_tables_are_streams_and_data_of_estimators(name: str) -> None:
    domain = tlml.table(FRAME, **OPTIONS, order="day")
    how = {"network": "mlp"} if name == "naive" else {"strategy": tlml.strategy("coral_map")}
    learner = tlml.learner(name, **how)
    quiet_trainer(max_epochs=1).fit(learner, learner.view(domain))
    view = EpisodeView(domain, shots=3, queries=5, episodes=2)
    (measured,) = quiet_trainer().test(learner, view, verbose=False)
    assert 0 < measured["test_mae"] <= measured["test_rmse"]
