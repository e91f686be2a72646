"""The speed benchmark of benchmarks/speed: what it times, refuses and writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import output
from benchmarks.speed import check, meta, workload
from benchmarks.speed.cases import OWN, Images, Waves, cases
from benchmarks.speed.measured import HEADINGS
from benchmarks.speed.sides import PLAIN, side
from benchmarks.speed.timing import Time, faster

MLP = next(case for case in cases() if isinstance(case.data, Waves))
CONV = next(case for case in cases() if isinstance(case.data, Images))
SMALL = replace(CONV, tasks=2, data=Images(4, 1, 16, shots=1, ways=2, queries=2))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_case_is_timed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "meta.json"
    meta.main(["--only", f"{MLP.name}: auto", "--rounds", "2", "--out", str(out)])
    written = json.loads(out.read_text())
    (case,) = written["cases"]
    assert (case["case"], case["rounds"]) == (MLP.name, 2)
    assert written["versions"]["torch"] == torch.__version__
    assert set(case["times"]) == {"auto", PLAIN}
    assert all(time["cpu_ms"] > 0 for time in case["times"].values())
    assert case["ratios"]["auto"][PLAIN]["median"] > 0
    assert f"| {MLP.name} | auto |" in capsys.readouterr().out


def test_both_networks_of_images_have_the_same_gradient() -> None:
    found = meta.measure(SMALL, rounds=2)
    assert found.gradient_error < check.FLOAT64
    row = next(found.rows())
    assert len(row) == len(HEADINGS)


def test_the_class_of_ones_own_has_the_same_gradient() -> None:
    sides = {name: side(MLP, name) for name in (PLAIN, OWN)}
    assert check.check(MLP, sides, workload.episode(MLP), None) < 1e-5


def test_what_computes_something_else_is_not_timed() -> None:
    wrong = side(replace(MLP, lr=2 * MLP.lr), "auto")
    sides = {PLAIN: side(MLP, PLAIN), "auto": wrong}
    with pytest.raises(SystemExit, match=r"the gradient of auto is .* away from that of the plain"):
        check.check(MLP, sides, workload.episode(MLP), None)


def test_ratios_are_taken_within_rounds() -> None:
    one, other = [Time(1, 1), Time(4, 1), Time(2, 1)], [Time(2, 1), Time(12, 1), Time(8, 1)]
    assert faster(one, other).median == 3
    assert faster(one, other).quartiles == (2.5, 3.5)


def test_options_that_cannot_be_followed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"--only: 'conv5' matches no 'case: variant': sinusoid, "):
        meta.main(["--only", "conv5"])
    with pytest.raises(SystemExit, match=r"--learn2learn: gone holds no learn2learn/algorithms/"):
        meta.main(["--learn2learn", "gone"])
    with pytest.raises(SystemExit):
        meta.main(["--rounds", "1"])
    assert "--rounds: must be at least 2, is 1" in capsys.readouterr().err


def test_the_table_replaces_the_one_before_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{meta.MARK}| old |\n| 1 |\n\nafter\n")
    output.fill(page, meta.MARK, "| new |\n")
    assert page.read_text() == f"before\n\n{meta.MARK}| new |\n\nafter\n"
