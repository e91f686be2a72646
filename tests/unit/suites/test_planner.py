"""Plans: which cells a suite comes to, what their ids follow from, what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_stubs import EXAMPLE, stub_registry

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites import Plan, Suite, plan, write_plan
from tlml.suites.cells import cell_id

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return stub_registry()


def example(**changes: Any) -> dict[str, Any]:
    """Return the example as plain data, with parts exchanged."""
    data = yaml.safe_load(EXAMPLE.replace("1e-3", "0.001"))
    return {**data, **changes}


def planned(registry: Registry, **changes: Any) -> Plan:
    return plan(Suite.model_validate(example(**changes)), registry)


def only_fit(registry: Registry, fit: dict[str, Any], **changes: Any) -> Any:
    """Return the one fit of a suite of one method on one domain with one seed."""
    made = planned(
        registry,
        seeds=1,
        domains={"waves": {"shots": 5}},
        fits={"f": fit},
        methods={"m": {"fit": "f", "strategy": "sgd"}},
        **changes,
    )
    return made.fits[0]


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


def test_a_method_may_be_compared_at_some_shots_only(registry: Registry) -> None:
    methods = example()["methods"]
    some = planned(registry, methods={**methods, "full": {**methods["full"], "shots": [1, 10]}})
    every = planned(registry)
    kept = [c for c in every.adapts if (c.method, c.point["shots"]) != ("full", 5)]
    assert list(some.adapts) == kept
    assert len(kept) < len(every.adapts)


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


def test_a_fit_that_no_method_uses_is_not_planned(registry: Registry) -> None:
    assert planned(registry, methods={"s": {"strategy": "scratch"}}).fits == ()


def test_an_id_is_the_hash_of_configuration_and_versions(registry: Registry) -> None:
    for cell in (*planned(registry).fits, *planned(registry).adapts):
        text = json.dumps(
            {"config": cell.config, "versions": cell.versions},
            sort_keys=True,
            separators=(",", ":"),
        )
        assert cell.id == hashlib.sha256(text.encode()).hexdigest()[:16]


@settings(max_examples=8)
@given(NAMES, st.sampled_from(["full", "sgd"]), st.floats(0.001, 1.0))
def test_adding_a_method_changes_no_other_id(name: str, strategy: str, lr: float) -> None:
    registry = stub_registry()
    before = planned(registry)
    methods = example()["methods"]
    new = {f"new_{name}": {"fit": "pre", "strategy": strategy, "options": {"lr": lr}}}
    for order in ({**methods, **new}, {**new, **methods}):
        after = planned(registry, methods=order)
        assert {c.id for c in before.adapts} < {c.id for c in after.adapts}
        assert {f.id for f in before.fits} == {f.id for f in after.fits}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"baseline": "full"},
        {"seeds": [0, 1]},
        {"domains": dict(reversed(example()["domains"].items()))},
        {"fits": dict(reversed(example()["fits"].items()))},
    ],
)
def test_what_changes_no_run_changes_no_id(registry: Registry, change: dict[str, Any]) -> None:
    before, after = planned(registry), planned(registry, **change)
    assert {c.id for c in before.adapts} == {c.id for c in after.adapts}
    assert {c.id for c in before.fits} == {c.id for c in after.fits}


@pytest.mark.parametrize(
    "change",
    [
        {"episodes": 99},
        {"trainer": {"max_steps": 3}},
        {"domains": {"waves": {"shots": [5, 10], "view": {"queries": 4}}}},
        {"domains": {"waves": {"shots": [5, 10], "options": {"noise": 0.1}}}},
        {"domains": {"waves": {"shots": [5, 10], "learner": {"network": "mlp"}}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "head": "new"}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "tune": {"lr": [1, 2, "log"]}}}},
        {"methods": {"full": {"fit": "pre", "strategy": "full", "options": {"lr": 0.5}}}},
    ],
)
def test_what_changes_a_run_changes_its_id(registry: Registry, change: dict[str, Any]) -> None:
    start = {
        "seeds": 1,
        "domains": {"waves": {"shots": [5, 10]}},
        "methods": {"full": {"fit": "pre", "strategy": "full"}},
    }
    before, after = planned(registry, **start), planned(registry, **{**start, **change})
    assert not {c.id for c in before.adapts} & {c.id for c in after.adapts}


def test_another_release_of_a_plugin_changes_the_ids_of_what_uses_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.plugin_of("strategy", "mmd")
    assert planned(registry).adapts[0].versions.keys() == {"tlml", "torch"}
    released = dataclasses.replace(plugin, distribution="stubs", version="2.1")
    monkeypatch.setattr(registry, "plugin_of", lambda kind, name: released)
    assert planned(registry).adapts[0].versions["stubs"] == "2.1"
    assert planned(registry).adapts[0].id != planned(stub_registry()).adapts[0].id


@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=3))
def test_a_configuration_survives_yaml(options: dict[str, Any]) -> None:
    methods = {"m": {"strategy": "hidden", "options": options}}
    for cell in planned(stub_registry(), seeds=1, methods=methods).adapts:
        assert yaml.safe_load(yaml.safe_dump(cell.config)) == cell.config
        assert cell_id(yaml.safe_load(yaml.safe_dump(cell.config)), cell.versions) == cell.id


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


# Fits that see the target

ALIGNED = {
    "learner": "supervised", "strategy": "mmd", "strategy_options": {"weight": 1.0},
    "view": {"unlabelled": True},
}  # fmt: skip


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


def test_patterns_keep_the_fits_of_all_episodes(registry: Registry) -> None:
    made = planned(
        registry, seeds=1, episodes=2, domains={"letters": {"shots": 1}},
        fits={"aligned": ALIGNED},
        methods={"mmd": {"fit": "aligned"}, "s": {"strategy": "scratch"}},
    )  # fmt: skip
    assert len(made.only(["mmd"]).fits) == 2
    assert made.only(["s"]).fits == ()


# Choosing


def test_a_fit_is_tuned_by_its_criterion_and_the_oracle_by_target_labels(
    registry: Registry,
) -> None:
    fit = {
        **ALIGNED,
        "strategy_options": {},
        "tune": {"weight": {"values": [0.1, 1.0]}},
        "criterion": "entropy",
    }
    changes: dict[str, Any] = {
        "seeds": 1, "episodes": 1, "domains": {"letters": {"shots": 0}},
        "fits": {"aligned": fit},
        "methods": {"mmd": {"fit": "aligned"}, "s": {"strategy": "full"}},
    }  # fmt: skip
    suite = Suite.model_validate(example(**changes))
    fair, bound = plan(suite, registry), plan(suite, registry, oracle=True)
    assert [fit.config["criterion"] for fit in fair.fits] == ["entropy"]
    assert fair.methods == ("mmd", "s")
    assert bound.methods == ("mmd", "mmd (oracle)", "s")
    # What is fair is the same cell with and without the bound beside it.
    assert {cell.id for cell in fair.adapts} < {cell.id for cell in bound.adapts}
    assert sorted(fit.config["criterion"] for fit in bound.fits) == [
        "entropy",
        "target labels (oracle)",
    ]


def test_the_oracle_of_a_method_chooses_on_the_episodes_of_the_test(registry: Registry) -> None:
    made = plan(Suite.model_validate(example()), registry, oracle=True)
    criteria = {cell.method: cell.config["criterion"] for cell in made.adapts}
    assert criteria == {
        "scratch": None,
        "full": "validation tasks",
        "full (oracle)": "target labels (oracle)",
        "maml": None,
    }


def test_without_a_choice_there_is_no_oracle(registry: Registry) -> None:
    suite = Suite.model_validate(example(methods={"s": {"strategy": "scratch"}}))
    message = "oracle: nothing is tuned in suite quick, so there is no choice"
    with pytest.raises(TlmlError, match=f"^{message}"):
        plan(suite, registry, oracle=True)


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


def one(values: Any) -> Any:
    (value,) = values
    return value
