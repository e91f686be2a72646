"""The recipes of benchmarks/recipes name what is registered and set what it takes, without data."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from places import ROOT

from tlml import PairView
from tlml.registry import default_registry
from tlml.suites import Plan, Suite, load_suite, plan
from tlml.suites.inside.ingredients import make_learner, make_strategy

RECIPES = sorted((ROOT / "benchmarks" / "recipes").glob("*.yaml"))
PAGE = (ROOT / "docs" / "recipes.md").read_text()

STREAMS = [path for path in RECIPES if path.stem.startswith("lamaml_")]
FEW_SHOT = [path for path in RECIPES if path not in STREAMS]

each_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
each_few_shot = pytest.mark.parametrize("path", FEW_SHOT, ids=lambda path: path.stem)


@cache
def planned(path: Path) -> tuple[Suite, Plan]:
    suite = load_suite(path)
    return suite, plan(suite, default_registry())


def distinct(cells: Any) -> list[dict[str, Any]]:
    """Return the configurations of the first seed."""
    return [cell.config for cell in cells if cell.seed == 0]


def test_there_are_recipes_for_all_data_sets() -> None:
    domains = {
        entry.domain or label
        for path in RECIPES
        for label, entry in load_suite(path).domains.items()
    }
    assert domains == {
        "omniglot", "mini_imagenet",
        "rotated_mnist", "permuted_mnist", "many_permutations", "split_cifar100",
    }  # fmt: skip


@each_recipe
def test_every_method_can_be_run_on_every_domain(path: Path) -> None:
    suite, made = planned(path)
    assert made.refused == ()
    assert {(c.domain, c.method) for c in made.adapts} == {
        (domain, method) for domain in suite.domains for method in suite.methods
    }
    assert {method.fit for method in suite.methods.values()} - {None} == set(suite.fits)
    assert len(suite.seeds) == (5 if path in STREAMS else 3)  # as in the papers


@each_recipe
def test_learners_strategies_and_trainers_take_their_options(path: Path) -> None:
    _, made = planned(path)
    for config in distinct(made.fits):
        make_learner(config)
        pl.Trainer(**config["trainer"] | {"accelerator": "cpu"}, logger=False)
    for config in distinct(made.adapts):
        make_strategy(config["strategy"], config["strategy_options"])


@each_recipe
def test_convolutions_are_trained_on_a_gpu(path: Path) -> None:
    suite, made = planned(path)
    images = not any("mlp" in entry.learner.values() for entry in suite.domains.values())
    trainers = {config["trainer"].get("accelerator", "cpu") for config in distinct(made.fits)}
    assert trainers == {"gpu" if images else "cpu"}


@each_recipe
def test_training_sees_no_target_label(path: Path) -> None:
    _, made = planned(path)
    for config in distinct(made.fits):
        learner = make_learner(config)
        view = {**config["view_defaults"], **config["view"]}
        if issubclass(learner.view_type, PairView):
            assert view["shots"] == 0, config["learner"]


@each_few_shot
def test_training_episodes_fit_the_batches_and_the_classes(path: Path) -> None:
    _, made = planned(path)
    for config in distinct(made.fits):
        view = {**config["view_defaults"], **config["view"]}
        assert view["episodes"] % view["tasks_per_batch"] == 0, config["learner"]
        each = {"omniglot": 20, "mini_imagenet": 600}[config["domain"]]
        assert view["shots"] + view["queries"] <= each, config["learner"]


def test_maml_is_set_as_in_its_paper() -> None:
    found = {}
    for path in RECIPES:
        _, made = planned(path)
        tested = {
            c.fits[0]: c.config["strategy_options"] for c in made.adapts if c.method == "maml"
        }
        for cell in made.fits:
            if cell.name == "maml" and cell.seed == 0:
                view, inner = cell.config["view_defaults"], cell.config["strategy_options"]
                found[path.stem, cell.domain] = (
                    view["ways"], view["tasks_per_batch"], inner["lr"], inner["steps"],
                    tested[cell.id]["steps"], cell.config["options"]["network_options"]["channels"],
                )  # fmt: skip
                assert cell.config["trainer"]["max_steps"] == 60_000
    # Finn, Abbeel & Levine 2017, appendix A.1.
    assert found == {
        ("omniglot", "1-shot"): (5, 32, 0.4, 1, 3, 64),
        ("omniglot", "5-shot"): (5, 32, 0.4, 1, 3, 64),
        ("omniglot_20way", "1-shot"): (20, 16, 0.1, 5, 5, 64),
        ("omniglot_20way", "5-shot"): (20, 16, 0.1, 5, 5, 64),
        ("mini_imagenet", "1-shot"): (5, 4, 0.01, 5, 10, 32),
        ("mini_imagenet", "5-shot"): (5, 2, 0.01, 5, 10, 32),
    }


# Of the authors' run_experiments.sh: tasks and examples of each, memory, then glances, alpha_init,
# opt_wt and opt_lr (None: alpha steps the weights, or stays) of C-MAML, Sync and La-MAML.
SCRIPTS = {
    "lamaml_rotations": (20, 1000, 200, {
        "cmaml": (5, 0.1, 0.1, None), "sync_lamaml": (5, 0.15, 0.3, 0.1),
        "lamaml": (5, 0.15, None, 0.3),
    }),
    "lamaml_permutations": (20, 1000, 200, {
        "cmaml": (5, 0.03, 0.1, None), "sync_lamaml": (5, 0.15, 0.1, 0.1),
        "lamaml": (5, 0.15, None, 0.3),
    }),
    "lamaml_many_permutations": (100, 200, 500, {
        "cmaml": (5, 0.03, 0.15, None), "sync_lamaml": (10, 0.03, 0.03, 0.1),
        "lamaml": (10, 0.1, None, 0.1),
    }),
    "lamaml_cifar100": (20, None, 200, {
        "cmaml": (1, 0.075, 0.075, None), "sync_lamaml": (1, 0.1, 0.1, 0.35),
        "lamaml": (1, 0.1, None, 0.25), "cmaml_once": (2, 0.075, 0.075, None),
        "sync_lamaml_once": (5, 0.1, 0.1, 0.35), "lamaml_once": (10, 0.1, None, 0.25),
    }),
}  # fmt: skip


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_lamaml_is_set_as_in_its_authors_scripts(path: Path) -> None:
    suite, made = planned(path)
    (entry,) = suite.domains.values()
    tasks, samples, memory, scripts = SCRIPTS[path.stem]
    stream = entry.given["stream"]
    assert (stream["tasks"], stream.get("samples")) == (tasks, samples)
    assert (entry.view["batch_size"], entry.learner["replay"]) == (10, 10)
    assert entry.learner["memory_size"] == memory
    found = {}
    for cell in made.fits:
        options = cell.config["options"]
        if cell.seed == 0 and cell.name != "lamaml_paper":
            given = ("glances", "alpha_init", "lr", "alpha_lr")
            found[cell.name] = tuple(options.get(name) for name in given)
    assert found == scripts


def test_lamaml_clips_where_its_authors_do() -> None:
    for path in STREAMS:
        for cell in planned(path)[1].fits:
            learner, options = make_learner(cell.config), cell.config["options"]
            name, photographs = cell.config["learner"], path.stem == "lamaml_cifar100"
            limit = 1.0 if name == "lamaml" and photographs else 2.0
            assert learner.grad_clip_norm == limit  # type: ignore[attr-defined]
            assert options.get("inner_clip") == (limit if photographs else None)
            assert options.get("order", "first") == ("second" if photographs else "first")
            epochs = {**cell.config["view_defaults"], **cell.config["view"]}.get("epochs", 1)
            assert epochs == (10 if photographs and not cell.name.endswith("_once") else 1)


@each_recipe
def test_the_page_names_the_recipe_and_all_that_it_compares(path: Path) -> None:
    words = set(re.findall(r"`([^`\n]+)`", PAGE))
    assert f"benchmarks/recipes/{path.name}" in PAGE
    assert set(load_suite(path).methods) <= words
