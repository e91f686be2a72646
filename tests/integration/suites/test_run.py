"""Suites run: each cell once, killed runs go on, failures stop nothing else."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_suite import planned, results, scores

from tlml.errors import TlmlError
from tlml.lightning_notes import quiet
from tlml.suites import Plan, run_suite
from tlml.suites import run as bench
from tlml.suites import run_cell as experiment
from tlml.suites.inside import fit as cell_fit
from tlml.suites.inside import training


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Path]]:
    folder = tmp_path_factory.mktemp("waves")
    made = planned(folder)
    assert run_suite(made, folder / "out", jobs=1) == []
    yield made, folder / "out"


def test_every_cell_of_the_plan_has_a_result(done: tuple[Plan, Path]) -> None:
    made, out = done
    assert set(results(out)) == {cell.id for cell in (*made.fits, *made.adapts)}
    assert len(made.fits) == 4
    assert len(made.adapts) == 8
    for cell in made.adapts:
        found = results(out)[cell.id]
        assert found["episodes"] == [0, 1, 2, 3]
        assert found["metric"] == "mse"
        assert found["higher_is_better"] is False
        assert found["cost"]["labels"] == 5
        assert found["cost"]["gradient_steps"] == 2
        assert found["cost"]["fit_seconds"] > 0 or cell.method == "scratch"


def test_all_methods_and_seeds_meet_the_same_target_episodes(done: tuple[Plan, Path]) -> None:
    made, _ = done
    views = [cell.config["view"] for cell in made.adapts]
    assert all(view == views[0] for view in views)


def test_training_seeds_differ(done: tuple[Plan, Path]) -> None:
    made, out = done
    for method in ("scratch", "full", "maml"):
        first, second = (scores(out)[cell.id] for cell in made.adapts if cell.method == method)
        assert first != second


def test_tuning_takes_the_value_that_is_best_on_validation_tasks(done: tuple[Plan, Path]) -> None:
    made, out = done
    for cell in made.adapts:
        if cell.method == "tuned":
            assert results(out)[cell.id]["options"]["lr"] == 0.001


def test_a_cell_writes_down_its_configuration(done: tuple[Plan, Path]) -> None:
    made, out = done
    for cell in (*made.fits, *made.adapts):
        assert yaml.safe_load((out / "cells" / cell.id / "config.yaml").read_text()) == cell.config


def test_running_again_runs_nothing(
    done: tuple[Plan, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = done
    monkeypatch.setattr(bench, "look_ahead", None)  # calling it would fail
    assert run_suite(made, out, jobs=1) == []


def test_a_lost_result_is_made_again_with_the_same_scores(
    done: tuple[Plan, Path], tmp_path: Path
) -> None:
    made, out = done
    copy = shutil.copytree(out, tmp_path / "copy")
    lost = made.adapts[-1].id
    shutil.rmtree(copy / "cells" / lost)
    before = scores(out)
    assert run_suite(made, copy, jobs=1) == []
    assert scores(copy) == before


def test_a_fit_killed_at_any_step_goes_on_to_the_same_parameters(
    done: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = done
    monkeypatch.setattr(training, "EVERY", training.timedelta(0))
    for cell in made.fits[:2]:
        config, folder = cell.config, tmp_path / cell.id
        folder.mkdir()
        calls = iter(range(100))

        def stop(share: float, calls: Iterator[int] = calls) -> None:
            if next(calls) == 3:
                raise RuntimeError("killed")

        with quiet(), pytest.raises(RuntimeError, match="killed"):
            cell_fit.run_fit(config, folder, stop)
        stopped = torch.load(folder / "last.ckpt", weights_only=True)
        assert 0 < stopped["global_step"] < 10
        with quiet():
            cell_fit.run_fit(config, folder, lambda share: None)
        whole = torch.load(out / "cells" / cell.id / "last.ckpt", weights_only=True)
        again = torch.load(folder / "last.ckpt", weights_only=True)
        assert again["global_step"] == whole["global_step"] == 10
        for name, value in whole["state_dict"].items():
            assert torch.equal(again["state_dict"][name], value), name


def test_wrong_values_stop_the_suite_before_the_first_cell(tmp_path: Path) -> None:
    methods = {"full": {"fit": "pretrained", "strategy": "full", "options": {"lr": -1.0}}}
    made = planned(tmp_path, methods=methods)
    with pytest.raises(TlmlError, match=r"nothing was run: .*lr: must be greater than 0, is -1\.0"):
        run_suite(made, tmp_path / "out", jobs=1)
    assert results(tmp_path / "out") == {}
    assert list((tmp_path / "out" / "cells").iterdir()) == []


def test_one_failing_cell_is_named_and_stops_no_other(tmp_path: Path) -> None:
    methods = {
        "scratch": {"strategy": "scratch", "options": {"steps": 1}},
        "wild": {"fit": "maml", "strategy": "sgd", "options": {"lr": 1e30, "steps": 4}},
    }
    made = planned(tmp_path, methods=methods, seeds=1)
    failed = run_suite(made, tmp_path / "out", jobs=1)
    wild = next(cell.id for cell in made.adapts if cell.method == "wild")
    assert failed == [wild]
    reason = json.loads((tmp_path / "out" / "work" / wild / "failed.json").read_text())["error"]
    assert "episode 0: adapting by Sgd diverged at inner step" in reason
    assert len(scores(tmp_path / "out")) == 1


def test_a_failed_fit_fails_what_starts_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(experiment, "run_fit", broken)
    made = planned(tmp_path, methods={"maml": {"fit": "maml"}}, seeds=1)
    assert len(run_suite(made, tmp_path / "out", jobs=1)) == 2
    reasons = {
        json.loads(path.read_text())["error"] for path in tmp_path.glob("out/work/*/failed.json")
    }
    assert reasons == {"RuntimeError: no such luck", "the fit that it starts from failed"}


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "missing", "result", "file"])
def test_a_damaged_fit_is_made_anew_for_what_starts_from_it(
    done: tuple[Plan, Path], tmp_path: Path, damage: str
) -> None:
    made, out = done
    copy = shutil.copytree(out, tmp_path / "copy")
    fit = next(cell for cell in made.fits if cell.name == "maml")
    place = copy / "cells" / fit.id
    for cell in made.adapts:
        if fit.id in cell.fits:
            shutil.rmtree(copy / "cells" / cell.id)
    content = (place / "last.ckpt").read_bytes()
    if damage == "result":
        (place / "result.json").write_text('{"kind": "fit", ')
    elif damage == "missing":
        (place / "last.ckpt").unlink()
    elif damage == "file":
        shutil.rmtree(place)
        place.write_text("")
    else:
        bit = content[:2000] + bytes([content[2000] ^ 1]) + content[2001:]
        torn = {"cut": content[:-300], "empty": b"", "bit": bit}
        (place / "last.ckpt").write_bytes(torn[damage])
    assert run_suite(made, copy, jobs=1) == []
    assert scores(copy) == scores(out)
    assert len(list((copy / "work" / fit.id).glob("damaged-*"))) == 1


def test_a_fit_whose_own_checkpoint_is_damaged_begins_anew(
    done: tuple[Plan, Path], tmp_path: Path
) -> None:
    """What was left of an attempt is whole as a file, but of another network."""
    made, out = done
    fits = {cell.name: cell.id for cell in made.fits}
    copy = shutil.copytree(out, tmp_path / "copy")
    shutil.rmtree(copy / "cells" / fits["maml"])
    left = copy / "work" / fits["maml"] / "a-0"
    left.mkdir(parents=True)
    with zipfile.ZipFile(left / "last.ckpt", "w") as file:
        file.writestr("data", "of no learner")
    assert run_suite(made, copy, jobs=1) == []
    assert scores(copy) == scores(out)


def test_fits_on_a_full_disk_fail_and_are_made_once_there_is_room(
    done: tuple[Plan, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, out = done
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "last.ckpt" in path.name:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    failed = run_suite(made, tmp_path / "out", jobs=1)
    assert set(failed) == {cell.id for cell in made.distinct() if cell in made.fits or cell.fits}
    for cell in made.fits:
        note = json.loads((tmp_path / "out" / "work" / cell.id / "failed.json").read_text())
        assert "last.ckpt: the disk is full; make room and run again" in note["error"]
    monkeypatch.undo()
    assert run_suite(made, tmp_path / "out", jobs=1) == []
    assert scores(tmp_path / "out") == scores(out)
