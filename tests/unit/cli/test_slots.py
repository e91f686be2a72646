"""Names on a heavy command line, in flags and files, and what is left for the parser."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tlml import TlmlError
from tlml.cli.slots import CommandLine, canonical, read_words


def read(*words: str, command: str = "fit") -> CommandLine:
    return read_words(command, words)


def rest(line: CommandLine) -> dict[str, Any]:
    """Return the configurations that are left for the parser, the last one over the others."""
    words = line.arguments()
    found: dict[str, Any] = {}
    for flag, value in itertools.pairwise(words):
        if flag == "--config":
            found |= json.loads(value)
    return found


def test_names_fill_slots_and_options_stay() -> None:
    line = read("--model", "maml", "--data.domain=sinusoid", "--data.shots", "5")
    assert line.filled == {"model": "maml", "data.domain": "sinusoid"}
    assert line.arguments() == ["--data.shots=5"]
    assert line.slots["data"].given == {"shots": ""}


def test_a_file_says_the_same_with_the_lines_of_its_options(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model:\n  name: maml\n  strategy: {name: sgd, lr: 0.1}\n  lr: 0.5\n")
    line = read("--config", str(path))
    assert line.filled == {"model": "maml", "model.strategy": "sgd"}
    assert rest(line) == {"model": {"strategy": {"lr": 0.1}, "lr": 0.5}}
    assert line.slots["model"].given["lr"].endswith("run.yaml:4: ")


def test_a_recipe_is_a_file_by_its_name_and_flags_override_it() -> None:
    line = read("--recipe", "ppo_cartpole_quick", "--model.lr", "0.01")
    assert line.filled == {"model": "ppo", "data.domain": "cartpole"}
    assert rest(line)["model"]["max_env_steps"] == 25_000
    assert line.slots["model"].given["lr"].startswith("ppo_cartpole_quick.yaml:")
    assert line.arguments()[-1] == "--model.lr=0.01"


def test_class_paths_of_lightning_are_read_too() -> None:
    node = {"class_path": "tlml.names.learner.maml", "init_args": {"lr": 0.5}}
    line = read("--model", json.dumps(node))
    assert line.filled == {"model": "maml"}
    assert rest(line) == {"model": {"lr": 0.5}}


def test_the_last_name_wins_and_takes_the_options_of_the_former_away(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("model: {name: maml, lr: 0.5}\n")
    line = read("--config", str(path), "--model", "supervised")
    assert line.filled == {"model": "supervised"}
    assert rest(line) == {} and line.slots["model"].given == {}


def test_a_slot_can_stay_empty() -> None:
    line = read("--model", "maml", "--model.strategy", "null")
    assert line.slots["model.strategy"].said and "model.strategy" not in line.filled
    assert "--model.strategy=null" in line.arguments()


def test_checkpoints_and_questions_are_kept_apart() -> None:
    line = read("--ckpt_path", "last", "--print_config", "-h")
    assert (line.paths, line.helps, line.prints) == ({"ckpt_path": "last"}, True, "")
    assert "strategy" in read(command="adapt").slots and "strategy" not in read().slots


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["maml"], "'maml' is not an option; write options as --data.shots 5"),
        (["--model"], "model: a value is missing after --model"),
        (
            ["--print_config=all"],
            "print_config: 'all' is not understood; it takes nothing or skip_default",
        ),
    ],
)
def test_mistakes_are_one_line(words: list[str], text: str) -> None:
    with pytest.raises(TlmlError) as caught:
        read(*words)
    assert str(caught.value) == text


def test_a_file_must_hold_options(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("- 1\n")
    with pytest.raises(TlmlError) as caught:
        read("--config", str(path))
    assert str(caught.value) == f"{path}: must hold options such as model, data and trainer"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("learner", "tlml.names.learner.maml", "maml"),
        ("view", "tlml.PairView", "PairView"),
        ("view", "tlml.views.PairView", "PairView"),
        ("learner", "sea.waves.Maml", "sea.waves.Maml"),
    ],
)
def test_modules_that_stand_for_names_are_left_out(kind: Any, name: str, expected: str) -> None:
    assert canonical(kind, name) == expected
