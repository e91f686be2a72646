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
from benchmarks.speed.sides import (
    CHANNELS_LAST,
    FUNC,
    LEARN2LEARN,
    OUR_NETWORK,
    PLAIN,
    STACKED,
    peers,
    side,
)
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
    assert set(case["times"]) == {"auto", PLAIN, FUNC, STACKED}
    assert all(time["cpu_ms"] > 0 for time in case["times"].values())
    assert case["ratios"]["auto"][PLAIN]["median"] > 0
    told = capsys.readouterr().out
    assert f"| {MLP.name} | auto |" in told
    assert f"| {MLP.name} | auto | {STACKED} |" in told


def test_both_networks_of_images_have_the_same_gradient() -> None:
    found = meta.measure(SMALL, rounds=2)
    assert found.gradient_error < check.FLOAT64
    row = next(found.rows())
    assert len(row) == len(HEADINGS)


def test_the_class_of_ones_own_has_the_same_gradient() -> None:
    sides = {name: side(MLP, name) for name in (PLAIN, OWN)}
    assert check.check(MLP, sides, workload.episode(MLP), None) < 1e-5


@pytest.mark.parametrize("first_order", [False, True])
def test_all_tasks_at_once_by_hand_have_the_same_gradient(first_order: bool) -> None:
    case = replace(MLP, steps=2, first_order=first_order)
    sides = {name: side(case, name) for name in (PLAIN, FUNC, STACKED)}
    assert check.check(case, sides, workload.episode(case), None) < 1e-5


def test_layouts_and_networks_of_the_peer_have_the_same_gradient() -> None:
    class Peer(torch.nn.Module):
        """What the peer does without its package: a copy whose parameters are stepped."""

        def __init__(self, network: torch.nn.Module, lr: float, first_order: bool) -> None:
            super().__init__()
            self.network, self.lr = network, lr
            self.params = dict(network.named_parameters())

        def clone(self) -> Peer:
            return Peer(self.network, self.lr, False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = torch.func.functional_call(self.network, self.params, (x,))
            return found

        def adapt(self, loss: torch.Tensor) -> None:
            slopes = torch.autograd.grad(loss, list(self.params.values()), create_graph=True)
            pairs = zip(self.params.items(), slopes, strict=True)
            self.params = {name: value - self.lr * slope for (name, value), slope in pairs}

    names = peers(SMALL, learn2learn=True)
    assert names == [PLAIN, LEARN2LEARN, OUR_NETWORK, CHANNELS_LAST]
    sides = {name: side(SMALL, name, Peer) for name in names}
    assert check.check(SMALL, sides, workload.episode(SMALL), Peer) < check.FLOAT64


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
