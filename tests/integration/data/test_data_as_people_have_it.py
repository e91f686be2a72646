"""Data as people have it is learned from, or refused before training in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, Space
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from trainers import fitting_trainer

import tlml
from tlml import Domain, Examples, TlmlError
from tlml.data import Part, Split

CLASSES = 3


class Mine(Domain[Any]):
    """One task for each size; what a part holds is made by `given`."""

    name = "mine"

    def __init__(self, x: Any, y: Any, space: Space[Any], parts: dict[str, int]) -> None:
        self.x, self.y = Box(-np.inf, np.inf, (2,), np.float32), space
        self.given, self.parts = (x, y), parts

    def tasks(self, split: Split) -> Sequence[Mine]:
        return [self] * self.parts.get(split, 1)

    def split(self, part: Part) -> Any:
        x, y = self.given
        rows = slice(None) if part == "train" else slice(0, self.parts.get(part, 0))
        return Examples(x[rows], y[rows])


def numbered(labels: Tensor, way: str) -> tuple[Any, Space[Any]]:
    """Number classes as people do."""
    ways: dict[str, tuple[Any, Space[Any]]] = {
        "from 0": (labels, Discrete(CLASSES)),
        "from 1": (labels + 1, Discrete(CLASSES)),
        "start": (labels + 1, Discrete(CLASSES, start=1)),
        "signs": (2 * (labels % 2) - 1, Discrete(2)),
        "ignored": (torch.where(labels == 0, -100, labels), Discrete(CLASSES)),
        "room": (labels, Discrete(CLASSES + 2)),
        "tight": (labels, Discrete(2)),
        "floats": (labels.float(), Discrete(CLASSES)),
        "column": (labels[:, None], Discrete(CLASSES)),
        "one-hot": (torch.eye(CLASSES)[labels], Discrete(CLASSES)),
        "bytes": (labels.to(torch.uint8), Discrete(CLASSES)),
        "int32": (labels.int(), Discrete(CLASSES)),
        "int16": (labels.short(), Discrete(CLASSES)),
        "truth": (labels > 0, Discrete(2)),
        "text": (np.array(list("abc"))[labels], Discrete(CLASSES)),
        "list": (labels.tolist(), Discrete(CLASSES)),
        "values [n]": (labels.float(), Box(-np.inf, np.inf, (1,))),
        "values [n], ()": (labels.float(), Box(-np.inf, np.inf, ())),
        "values [n, 1]": (labels.float()[:, None], Box(-np.inf, np.inf, (1,))),
        "values [n, 1, 2]": (labels.float()[:, None, None] * torch.ones(2), Box(-9, 9, (1, 2))),
        "values as numbers": (labels[:, None], Box(-np.inf, np.inf, (1,))),
    }
    return ways[way]


def given_as(x: Tensor, form: str) -> Any:
    """Hold inputs as people do."""
    forms: dict[str, Any] = {
        "tensor": x, "double": x.double(), "half": x.half(), "numpy": x.numpy(), "list": x.tolist(),
        "whole": x.long(), "wide": x.repeat(1, 2), "flat": x[:, 0],
        "gradient": x.clone().requires_grad_(), "complex": x.to(torch.complex64),
        "gap": torch.where(x == x.max(), torch.nan, x) if len(x) else x,
        "image": x[:, None, :], "shorter": x[:-1],
    }  # fmt: skip
    return forms[form]


WAYS = ["from 0", "from 1", "start", "signs", "ignored", "room", "tight", "floats", "column",
        "one-hot", "bytes", "int32", "int16", "truth", "text", "list", "values [n]",
        "values [n], ()", "values [n, 1]", "values [n, 1, 2]", "values as numbers"]  # fmt: skip
FORMS = ["tensor", "tensor", "double", "half", "numpy", "list", "whole", "wide", "flat",
         "gradient", "complex", "gap", "image", "shorter"]  # fmt: skip
RIGHT = {"from 0", "room", "int32", "values [n, 1]"}
WRONG = {"from 1", "start", "signs", "ignored", "tight", "floats", "column", "text"}
VIEWS: dict[str, dict[str, Any]] = {
    "supervised": {"batch_size": 7},
    "maml": {"shots": 1, "queries": 1, "episodes": 4, "tasks_per_batch": 2},
    "estimator": {"batch_size": 7},
}


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    n=st.sampled_from([0, 1, 2, 3, 6, 7, 8, 30]),
    way=st.sampled_from(WAYS),
    form=st.sampled_from(FORMS),
    name=st.sampled_from(sorted(VIEWS)),
    parts=st.dictionaries(
        st.sampled_from(["val", "test", "source", "validation", "target"]),
        st.integers(0, 3), max_size=3,
    ),
)  # fmt: skip
def test_data_is_learned_from_or_refused_before_training(
    n: int, way: str, form: str, name: str, parts: dict[str, int]
) -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32))
    y, space = numbered(torch.arange(n) % CLASSES, way)
    learner = tlml.learner(name)
    try:
        domain = Mine(given_as(x, form), y, space, parts)
        view = learner.view(domain, **VIEWS[name])
        view.setup("fit")
        fitting_trainer(max_epochs=1, limit_train_batches=1).fit(learner, view)
    except TlmlError as error:
        assert "\n" not in str(error)
        usual = n == 30 and way in RIGHT and form in ("tensor", "double") and not parts
        assert not usual, f"refused: {error}"
    else:
        assert n < CLASSES or way not in WRONG


@pytest.mark.parametrize("name", sorted(VIEWS))
@pytest.mark.parametrize("way", sorted(RIGHT))
def test_what_is_right_trains(name: str, way: str) -> None:
    y, space = numbered(torch.arange(30) % CLASSES, way)
    learner = tlml.learner(name)
    view = learner.view(Mine(torch.randn(30, 2), y, space, {}), **VIEWS[name])
    fitting_trainer(max_epochs=1, limit_train_batches=1).fit(learner, view)
