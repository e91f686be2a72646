"""What the help of heavy commands says."""

from __future__ import annotations

import pytest

import tlml
from tlml.cli.help_text import WHAT, help_text, options_text
from tlml.registry import default_registry


@pytest.mark.parametrize("command", WHAT)
def test_it_says_what_the_command_does_with_an_example(command: str) -> None:
    text = help_text(command)
    assert text.startswith(f"usage: tlml {command} --model LEARNER --data.domain DOMAIN")
    assert WHAT[command] in text and f"  tlml {command} --" in text
    assert len(text.splitlines()) < 50
    assert "--recipe NAME" in text and "ppo_cartpole," in text
    assert "{" not in text


def test_each_command_has_what_only_it_takes() -> None:
    assert "--head kept|new" in help_text("adapt") and "--head" not in help_text("fit")
    assert "--data.adapt STRATEGY" in help_text("test")
    assert "checkpoints/last.ckpt" in help_text("fit")
    assert "checkpoints/last.ckpt" not in help_text("test")


def test_all_options_stand_under_what_takes_them() -> None:
    classes = {
        "model": default_registry().resolve("learner", "maml"),
        "model.strategy": default_registry().resolve("strategy", "sgd"),
        "data": tlml.EpisodeView,
    }
    filled = {"model": "maml", "model.strategy": "sgd", "data": "EpisodeView"}
    text = options_text("fit", filled, classes)
    heads = [line for line in text.splitlines() if line.startswith("--")]
    assert heads == ["--model maml", "--model.strategy sgd", "--data EpisodeView"]
    assert "  --model.strategy.steps" in text and "  --data.shots" in text
    assert "  --model.strategy:" not in text and "spaces" not in text
    assert "  --trainer.max_epochs" in text
