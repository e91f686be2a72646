"""The speed benchmark of La-MAML: what it compares, times and writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.speed import continual, continual_trainer
from benchmarks.speed.continual_sides import BY_HAND, cases

MLP = next(cases())


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_case_is_timed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "continual.json"
    continual.main(["--only", f"{MLP.name}: auto", "--rounds", "2", "--out", str(out)])
    written = json.loads(out.read_text())
    (case,) = written["cases"]
    assert (case["case"], case["rounds"], written["trainer"]) == (MLP.name, 2, None)
    assert case["error"] < continual.CLOSE
    assert set(case["times"]) == {"auto", BY_HAND}
    assert case["ratios"]["auto"][BY_HAND]["median"] > 1
    assert f"| {MLP.name} | auto |" in capsys.readouterr().out


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_all_that_is_not_compiled_steps_alike(case: continual.Case) -> None:
    names = [name for name in case.variants if name != "compiled"]
    assert continual.check(case, [*names, BY_HAND], None) < continual.CLOSE


def test_what_computes_something_else_is_not_timed() -> None:
    wrong = replace(MLP, variants={"auto": {"inner_clip": 1e-3}})
    with pytest.raises(SystemExit, match=r"the step of auto is .* of its norm away from that of"):
        continual.check(wrong, ["auto", BY_HAND], None)


def test_a_trainer_is_held_against_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continual_trainer, "SAMPLES", 800)
    cost = continual_trainer.trainer_cost(tasks=3)
    assert 0 < cost.bare_ms < cost.trainer_ms
    assert cost.late > 0
    assert f"{cost.trainer_ms:.2f} ms a batch" in cost.text()


def test_options_that_cannot_be_followed() -> None:
    with pytest.raises(SystemExit, match=r"--only: 'conv5' matches no 'case: variant': percep"):
        continual.main(["--only", "conv5"])
    with pytest.raises(SystemExit, match=r"--authors: gone holds no model/lamaml\.py; give the"):
        continual.main(["--authors", "gone"])
