"""Which fits a plan holds, and what they are keyed by."""

from __future__ import annotations

from typing import Any

import pytest
from planned import ALIGNED, example, only_fit, planned

from tlml.registry import Registry
from tlml.suites import Suite, plan


def test_each_fit_is_planned_once_and_shared_by_shots(registry: Registry) -> None:
    made = planned(registry)
    assert [(f.domain, f.name, f.seed) for f in made.fits] == [
        ("waves", "pre", 0), ("waves", "pre", 1), ("waves", "maml", 0), ("waves", "maml", 1),
        ("letters14", "pre", 0), ("letters14", "pre", 1),
        ("letters14", "maml", 0), ("letters14", "maml", 1),
    ]  # fmt: skip
    # two domains with two and one number of shots, two seeds, three methods
    assert len(made.adapts) == (2 + 1) * 2 * 3
    ids = {fit.id: fit for fit in made.fits}
    for cell in made.adapts:
        if cell.method == "scratch":
            assert cell.fits == ()
        else:
            fit = ids[one(cell.fits)]
            assert (fit.domain, fit.seed) == (cell.domain, cell.seed)
    assert (made.name, made.baseline) == ("quick", "scratch")
    assert made.methods == ("scratch", "full", "maml")
    assert made.domains == ("waves", "letters14")
    assert made.refused == ()


def test_the_configuration_of_a_fit(registry: Registry) -> None:
    cell = next(f for f in planned(registry).fits if (f.domain, f.name) == ("letters14", "maml"))
    assert cell.config == {
        "kind": "fit",
        "domain": "letters",
        "domain_options": {"size": 14},
        "learner": "maml",
        "options": {"network": "conv4"},
        "strategy": "sgd",
        "strategy_options": {"lr": 0.4},
        "tune": {},
        "criterion": None,
        "view": {},
        "view_defaults": {},
        "trainer": {},
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("fit", "strategy", "options"),
    [
        # It acts when adapting only, so that training is the same without it.
        ({"learner": "supervised", "strategy": "full", "strategy_options": {"lr": 1.0}}, None, {}),
        ({"learner": "supervised", "strategy": "mmd", "strategy_options": {"weight": 1.0}},
         "mmd", {"weight": 1.0}),
        ({"learner": "maml", "strategy": "sgd", "strategy_options": {"lr": 1.0}},
         "sgd", {"lr": 1.0}),
        ({"learner": "maml", "strategy_options": {"lr": 1.0}}, "sgd", {"lr": 1.0}),
    ],
)  # fmt: skip
def test_a_fit_is_keyed_by_a_strategy_that_takes_part_in_it(
    registry: Registry, fit: dict[str, Any], strategy: str | None, options: dict[str, Any]
) -> None:
    cell = only_fit(registry, fit)
    assert (cell.config["strategy"], cell.config["strategy_options"]) == (strategy, options)


def test_fits_that_come_to_the_same_are_one(registry: Registry) -> None:
    made = planned(
        registry,
        seeds=1,
        domains={"waves": {"shots": 5}},
        fits={
            "a": {"learner": "supervised", "strategy": "full"},
            "b": {"learner": "supervised", "strategy": "scratch"},
        },
        methods={"a": {"fit": "a"}, "b": {"fit": "b"}},
    )
    assert [fit.name for fit in made.fits] == ["a"]
    assert [cell.fits for cell in made.adapts] == [(made.fits[0].id,)] * 2
    assert [cell.config["strategy"] for cell in made.adapts] == ["full", "scratch"]


def test_a_fit_that_no_method_uses_is_not_planned(registry: Registry) -> None:
    assert planned(registry, methods={"s": {"strategy": "scratch"}}).fits == ()


def test_a_fit_that_sees_the_target_is_made_for_each_episode(registry: Registry) -> None:
    made = planned(
        registry, seeds=2, episodes=3, domains={"letters": {"shots": [0, 5]}},
        fits={"aligned": ALIGNED, "pre": {"learner": "supervised"}},
        methods={"mmd": {"fit": "aligned"}, "pre": {"fit": "pre", "strategy": "full"}},
    )  # fmt: skip
    fits = {fit.id: fit for fit in made.fits}
    for cell in (cell for cell in made.adapts if cell.method == "mmd"):
        own = [fits[id] for id in cell.fits]
        assert [fit.episode for fit in own] == [0, 1, 2]
        assert {fit.seed for fit in own} == {cell.seed}
        for fit in own:
            # The target episodes are those of the test, whose key is the same for all seeds.
            view = {"unlabelled": True, "episode": fit.episode, "episode_seed": 0}
            assert fit.config["view"] == view
            assert cell.config["view"]["seed"] == view["episode_seed"]
    # Both numbers of shots share them, for no label takes part.
    assert sum(fit.name == "aligned" for fit in made.fits) == 2 * 3
    assert sum(fit.name == "pre" for fit in made.fits) == 2


def test_a_fit_takes_the_labels_of_the_cell(registry: Registry) -> None:
    made = planned(
        registry, seeds=1, episodes=2, domains={"letters": {"shots": [0, 5]}},
        fits={"joint": {"learner": "supervised", "labels": True}},
        methods={"joint": {"fit": "joint", "strategy": "full"}},
    )  # fmt: skip
    views = {cell.point["shots"]: cell.fits for cell in made.adapts}
    assert {shots: len(fits) for shots, fits in views.items()} == {0: 1, 5: 2}
    configs = {fit.id: fit.config["view"] for fit in made.fits}
    assert configs[one(views[0])] == {}
    assert [configs[id]["shots"] for id in views[5]] == [5, 5]


def one(values: Any) -> Any:
    (value,) = values
    return value


TUNED: dict[str, Any] = {
    "learner": "maml", "strategy": "sgd", "strategy_options": {"lr": 0.4, "steps": 2},
    "tune": {"learner.lr": {"values": [0.1, 0.2]}, "lr": [0.01, 1, "log"]},
}  # fmt: skip


def tuned(registry: Registry, fit: dict[str, Any], **changes: Any) -> Any:
    suite: dict[str, Any] = {
        "seeds": 2, "domains": {"waves": {"shots": [5, 10]}}, "fits": {"f": fit},
        "methods": {"m": {"fit": "f"}, "n": {"fit": "f", "strategy": "full"},
                    "s": {"strategy": "scratch"}},
    }  # fmt: skip
    return planned(registry, **{**suite, **changes})


def test_each_choice_of_a_fit_is_a_cell_that_all_methods_and_shots_share(
    registry: Registry,
) -> None:
    made = tuned(registry, TUNED)
    assert len({fit.id for fit in made.fits}) == 2 * (2 * 5)  # of each seed every choice
    for fit in made.fits:
        assert (fit.name, fit.after, fit.config["tune"]) == ("f", (), {})
        assert fit.tried == fit.config["tried"]
        assert fit.config["options"]["lr"] == fit.tried["learner.lr"]
        assert fit.config["strategy_options"] == {"lr": fit.tried["strategy.lr"], "steps": 2}
    for cell in (cell for cell in made.adapts if cell.method != "s"):
        own = tuple(fit.id for fit in made.fits if fit.seed == cell.seed)
        assert cell.fits == cell.waits_for == own
        assert cell.config["choices"] == [fit.tried for fit in made.fits if fit.id in own]
        assert (cell.config["criterion"], cell.config["tune"]) == ("validation tasks", {})
        # What is chosen for the fit's strategy holds afterwards, in place of what was fixed.
        adapts = {"m": {"steps": 2}, "n": {}}
        assert cell.config["strategy_options"] == adapts[cell.method]


def test_a_wider_grid_trains_what_is_new_in_it_alone(registry: Registry) -> None:
    few, more = ({**TUNED, "tune": {"lr": {"values": values}}} for values in ([1, 2], [1, 2, 3]))
    before, after = ({fit.id for fit in tuned(registry, fit).fits} for fit in (few, more))
    assert before < after and len(after - before) == 2


def test_the_oracle_takes_one_of_the_same_choices(registry: Registry) -> None:
    suite = Suite.model_validate(example(fits={"f": TUNED}, methods={"m": {"fit": "f"}}))
    fair, bound = plan(suite, registry), plan(suite, registry, oracle=True)
    assert bound.fits == fair.fits
    criteria = {cell.method: cell.config["criterion"] for cell in bound.adapts}
    assert criteria == {"m": "validation tasks", "m (oracle)": "target labels (oracle)"}


def test_patterns_keep_all_choices(registry: Registry) -> None:
    assert len(tuned(registry, TUNED).only(["m"]).fits) == 2 * 10


def test_a_fit_on_pairs_is_chosen_as_it_was_unless_it_sees_no_target(registry: Registry) -> None:
    aligned = {**ALIGNED, "strategy_options": {}, "tune": {"weight": {"values": [1.0, 2.0]}}}
    assert only_fit(registry, aligned, episodes=1).config["criterion"] == "weighted_source_risk"
    plain = {"learner": "supervised", "tune": {"learner.lr": {"values": [0.1, 0.2]}}}
    made = tuned(registry, plain, methods={"n": {"fit": "f", "strategy": "full"}})
    assert {fit.config["criterion"] for fit in made.fits} == {None}
    assert {cell.config["criterion"] for cell in made.adapts} == {"validation tasks"}


def test_what_sees_the_target_is_not_chosen_on_validation_tasks(registry: Registry) -> None:
    fit = {**ALIGNED, "tune": {"learner.lr": {"values": [0.1, 0.2]}},
           "criterion": "validation tasks"}  # fmt: skip
    (refusal,) = tuned(
        registry, fit, methods={"m": {"fit": "f"}, "s": {"strategy": "full"}}
    ).refused
    assert refusal.reason == (
        "its fit f sees each target episode, so validation tasks cannot judge it; take a criterion "
        "that needs no target label, such as weighted_source_risk"
    )


STARTED: dict[str, Any] = {
    "seeds": [3, 5], "domains": {"waves": {"shots": 5}},
    "fits": {
        "means": {"learner": "centroid", "fit": "maml"}, "maml": {"learner": "maml"},
        "again": {"learner": "centroid", "fit": "means"},
    },
    "methods": {"means": {"fit": "means"}},
}  # fmt: skip


def test_a_fit_that_starts_from_another_waits_for_that_of_its_seed(registry: Registry) -> None:
    made = planned(registry, **STARTED)
    assert [(fit.name, fit.seed) for fit in made.fits] == [
        ("maml", 3), ("means", 3), ("maml", 5), ("means", 5)
    ]  # fmt: skip
    for before, fit in zip(made.fits[::2], made.fits[1::2], strict=True):
        assert fit.waits_for == (before.id,)
        assert fit.config["start"] == before.id
        assert (before.waits_for, "start" in before.config) == ((), False)
    assert [cell.fits for cell in made.adapts] == [(fit.id,) for fit in made.fits[1::2]]


def test_what_a_fit_starts_from_is_part_of_it(registry: Registry) -> None:
    other = {"maml": {"learner": "maml", "options": {"lr": 0.5}}}
    made = [planned(registry, **STARTED, **more) for more in ({}, {"trainer": {"max_epochs": 9}})]
    changed = planned(registry, **{**STARTED, "fits": {**STARTED["fits"], **other}})
    means = [[fit.id for fit in one.fits if fit.name == "means"] for one in (*made, changed)]
    assert not {*means[0]} & {*means[1]} and not {*means[0]} & {*means[2]}
    alone = planned(registry, **{**STARTED, "methods": {"maml": {"fit": "maml"}}})
    assert {fit.id for fit in alone.fits} < {fit.id for fit in made[0].fits}


def test_a_fit_may_start_from_one_that_starts_from_one(registry: Registry) -> None:
    methods = {"again": {"fit": "again"}, "s": {"strategy": "scratch"}}
    made = planned(registry, **{**STARTED, "seeds": 1, "methods": methods})
    maml, means, again = made.fits
    assert (means.after, again.after) == ((maml.id,), (means.id,))
    assert made.only(["again"]).fits == made.fits
    assert made.only(["s"]).fits == ()
    left = made.without({maml.id: "too large"})
    assert [(one.name, one.reason) for one in left.refused] == [("again", "fit maml: too large")]
    assert [(cell.method, left.fits) for cell in left.adapts] == [("s", ())]


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (ALIGNED, "fit f is made for each target episode, and another can't start from it"),
        (TUNED, "fit f is chosen as each method adapts, and another can't start from it"),
        ({"learner": "supervised", "strategy": "hidden"}, ""),
    ],
)
def test_a_fit_that_is_several_cells_is_no_start(
    registry: Registry, fit: dict[str, Any], reason: str
) -> None:
    made = planned(
        registry, seeds=1, domains={"letters": {"shots": 5}},
        fits={"f": fit, "means": {"learner": "centroid", "fit": "f"}},
        methods={"s": {"strategy": "scratch"}, "means": {"fit": "means"}},
    )  # fmt: skip
    assert [refusal.reason for refusal in made.refused] == ([reason] if reason else [])


def test_a_fit_whose_start_can_not_be_made_is_refused(registry: Registry) -> None:
    fits = {**STARTED["fits"], "maml": {"learner": "maml", "strategy": "full"}}
    methods = {"again": {"fit": "again"}, "s": {"strategy": "scratch"}}
    (refusal,) = planned(registry, **{**STARTED, "fits": fits, "methods": methods}).refused
    assert refusal.name == "again"
    assert refusal.reason.startswith("waves, maml and full do not go together")
