"""What learners and inner loops of the MAML family refuse, and how they say so."""

from __future__ import annotations

from typing import Any

import pytest
from inner_loops import trained_network
from tiny import Letters, Tables
from torch import nn
from trainers import fitting_trainer

import tlml
from tlml import EpisodeView, TlmlError


def check_refused(run: Any, text: str) -> None:
    with pytest.raises(TlmlError) as caught:
        run()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("implicit", {"regularisation": 0}, "regularisation: must be greater than 0, is 0"),
        ("implicit", {"regularisation": -1.0}, "regularisation: must be greater than 0, is -1.0"),
        ("implicit", {"cg_steps": 0}, "cg_steps: must be greater than 0, is 0"),
        ("implicit", {"tolerance": -0.1}, "tolerance: must be at least 0, is -0.1"),
        ("sgd", {"test_steps": -1}, "test_steps: must be at least 0, is -1"),
        ("sgd", {"lr": 0}, "lr: must be greater than 0, is 0"),
        (
            "meta_sgd",
            {"steps": 0},
            "steps: must be at least 1, is 0: MetaSgd learns about its steps",
        ),
        (
            "per_step_sgd",
            {"steps": 0},
            "steps: must be at least 1, is 0: PerStepSgd learns about its steps",
        ),
        (
            "per_step_sgd",
            {"norms": "batch"},
            "norms: 'batch' is not one of per_step, adapted, shared",
        ),
    ],
)
def test_options_out_of_range_are_refused(name, options, text):
    check_refused(lambda: tlml.strategy(name, **options), text)


def test_a_learned_rate_needs_a_step():
    check_refused(
        lambda: tlml.learner(
            "maml", network=trained_network(), strategy=tlml.strategy("sgd", steps=0, learn_lr=True)
        ),
        "steps: must be at least 1, is 0: Sgd learns about its steps",
    )


@pytest.mark.parametrize("name", ["anil", "boil"])
def test_a_network_without_head_is_refused(name):
    check_refused(
        lambda: tlml.learner(name, network=nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten())),
        "Sequential: no head found; name its last layer 'head', or make that an nn.Linear",
    )


def test_a_network_that_is_all_head_is_refused_where_the_body_moves():
    check_refused(
        lambda: tlml.learner("boil", network=nn.Sequential(nn.Linear(2, 1))),
        "BodySgd: Sequential has no parameters beside its head '0'; take a deeper network, or sgd",
    )


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("anil", "head_sgd"),
        ("boil", "body_sgd"),
        ("imaml", "implicit"),
        ("meta_curvature", "meta_curvature"),
        ("meta_sgd", "meta_sgd"),
    ],
)
def test_a_learner_is_not_trained_through_another_inner_loop(name, wanted):
    learner = tlml.learner(name, network=trained_network(), strategy="sgd")
    view = learner.view(Tables(), shots=4, queries=4, episodes=4)
    check_refused(
        lambda: fitting_trainer(max_epochs=1).fit(learner, view),
        f"{name}: it learns through the inner loop {wanted}, its strategy is sgd; leave strategy "
        "out, or take the learner maml, which learns through any that can be differentiated (to "
        "test with another one: EpisodeView(..., adapt=...))",
    )


@pytest.mark.parametrize("path", ["vmap", "stack"])
def test_imaml_runs_task_by_task_only(path):
    check_refused(
        lambda: tlml.learner("imaml", network=trained_network(), vectorize=path),
        f"vectorize: '{path}' does not go with imaml, which solves a system of equations for each "
        "task; take 'auto' or 'loop'",
    )


def test_imaml_is_not_compiled():
    check_refused(
        lambda: tlml.learner("imaml", network=trained_network(), compile=True),
        "compile: it does not go with imaml, whose conjugate gradients end where the residual "
        "says; take compile=False",
    )


def test_reptile_does_not_compile_one_draw_of_examples():
    check_refused(
        lambda: tlml.learner("reptile", network=trained_network(), inner_batch=2, compile=True),
        "inner_batch: compile=True would repeat one draw; leave one out",
    )
    check_refused(
        lambda: tlml.learner("reptile", network=trained_network(), inner_batch=0),
        "inner_batch: must be greater than 0, is 0",
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("meta_sgd", "MetaSgd"), ("meta_curvature", "MetaCurvature")]
)
def test_what_was_learned_for_one_head_is_not_used_for_another(name, kind):
    learner = tlml.learner(name, network=trained_network(outputs=2))
    learner.view(Letters(), ways=2, shots=2, queries=2)
    view = EpisodeView(Letters(), ways=3, shots=2, queries=2, episodes=1, head="new")
    check_refused(
        lambda: fitting_trainer().test(learner, view, verbose=False),
        f"{kind}: what it learned about '3.weight' is for the shape [2, 4], the parameter has "
        "[3, 4]; test it on tasks with as many outputs as in training, or adapt by sgd",
    )


@pytest.mark.parametrize("name", ["multi_step_epochs", "first_order_epochs", "min_lr"])
def test_maml_pp_refuses_negative_options(name):
    check_refused(
        lambda: tlml.learner("maml_pp", network=trained_network(), **{name: -1}),
        f"{name}: must be at least 0, is -1",
    )


@pytest.mark.parametrize(("name", "option"), [("maml_pp", "cosine"), ("reptile", "anneal")])
def test_a_schedule_needs_an_end(name, option):
    learner = tlml.learner(name, network=trained_network())
    view = learner.view(Tables(), shots=4, queries=4, episodes=4)
    check_refused(
        lambda: fitting_trainer(max_epochs=-1).fit(learner, view),
        f"{option}: it needs the length of training; set max_epochs or max_steps, or "
        f"{option}=False",
    )
