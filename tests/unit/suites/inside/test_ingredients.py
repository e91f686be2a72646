"""What cells are made of, from their configurations."""

from __future__ import annotations

from typing import Any

import pytest

import tlml
from tlml import EpisodeView, StreamView
from tlml.suites.inside.ingredients import (
    make_domain,
    make_learner,
    make_strategy,
    make_training_view,
    trainer_options,
)

FIT: dict[str, Any] = {
    "kind": "fit", "learner": "maml", "options": {"lr": 0.5}, "seed": 3, "strategy": "sgd",
    "strategy_options": {"steps": 2}, "domain": "sinusoid", "domain_options": {"noise": 0.5},
    "view": {"shots": 2}, "view_defaults": {"queries": 4, "batch_size": 7}, "trainer": {},
}  # fmt: skip


def test_a_domain_and_a_strategy_have_their_options() -> None:
    assert make_domain(FIT).options["noise"] == 0.5
    made = make_strategy("sgd", {"steps": 2})
    assert made is not None and made.options["steps"] == 2
    assert make_strategy(None, {}) is None


def test_a_learner_has_the_seed_of_its_cell_and_in_a_fit_its_strategy() -> None:
    learner: Any = make_learner(FIT)
    assert (learner.lr, learner.seed, learner.strategy.options["steps"]) == (0.5, 3, 2)
    plain: Any = make_learner({**FIT, "kind": "adapt"})
    assert plain.strategy.options["steps"] == tlml.learner("maml").strategy.options["steps"]


def test_a_learners_own_option_holds_for_what_is_not_said_of_its_strategy() -> None:
    """As `alpha_init` of `lamaml`, where the rates of its strategy start."""
    config = {**FIT, "learner": "lamaml", "options": {"alpha_init": 0.2}, "strategy": "meta_sgd"}
    starts = {}
    for said in ({}, {"lr": 0.3}):
        starts[len(said)] = make_learner({**config, "strategy_options": said}).strategy.options[
            "lr"
        ]
    assert starts == {0: 0.2, 1: 0.3}


def test_a_view_takes_of_the_defaults_what_it_knows() -> None:
    learner = make_learner({**FIT, "options": {"network": "mlp"}})
    view = make_training_view(FIT, learner, make_domain(FIT))
    assert isinstance(view, EpisodeView)
    assert (view.shots, view.queries, view.seed) == (2, 4, 3)


def test_a_cell_is_one_process_without_a_sanity_check() -> None:
    learner, view = make_learner(FIT), EpisodeView(tlml.domain("sinusoid"))
    assert trainer_options({"trainer": {"max_epochs": 2}}, learner, view) == {
        "accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, "max_epochs": 2,
    }  # fmt: skip
    assert (
        trainer_options({"trainer": {"accelerator": "gpu"}}, learner, view)["accelerator"] == "gpu"
    )


@pytest.mark.parametrize("tasks", [2, 3])
def test_a_stream_is_as_long_as_its_tasks_and_measured_first(tasks: int) -> None:
    from tiny import Letters

    view = StreamView(Letters(), ways=2, tasks=tasks, batch_size=4)
    options = trainer_options({"trainer": {}}, make_learner(FIT), view)
    assert options["max_epochs"] == view.length and options["num_sanity_val_steps"] == -1


def test_an_agent_learns_for_as_many_steps_as_it_says() -> None:
    from agents import Gradients, Lines

    agent = Gradients(max_env_steps=50)
    options = trainer_options({"trainer": {"max_epochs": 3}}, agent, agent.view(Lines()))
    assert (options["max_epochs"], options["limit_val_batches"]) == (-1, 0)
