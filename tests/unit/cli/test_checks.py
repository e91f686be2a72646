"""What is wrong with names and options, before torch is there."""

from __future__ import annotations

import pytest

from tlml import TlmlError
from tlml.cli.checks import check_complete, check_names, known_options
from tlml.cli.slots import CommandLine, read_words
from tlml.registry import default_registry


def line(*words: str, command: str = "fit") -> CommandLine:
    return read_words(command, words)


def message(*words: str, command: str = "fit", complete: bool = False) -> str:
    made = line(*words, command=command)
    with pytest.raises(TlmlError) as caught:
        (check_complete if complete else check_names)(made, default_registry())
    return str(caught.value)


def test_what_is_right_passes_and_gets_the_learners_own_strategy() -> None:
    made = line("--model", "maml", "--data.domain", "sinusoid", "--model.strategy.lr", "0.1")
    check_names(made, default_registry())
    check_complete(made, default_registry())
    assert made.filled["model.strategy"] == "sgd"


@pytest.mark.parametrize(
    ("words", "start"),
    [
        (["--model", "mamml"], "model: no learner is called 'mamml'; did you mean maml"),
        (["--data", "PareView"], "data: no view is called 'PareView'; did you mean PairView"),
        (
            ["--model", "maml", "--model.lrr", "1"],
            "model.lrr: no such option of maml; did you mean lr? (tlml info maml)",
        ),
    ],
)
def test_a_name_or_an_option_that_is_not_there_has_a_near_one(words: list[str], start: str) -> None:
    assert message(*words).startswith(start)


def test_names_must_go_together() -> None:
    text = message("--model", "maml", "--data.domain", "sinusoid", "--model.strategy", "full")
    assert "differentiable" in text and "full" in text


def test_adapting_has_its_own_place_for_the_strategy() -> None:
    assert message("--data.adapt", "full", command="adapt") == (
        "data: no option is called 'adapt'; say --strategy full"
    )


def test_what_cannot_be_left_out_is_asked_for() -> None:
    assert message(complete=True) == (
        "model is missing: name a learner, --model maml (tlml list --kind learner)"
    )
    assert message("--model", "maml", complete=True) == (
        "data.domain is missing: name a domain, --data.domain glyphs (tlml list --kind domain)"
    )


def test_options_are_known_of_registered_names_only() -> None:
    made = line("--model", "maml", "--data", "PairView", "--data.domain", "sea.Waves")
    known = known_options(made, "model", default_registry())
    assert known is not None and "lr" in {option.name for option in known.known}
    assert known_options(made, "data", default_registry()) is None
    assert known_options(made, "data.domain", default_registry()) is None
