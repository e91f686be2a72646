"""Tasks that are adapted to together come out as they do one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import Letters, Lines, Tables
from torch import nn

import tlml
from tlml import Batch, Episode, EpisodeView, GradientLearner, TlmlError
from tlml.learners.adapter import adapter_for
from tlml.learners.evaluation import Evaluation

STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {}, "linear_probe": {}, "lp_ft": {}, "gradual_unfreeze": {}, "discriminative_lr": {},
    "scratch": {}, "as_trained": {}, "sgd": {"lr": 0.05},
}  # fmt: skip
TASKS = 5


class Own(nn.Module):
    """A network whose layers nobody knows, with operations that stack."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.head = nn.Linear(2, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(torch.tanh(self.one(x)).square())
        return found


def _network(kind: str) -> Any:
    torch.manual_seed(3)
    if kind == "own":
        return Own()
    norm = {"batch": [nn.BatchNorm1d(6)], "layer": [nn.LayerNorm(6)], "plain": []}[kind]
    return nn.Sequential(nn.Linear(2, 6), *norm, nn.Tanh(), nn.Linear(6, 3))


def _judged(
    strategy: Any, network: Any, view: EpisodeView, **options: Any
) -> tuple[Evaluation, list[Episode]]:
    learner: Any = tlml.learner("maml", network=network, strategy=strategy, **options)
    learner.meet(view.spaces)
    learner.double().eval()
    data = view.dataset("target")
    tasks = [Episode(*(Batch(b.x.double(), b.y) for b in data[i])) for i in range(TASKS)]
    adapter = adapter_for(learner, view)
    together = learner.together(adapter, tasks[0].support.x)
    return Evaluation(learner, adapter, view, "test", together), tasks


def _both(judged: Evaluation, tasks: list[Episode]) -> tuple[list[Any], list[Any]]:
    numbers = list(range(len(tasks)))
    alone = judged._replace(together=None)
    return judged.records(tasks, numbers), alone.records(tasks, numbers)


def _same(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"seconds", "cpu_seconds"}:
            assert one[name] == pytest.approx(other[name], rel=1e-9, abs=1e-12), name


@given(
    st.sampled_from(sorted(STRATEGIES)), st.sampled_from(["plain", "layer", "batch", "own"]),
    st.sampled_from(["adam", "adamw", "sgd"]), st.sampled_from([0.0, 0.01]),
    st.sampled_from([None, 2]), st.sampled_from(["batch", "stored"]),
)  # fmt: skip
def test_records_are_those_of_tasks_one_by_one(
    name: str, kind: str, optimizer: Any, decay: float, chunk: int | None, batchnorm: Any
) -> None:
    if kind == "own" and name in ("gradual_unfreeze", "lp_ft", "discriminative_lr", "linear_probe"):
        kind = "plain"  # they look for layers by name
    options: dict[str, Any] = {"steps": 4, **STRATEGIES[name]}
    if name not in ("sgd", "as_trained"):
        options |= {"optimizer": optimizer, "weight_decay": decay, "lr": 0.02}
    if name == "as_trained":
        options = {}
    view = EpisodeView(Tables(3, number=TASKS, train=24), shots=2, queries=3)
    network = _network(kind)
    made = tlml.strategy(name, **options)
    judged, tasks = _judged(made, network, view, chunk_size=chunk, batchnorm=batchnorm)
    assert judged.together is not None
    _same(*_both(judged, tasks))


@given(st.sampled_from(["full", "scratch", "sgd"]), st.booleans(), st.integers(1, 3))
def test_so_they_are_with_new_heads_values_and_frozen_layers(
    name: str, values: bool, shots: int
) -> None:
    domain: Any = Lines() if values else Letters()
    view = EpisodeView(domain, ways=None if values else 2, shots=shots, queries=4, head="new")
    size = view.spaces.x.shape[0]  # type: ignore[index]
    body = nn.Linear(size, 5)
    body.weight.requires_grad_(False)
    network = nn.Sequential(body, nn.ReLU(), nn.Linear(5, 1 if values else 2))
    judged, tasks = _judged(tlml.strategy(name, steps=3), network, view)
    assert judged.adapter is not None and judged.adapter.new_head
    assert judged.together is not None and judged.together.predictions(tasks, [(0,)] * TASKS)
    _same(*_both(judged, tasks))


def _lack(**given: Any) -> str:
    view = EpisodeView(Tables(3, number=TASKS), shots=2, queries=2)
    options = {"strategy": "full", "network": _network("plain"), **given}
    judged, tasks = _judged(options.pop("strategy"), options.pop("network"), view, **options)
    assert judged.together is not None
    assert judged.together.predictions(tasks, [(0,)] * TASKS) is None
    return judged.together.lack


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(torch.cumsum(x, 0))
        return found


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"vectorize": "loop"}, "as vectorize says"),
        ({"strategy": "l2_sp"}, "strategy L2Sp does not say that it is batched"),
        ({"strategy": "tent"}, "strategy Tent does not say that it is batched"),
        ({"network": Odd()}, "the network has operations that are not known to run on stacked"),
    ],
)
def test_what_is_not_known_to_be_right_is_done_one_by_one(given: dict[str, Any], why: str) -> None:
    if given.get("strategy") == "tent":
        given = {**given, "network": _network("batch")}
    assert _lack(**given).startswith(why)


def test_a_learner_that_predicts_by_a_method_of_its_own_is_asked_for_each_task() -> None:
    class Means(GradientLearner):
        def predict(self, support: Batch, x: torch.Tensor) -> torch.Tensor:
            return support.y.mean().expand(len(x), 1)

    view = EpisodeView(Lines(), shots=2, queries=2)
    learner = Means(strategy="full")
    learner.meet(view.spaces)
    assert learner.together(adapter_for(learner, view), torch.zeros(2, 1)) is None


def test_tasks_of_unequal_sizes_or_without_labels_are_done_one_by_one() -> None:
    view = EpisodeView(Tables(3, number=TASKS), shots=2, queries=2)
    judged, tasks = _judged("full", _network("plain"), view)
    assert judged.together is not None
    keys = [(0,)] * TASKS
    (x, y), query = tasks[1]
    assert (
        judged.together.predictions([*tasks[:-1], Episode(Batch(x[1:], y[1:]), query)], keys)
        is None
    )
    none = [Episode(Batch(s.x[:0], s.y[:0]), q) for s, q in tasks]
    assert judged.together.predictions(none, keys) is None


def test_a_task_that_diverges_is_named_and_so_is_its_step() -> None:
    view = EpisodeView(Tables(3, number=TASKS), shots=2, queries=2)
    judged, tasks = _judged(tlml.strategy("sgd", lr=0.1, steps=4), _network("plain"), view)
    bad = Episode(Batch(tasks[2].support.x * torch.inf, tasks[2].support.y), tasks[2].query)
    with pytest.raises(TlmlError, match=r"^episode 2: adapting by Sgd diverged at inner step \d"):
        judged.records([*tasks[:2], bad, *tasks[3:]], list(range(TASKS)))
