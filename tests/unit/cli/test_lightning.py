"""What a run writes beside Lightning's files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlml.cli.lightning import SaveConfig, run_folder


def logger(folder: Path | None, version: int | str = 3, told: list[Any] | None = None) -> Any:
    keep = told if told is not None else []
    return SimpleNamespace(
        save_dir=folder and str(folder), name="fit", version=version, log_hyperparams=keep.append
    )


@pytest.mark.parametrize(("version", "name"), [(3, "version_3"), ("mine", "mine")])
def test_a_run_has_a_folder_by_its_version(tmp_path: Path, version: int | str, name: str) -> None:
    assert run_folder(logger(tmp_path, version)) == tmp_path / "fit" / name
    assert run_folder(logger(None, version)) == Path("fit") / name


def test_the_configuration_is_written_and_told_once(tmp_path: Path) -> None:
    told: list[Any] = []
    trainer: Any = SimpleNamespace(is_global_zero=True, loggers=[logger(tmp_path, 3, told)] * 2)
    callback = SaveConfig({"model": {"name": "maml"}})
    for stage in ("fit", "test"):
        callback.setup(trainer, trainer, stage)
    assert told == [{"model": {"name": "maml"}}] * 2
    assert "name: maml" in (tmp_path / "fit" / "version_3" / "config.yaml").read_text()


def test_without_loggers_and_on_other_processes_nothing_is_written(tmp_path: Path) -> None:
    for first, loggers in ((True, []), (False, [logger(tmp_path)])):
        trainer: Any = SimpleNamespace(is_global_zero=first, loggers=loggers)
        SaveConfig({}).setup(trainer, trainer, "fit")
    assert list(tmp_path.iterdir()) == []
