from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary
from stations import stations

import tlml
from tlml import TlmlError
from tlml.learners.target_kinds import check_target_kind
from tlml.registry import default_registry

VALUES, CLASSES = Box(-np.inf, np.inf, (1,)), Discrete(3)


def cls(kind: str, name: str) -> type:
    return default_registry().resolve(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"), [("learner", "protonet"), ("learner", "icarl"), ("strategy", "tent")]
)
def test_what_needs_classes_takes_no_values(kind: str, name: str) -> None:
    check_target_kind(kind, cls(kind, name), CLASSES)
    check_target_kind(kind, cls(kind, name), MultiBinary(2))
    with pytest.raises(TlmlError) as caught:
        check_target_kind(kind, cls(kind, name), VALUES)
    assert str(caught.value) == (
        f"{kind} {name} needs targets that are classes, and these are values; take another {kind}, "
        "or another target"
    )


@pytest.mark.parametrize("y", [VALUES, CLASSES], ids=["values", "classes"])
def test_most_take_either(y: object) -> None:
    check_target_kind("learner", cls("learner", "maml"), y)
    check_target_kind("strategy", cls("strategy", "full"), y)


def test_a_class_that_nobody_registered_is_not_judged() -> None:
    class Own(cls("learner", "protonet")):
        pass

    check_target_kind("learner", Own, VALUES)


def test_learners_and_their_strategies_are_refused_when_they_meet_a_table() -> None:
    table = tlml.table(stations(), target="temp", group="site", features=["wind"])
    with pytest.raises(TlmlError, match=r"^learner protonet needs targets that are classes"):
        tlml.learner("protonet", network="mlp").view(table)
    fitted = tlml.learner("supervised", network="mlp", strategy=tlml.strategy("cdan"))
    with pytest.raises(TlmlError, match=r"^strategy cdan needs targets that are classes"):
        fitted.view(table)
