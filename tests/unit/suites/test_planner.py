"""Plans: which cells a suite comes to, what their ids follow from, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from planned import ALIGNED, example, only_fit, planned

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import write_plan


def test_a_method_may_be_compared_at_some_shots_only(registry: Registry) -> None:
    methods = example()["methods"]
    some = planned(registry, methods={**methods, "full": {**methods["full"], "shots": [1, 10]}})
    every = planned(registry)
    kept = [c for c in every.adapts if (c.method, c.point["shots"]) != ("full", 5)]
    assert list(some.adapts) == kept
    assert len(kept) < len(every.adapts)


def test_the_configuration_of_an_adaptation(registry: Registry) -> None:
    cells = planned(registry).adapts
    cell = next(c for c in cells if (c.domain, c.method, c.seed) == ("letters14", "maml", 1))
    assert cell.config == {
        "kind": "adapt",
        "protocol": "episodes",
        "fits": list(cell.fits),
        "domain": "letters",
        "domain_options": {"size": 14},
        "learner": "maml",
        "options": {"network": "conv4"},
        "strategy": "sgd",
        "strategy_options": {"lr": 0.4, "steps": 5},
        "tune": {},
        "criterion": None,
        "head": None,
        "view": {"shots": 1, "episodes": 100, "seed": 0},
        "seed": 1,
    }


def test_a_method_without_a_fit_starts_from_an_untrained_supervised_learner(
    registry: Registry,
) -> None:
    cell = next(c for c in planned(registry).adapts if c.domain == "letters14")
    assert cell.method == "scratch"
    assert (cell.config["fits"], cell.config["learner"]) == ([], "supervised")
    assert cell.config["options"] == {"network": "conv4"}


def test_views_of_a_domain_go_to_what_takes_them(registry: Registry) -> None:
    domains = {"waves": {"shots": 5, "view": {"queries": 3, "batch_size": 8}}}
    made = planned(registry, domains=domains)
    assert made.fits[0].config["view_defaults"] == {"queries": 3, "batch_size": 8}
    view = {"queries": 3, "shots": 5, "episodes": 100, "seed": 0}
    assert made.adapts[0].config["view"] == view


def test_learner_options_of_a_domain_go_to_learners_that_take_them(registry: Registry) -> None:
    made = planned(
        registry,
        domains={"waves": {"shots": 5, "learner": {"network": "mlp", "first_order": True}}},
        fits={"maml": {"learner": "maml", "options": {"network": "own"}},
              "means": {"learner": "centroid"}},
        methods={"maml": {"fit": "maml"}, "means": {"fit": "means"}, "s": {"strategy": "scratch"}},
    )  # fmt: skip
    options = {cell.config["learner"]: cell.config["options"] for cell in made.adapts}
    assert options == {
        "maml": {"network": "own", "first_order": True},
        "centroid": {},
        "supervised": {"network": "mlp"},
    }


def test_a_domain_may_say_its_own_number_of_episodes(registry: Registry) -> None:
    domains = {"waves": {"shots": 5, "episodes": 7}, "letters": {"shots": 5}}
    made = planned(registry, domains=domains, episodes=30)
    episodes = {cell.domain: cell.config["view"]["episodes"] for cell in made.adapts}
    assert episodes == {"waves": 7, "letters": 30}


def test_trainer_options_go_from_the_suite_over_the_domain_to_the_fit(registry: Registry) -> None:
    cell = only_fit(registry, {"learner": "supervised"}, trainer={"max_epochs": 1})
    assert cell.config["trainer"] == {"max_epochs": 1}
    made = planned(
        registry,
        trainer={"max_epochs": 1, "max_steps": 1, "min_epochs": 1},
        domains={"waves": {"shots": 1, "trainer": {"max_epochs": 2, "max_steps": 2}}},
        fits={"f": {"learner": "supervised", "trainer": {"max_steps": 3}}},
        methods={"m": {"fit": "f", "strategy": "full"}},
    )
    assert made.fits[0].config["trainer"] == {"max_epochs": 2, "max_steps": 3, "min_epochs": 1}


def test_methods_that_come_to_the_same_share_their_cells(registry: Registry) -> None:
    made = planned(registry, methods={"a": {"strategy": "full"}, "b": {"strategy": "full"}})
    assert {c.id for c in made.adapts if c.method == "a"} == {
        c.id for c in made.adapts if c.method == "b"
    }


def test_a_method_takes_over_the_options_of_its_fits_strategy_only(registry: Registry) -> None:
    fits = {"f": {"learner": "maml", "strategy_options": {"lr": 0.4, "steps": 3}}}
    methods = {
        "same": {"fit": "f"},
        "changed": {"fit": "f", "strategy": "sgd", "options": {"steps": 9}},
        "another": {"fit": "f", "strategy": "full", "options": {"steps": 9}},
    }
    made = planned(registry, fits=fits, methods=methods)
    options = {cell.method: cell.config["strategy_options"] for cell in made.adapts}
    assert options == {
        "same": {"lr": 0.4, "steps": 3},
        "changed": {"lr": 0.4, "steps": 9},
        "another": {"steps": 9},
    }


def test_refused_combinations_are_listed_with_their_reason(registry: Registry) -> None:
    made = planned(
        registry,
        domains={"waves": {"shots": 1}, "robots": {"shots": 1}},
        fits={
            "maml": {"learner": "maml"},
            "clash": {"learner": "maml", "strategy": "full"},
            "means": {"learner": "centroid"},
        },
        methods={
            "scratch": {"strategy": "scratch"},
            # maml trains through sgd: what it is adapted with need not be differentiable
            "full": {"fit": "maml", "strategy": "full"},
            "align": {"fit": "maml", "strategy": "mmd", "options": {"weight": 1.0}},
            "clash": {"fit": "clash", "strategy": "sgd"},
            "means": {"fit": "means"},
        },
    )
    no_episodes = "domain robots gives no episodes, which protocol episodes needs"
    reasons = {(r.domain, r.name): r.reason.partition("; these do:")[0] for r in made.refused}
    assert reasons == {
        ("waves", "align"): "waves, maml and mmd do not go together: strategy mmd needs features, "
        "which neither domain waves nor learner maml gives",
        ("waves", "clash"): "waves, maml and full do not go together: learner maml needs "
        "differentiable, which neither domain waves nor strategy full gives",
        **{("robots", name): no_episodes for name in made.methods},
    }
    assert {cell.method for cell in made.adapts} == {"scratch", "full", "means"}
    assert {fit.name for fit in made.fits} == {"maml", "means"}


def test_a_suite_of_which_nothing_can_be_run_is_an_error(registry: Registry) -> None:
    with pytest.raises(TlmlError) as caught:
        planned(registry, domains={"robots": {"shots": 1}})
    assert str(caught.value) == (
        "suite quick: nothing in it can be run: domain robots gives no episodes, "
        "which protocol episodes needs"
    )


def test_a_suite_made_in_python_is_checked_too(registry: Registry) -> None:
    with pytest.raises(TlmlError) as caught:
        planned(registry, methods={"m": {"strategy": "ful"}})
    assert str(caught.value) == (
        "suite quick: methods.m.strategy: no strategy is called 'ful'; did you mean full?"
    )


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        (["waves"], {("waves", "scratch"), ("waves", "full"), ("waves", "maml")}),
        (["full"], {("waves", "full"), ("letters14", "full")}),
        (["waves/full"], {("waves", "full")}),
        (["wave?/full", "*/maml"], {("waves", "full"), ("waves", "maml"), ("letters14", "maml")}),
    ],
)
def test_a_plan_is_cut_to_patterns(
    registry: Registry, patterns: list[str], kept: set[tuple[str, str]]
) -> None:
    whole = planned(registry)
    made = whole.only(patterns)
    assert {(cell.domain, cell.method) for cell in made.adapts} == kept
    assert {f.id for f in made.fits} == {id for cell in made.adapts for id in cell.fits}
    assert {c.id for c in made.adapts} <= {c.id for c in whole.adapts}


def test_a_pattern_that_matches_nothing_is_an_error(registry: Registry) -> None:
    with pytest.raises(TlmlError) as caught:
        planned(registry).only(["waves", "ful"])
    assert str(caught.value) == (
        "only: 'ful' matches no cell; the domains are waves, letters14 and the methods "
        "scratch, full, maml, both together as DOMAIN/METHOD"
    )


def test_a_plan_is_written_as_json(registry: Registry, tmp_path: Path) -> None:
    made = planned(registry)
    write_plan(made, tmp_path / "runs" / "quick")
    read = json.loads((tmp_path / "runs" / "quick" / "plan.json").read_text())
    assert read == json.loads(json.dumps(made.as_dict()))
    assert read["adapts"][0]["id"] == made.adapts[0].id


def test_patterns_keep_the_fits_of_all_episodes(registry: Registry) -> None:
    made = planned(
        registry, seeds=1, episodes=2, domains={"letters": {"shots": 1}},
        fits={"aligned": ALIGNED},
        methods={"mmd": {"fit": "aligned"}, "s": {"strategy": "scratch"}},
    )  # fmt: skip
    assert len(made.only(["mmd"]).fits) == 2
    assert made.only(["s"]).fits == ()


def test_a_strategy_of_training_is_refused_where_it_would_do_nothing(registry: Registry) -> None:
    changes: dict[str, Any] = {
        "seeds": 1, "domains": {"letters": {"shots": 1}},
        "fits": {"pre": {"learner": "supervised"}, "aligned": ALIGNED},
    }  # fmt: skip
    mmd = {"strategy": "mmd", "options": {"weight": 1.0}}
    methods = {"late": {"fit": "pre", **mmd}, "never": mmd, "right": {"fit": "aligned", **mmd}}
    made = planned(registry, methods=methods, **changes)
    assert {cell.method for cell in made.adapts} == {"right"}
    reason = (
        "strategy mmd acts in training, and this training is without it; name it in a fit, and "
        "here how to adapt, such as as_trained or full"
    )
    assert [(refused.name, refused.reason) for refused in made.refused] == [
        ("late", reason),
        ("never", reason),
    ]
