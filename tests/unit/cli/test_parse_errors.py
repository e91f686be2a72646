"""Complaints of jsonargparse as one line, and options that nothing takes."""

from __future__ import annotations

import pytest

from tlml import TlmlError
from tlml.cli.parse_errors import check_known, parse_error

KNOWN = {"model.lr", "model.strategy.steps", "data.shots", "trainer.max_epochs", "trainer.logger"}
FILLED = {"model": "maml", "model.strategy": "sgd", "data": "EpisodeView"}


def unknown(path: str) -> str:
    with pytest.raises(TlmlError) as caught:
        check_known([path], KNOWN, FILLED)
    return str(caught.value)


def test_options_that_are_known_pass_at_any_depth() -> None:
    check_known(["model.lr", "trainer", "trainer.logger.save_dir"], KNOWN, FILLED)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("model.lrr", "model.lrr: no such option of maml; did you mean lr? (tlml info maml)"),
        (
            "model.strategy.step",
            "model.strategy.step: no such option of sgd; did you mean steps? (tlml info sgd)",
        ),
        ("data.shot", "data.shot: no such option of EpisodeView; did you mean shots?"),
        ("trainer.max_epoch", "trainer.max_epoch: no such option; did you mean max_epochs?"),
    ],
)
def test_an_option_that_nothing_takes_has_a_near_one(path: str, text: str) -> None:
    assert unknown(path) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            'Parser key "trainer.max_epochs":\n  Expected a <class \'int\'>. Got value: many',
            "trainer.max_epochs: must be int, is 'many'",
        ),
        (
            'Parser key "model.lr":\n  Does not validate\n  - Expected a <class \'float\'>\n'
            "  - Expected a <class 'NoneType'>\n  Given value: x",
            "model.lr: must be float or null, is 'x'",
        ),
        ("the following arguments are required: --model.angle", "--model.angle is missing"),
        ("argument --trainer.devices: expected one argument",
         "trainer.devices: expected one argument"),
        ("something\n  else", "something else"),
    ],
)  # fmt: skip
def test_a_complaint_is_one_line_with_the_whole_path(message: str, text: str) -> None:
    assert str(parse_error(message)) == text


def test_a_class_that_is_not_there_has_a_near_one() -> None:
    message = (
        'Parser key "trainer.logger":\n  Not a valid subclass of Logger. Got value: CSVLoger\n'
    )
    assert str(parse_error(message)) == (
        "trainer.logger: no class is called 'CSVLoger'; did you mean CSVLogger?"
    )


def test_a_name_in_place_of_a_class_path_says_how_names_are_given() -> None:
    message = (
        'Parser key "model":\n  Parser key "network":\n    Not a valid subclass of Module. '
        "Got value: mlp\n"
    )
    assert str(parse_error(message)) == (
        "model.network: no class is called 'mlp'; give a registered name alone "
        "(--model.network mlp), or a class path"
    )
