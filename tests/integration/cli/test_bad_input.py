"""Bad input, as a user gives it: one line, exit code 2, nothing started and nothing overwritten."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from distributions import HEAD, declare, site_on_path
from trainers import quiet_trainer

import tlml
from tlml import files
from tlml.cli import main
from tlml.registry import default_registry

SINUSOID = ["--data.domain", "sinusoid", "--trainer.accelerator", "cpu"]
NAN = """
import numpy as np
import torch
from gymnasium.spaces import Box
from tlml import Batch, Domain

class Wave:
    name = "broken"

    def sample(self, n, rng):
        x = torch.from_numpy(rng.normal(size=(n, 1))).float()
        return Batch(x, x * float("nan"))

class Broken(Domain):
    def __init__(self):
        self.x = self.y = Box(-np.inf, np.inf, (1,))

    def draw(self, split, rng):
        return Wave()
"""
CLASH = "learner 'maml' is declared by plugin maml and by plugin clash"
SUITE = """
name: small
seeds: 1
episodes: 2
domains:
  sinusoid: {shots: 5, view: {queries: 2}, learner: {network: mlp}}
methods:
  scratch: {strategy: scratch, options: {steps: 1}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], here: Path) -> str:
    """Run the command, check how it ends, and return its one line."""
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()}
    assert main(arguments) == 2
    after = {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()}
    assert after == before
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("tlml: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["fit", "--model", "malm", *SINUSOID], ["malm", "did you mean maml?"]),
        (["fit", "--model", "maml", "--data.domain", "sinus"], ["sinus", "did you mean sinusoid?"]),
        (
            ["fit", "--model", "maml", "--model.strategy", "full", *SINUSOID],
            ["maml", "full", "differentiable", "do not go together"],
        ),
        (["check", "sinusoid", "estimator", "sgd"], ["estimator", "sgd", "do not go together"]),
        (["fit", "--model", "estimator", "--model.strategy", "full", *SINUSOID], ["full", "loss"]),
        (
            ["fit", "--model", "maml", "--data.shots", "0", "--trainer.max_epochs", "1", *SINUSOID],
            ["shots", "0", "nothing to adapt to"],
        ),
        (["fit", "--model", "maml", "--data.shots", "few", *SINUSOID], ["shots", "few"]),
        (
            ["fit", "--model", "maml", "--data.domain", "digits", "--data.ways", "11"],
            ["ways", "11", "10 classes"],
        ),
        (["fit", "--model", "maml", "--model.lr", "-1", *SINUSOID], ["lr", "-1", "greater than 0"]),
        (
            ["fit", "--model", "maml", "--model.strategy", "sgd", "--model.strategy.lr", "-0.1",
             *SINUSOID],
            ["lr", "-0.1", "greater than 0"],
        ),
        (["test", "--ckpt_path", "gone.ckpt", *SINUSOID], ["gone.ckpt"]),
        (["bench", "gone.yaml"], ["gone.yaml"]),
        (["report", "gone"], ["gone"]),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_named_with_its_reason(
    arguments: list[str], parts: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(arguments, capsys, here)
    for part in parts:
        assert part in line


def test_nan_in_data_is_found_before_training(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "broken_waves.py").write_text(NAN)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # beside the module, where all is compared
    domain = ["--data.domain", "broken_waves.Broken", "--trainer.accelerator", "cpu"]
    domain += ["--trainer.max_epochs", "1"]
    line = refused(["fit", "--model", "maml", *domain], capsys, here)
    assert "task broken: y of 5 of 5 examples is NaN or infinite" in line


def fitted(path: Path) -> Path:
    learner = tlml.learner("maml", network="mlp", strategy=tlml.strategy("sgd", steps=1))
    view = learner.view(tlml.domain("sinusoid"), shots=5, queries=2, episodes=4, val_episodes=4)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(learner, datamodule=view)
    trainer.save_checkpoint(path)
    return path


def test_a_truncated_checkpoint_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fitted(here / "whole.ckpt")
    (here / "half.ckpt").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    line = refused(["test", "--ckpt_path", "half.ckpt", *SINUSOID], capsys, here)
    assert "half.ckpt" in line
    torch.save({"weights": torch.ones(1)}, here / "other.ckpt")
    line = refused(["test", "--ckpt_path", "other.ckpt", *SINUSOID], capsys, here)
    assert "other.ckpt" in line


def test_the_checkpoint_of_another_learner_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted(here / "maml.ckpt")
    line = refused(
        ["test", "--model", "supervised", "--ckpt_path", "maml.ckpt", *SINUSOID], capsys, here
    )
    assert "maml" in line
    assert "supervised" in line


@pytest.fixture
def clash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A stranger's plugin that takes the name of a built-in learner."""
    with site_on_path(tmp_path_factory.mktemp("site")) as site:
        site.install("clash", HEAD + declare("learner", "maml"))
        default_registry.cache_clear()
        yield
    default_registry.cache_clear()


@pytest.mark.usefixtures("clash")
def test_a_name_that_two_plugins_register_is_named_with_both(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["plugins"]) == 1
    assert "learner 'maml' is declared by plugin maml and by plugin clash" in " ".join(
        capsys.readouterr().out.split()
    )
    monkeypatch.setenv("TLML_STRICT", "1")
    default_registry.cache_clear()
    line = refused(["list"], capsys, here)
    assert "plugin clash" in line
    assert CLASH in line


def test_a_result_folder_that_cannot_be_written_stops_before_the_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "suite.yaml").write_text(SUITE)
    (here / "file").write_text("in the way")
    line = refused(["bench", "suite.yaml", "--out", "file/out"], capsys, here)
    assert "file/out" in line
    assert "cannot be written" in line


def test_an_unknown_key_of_a_suite_is_named_with_its_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "suite.yaml").write_text(SUITE.replace("view:", "veiw:"))
    line = refused(["bench", "suite.yaml"], capsys, here)
    assert line == "tlml: suite.yaml:6: domains.sinusoid: unknown key 'veiw'; did you mean 'view'?"


def test_a_full_disk_is_named_and_what_was_done_is_kept(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "suite.yaml").write_text(SUITE)
    assert main(["bench", "suite.yaml", "--out", "out", "--jobs", "1"]) == 0
    capsys.readouterr()

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_to_disk", full)
    line = refused(["bench", "suite.yaml", "--out", "out", "--jobs", "1"], capsys, here)
    assert "the disk is full; make room and run again, what was done is kept" in line
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert main(["bench", "suite.yaml", "--out", "out", "--jobs", "1"]) == 0
