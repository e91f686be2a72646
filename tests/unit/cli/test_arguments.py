"""Options of what fills the slots, parsed and written back."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import tlml
from tlml import TlmlError
from tlml.cli.arguments import Arguments, as_yaml, with_names
from tlml.cli.lightning import Trainer
from tlml.cli.slots import read_words
from tlml.registry import default_registry


def arguments(*words: str) -> Arguments:
    names = ["--model", "maml", "--model.strategy", "sgd", "--data", "EpisodeView"]
    line = read_words("fit", [*names, "--data.domain", "sinusoid", *words])
    registry = default_registry()
    classes: dict[str, type[Any]] = {
        "model": registry.resolve("learner", "maml"),
        "model.strategy": registry.resolve("strategy", "sgd"),
        "data": tlml.EpisodeView,
        "data.domain": registry.resolve("domain", "sinusoid"),
    }
    return Arguments(line, classes, Trainer, {"max_epochs": 7})


def test_options_are_parsed_under_what_takes_them() -> None:
    made = arguments("--model.lr", "0.5", "--model.strategy.steps", "3", "--data.shots", "[1, 5]")
    found = made.plain(made.parse())
    assert found["model"]["lr"] == 0.5
    assert found["model"]["strategy"] == {"name": "sgd", **found["model"]["strategy"]}
    assert found["model"]["strategy"]["steps"] == 3
    assert found["data"]["shots"] == [1, 5] and found["data"]["name"] == "EpisodeView"
    assert found["trainer"]["max_epochs"] == 7


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["--trainer.max_epoch", "3"], "trainer.max_epoch: no such option; did you mean"),
        (["--data.shots", "many"], "data.shots: must be"),
    ],
)
def test_mistakes_are_one_line(words: list[str], start: str) -> None:
    with pytest.raises(TlmlError) as caught:
        arguments(*words).parse()
    assert str(caught.value).startswith(start) and "\n" not in str(caught.value)


def test_names_stand_beside_options_unless_one_of_them_is_called_name() -> None:
    line = read_words("fit", ["--model", "maml", "--data.domain", "sinusoid"])
    content = {"model": {"lr": 0.5}, "data": {"domain": {"name": "mine"}}}
    assert with_names(content, line) == {
        "model": {"name": "maml", "lr": 0.5},
        "data": {"domain": {"class_path": "sinusoid", "init_args": {"name": "mine"}}},
    }


def test_a_configuration_in_yaml_reads_back_and_says_its_versions() -> None:
    content = {"model": {"name": "maml", "lr": 1e-3}, "trainer": {"logger": None, "devices": "1"}}
    text = as_yaml(content)
    assert text.startswith(f"# tlml=={tlml.__version__}\n# pytorch_lightning==")
    assert yaml.safe_load(text) == content
