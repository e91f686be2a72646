"""Learners on their way to a target: what is refused, and new heads, without a Trainer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import MLP, Tables

import tlml
from tlml import PairView, TlmlError
from tlml.finetuning import Adaptation
from tlml.finetuning.module import replace_head

TARGET = Tables(classes=3, train=12, test=6)


def trained() -> tlml.GradientLearner:
    learner = tlml.learner("supervised", **MLP)
    assert isinstance(learner, tlml.GradientLearner)
    learner.meet(PairView(Tables(classes=2, train=12, test=6)).spaces)
    return learner


def message(run: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(TlmlError) as caught:
        run(*arguments, **options)
    return str(caught.value)


def test_a_learner_without_a_network_is_refused() -> None:
    assert message(Adaptation, tlml.learner("estimator", strategy="kmm")) == (
        "Estimator has no network to adapt; test it on an EpisodeView"
    )


def test_the_head_is_kept_or_new() -> None:
    assert message(Adaptation, trained(), head="old") == "head: 'old' is not one of kept, new"


def test_without_a_strategy_the_learners_own_adapts_as_a_copy() -> None:
    learner = trained()
    made = Adaptation(learner)
    assert type(made.strategy) is type(learner.strategy)
    assert made.strategy is not learner.strategy


def test_a_new_head_is_of_zeros_in_the_targets_size() -> None:
    learner = trained()
    spaces = PairView(TARGET, shots=1, source=False).target_spaces
    replace_head(learner, spaces)
    assert learner.view_spaces == spaces
    scores = learner.built()(torch.randn(4, *TARGET.x.shape))
    assert torch.equal(scores, torch.zeros(4, 3))


def test_only_checkpoints_of_the_same_adaptation_are_resumed_from() -> None:
    made = Adaptation(trained(), "full")
    assert message(made.on_load_checkpoint, {"state_dict": {}}) == (
        "resume: this is a checkpoint of a learner, not adapted yet; an adaptation by full can't "
        "go on from it"
    )
    other = {"tlml_adaptation": {"strategy": {"name": "linear_probe"}, "state": {}}}
    assert message(made.on_load_checkpoint, {"state_dict": {}, **other}) == (
        "resume: this is a checkpoint by linear_probe; an adaptation by full can't go on from it"
    )


def test_a_checkpoint_is_the_learners_and_comes_apart_again() -> None:
    made, checkpoint = Adaptation(trained(), "full"), dict[str, Any]()
    made.on_save_checkpoint(checkpoint)
    assert set(checkpoint["state_dict"]) == set(made.learner.state_dict())
    made.on_load_checkpoint(checkpoint)
    assert set(checkpoint["state_dict"]) == set(made.state_dict())
