"""Heavy commands up to where something is built."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import tlml
from tlml import TlmlError
from tlml.cli import commands
from tlml.cli.slots import CommandLine, read_words
from tlml.registry import default_registry


def line(*words: str, command: str = "fit") -> CommandLine:
    return read_words(command, words)


def test_last_is_the_newest_checkpoint_of_the_command_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (0, 1):
        path = Path(f"runs/fit/version_{number}/checkpoints/last.ckpt")
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (number, number))
    made = line("--ckpt_path", "last", command="test")
    commands._find_last(made)
    assert made.paths["ckpt_path"] == "runs/fit/version_1/checkpoints/last.ckpt"
    assert capsys.readouterr().err == f"ckpt_path last: {made.paths['ckpt_path']}\n"


def test_without_one_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TlmlError) as caught:
        commands._find_last(line("--resume", "last", command="adapt"))
    assert str(caught.value) == (
        "resume: tlml adapt has left no checkpoint here; give the path of one"
    )


@pytest.mark.parametrize(
    ("command", "learner", "view"),
    [
        ("fit", "maml", tlml.EpisodeView), ("fit", "supervised", tlml.PairView),
        ("test", "supervised", tlml.EpisodeView), ("adapt", "maml", tlml.PairView),
    ],
)  # fmt: skip
def test_the_view_follows_from_learner_and_command(
    command: str, learner: str, view: type[tlml.View]
) -> None:
    made = line(command=command)
    assert commands._default_view(made, default_registry().resolve("learner", learner)) is view
    assert [source.config for source in made.sources] == (
        [{"data": {"source": False}}] if command == "adapt" else []
    )


def test_an_error_of_ours_is_found_however_deep() -> None:
    with pytest.raises(TlmlError, match=r"^deep$"), commands._explained(line()):
        try:
            raise TlmlError("deep")
        except TlmlError as error:
            raise RuntimeError("outer") from error


def test_an_error_of_the_disk_names_the_file() -> None:
    with pytest.raises(TlmlError, match=r"^there: No space$"), commands._explained(line()):
        raise OSError(28, "No space", "there")


def test_errors_of_others_stay() -> None:
    with pytest.raises(KeyError), commands._explained(line()):
        raise KeyError("x")


def test_advice_is_kept_from_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    with commands._quiet("fit"), caplog.at_level(logging.INFO):
        log.info("Tip: install more")
        log.info("trained")
    assert [record.getMessage() for record in caplog.records] == ["trained"]
    assert not log.filters
