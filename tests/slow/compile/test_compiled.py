"""Outer steps as compiled programs: equal gradients, and a program for each option."""

from __future__ import annotations

import copy
import pickle

import pytest
from meta_gradients import learner_of, perceptron, same, slopes, waves

from tlml.testing.toys import LearnedRates


def test_a_compiled_step_equals_the_eager_one_and_is_made_anew_when_options_change():
    pytest.importorskip("torch._inductor")
    strategy = LearnedRates(lr=0.1, steps=2)
    learner = learner_of(perceptron(), strategy, compile=True)
    eager = learner_of(perceptron(), LearnedRates(lr=0.1, steps=2))
    for batch in (waves(), waves(seed=1)):
        same(slopes(learner, batch), slopes(eager, batch))
    assert learner.compiled is not None
    assert len(learner.compiled._programs) == 1
    for one in (learner, eager):
        one.strategy.max_steps = 0
    same(slopes(learner, waves()), slopes(eager, waves()))
    assert len(learner.compiled._programs) == 2
    for copied in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner))):
        assert copied.compiled._programs == {}
