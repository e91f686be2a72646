"""Parameter groups and starts of long adaptations, without a Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tlml
from tlml import Adapt, Group, Phase, Strategy, TlmlError, param_groups
from tlml.finetuning.callback import begin, progress, start_at, steps_done, total_steps


class Halves(Strategy):
    def phases(self, names: Sequence[str]) -> list[Phase]:
        return [Phase(2, [Group("1.*")]), Phase(1.0, [Group("1.*"), Group("0.*", lr=0.1)])]


class Afresh(Strategy):
    def start(
        self, params: Mapping[str, Tensor], fresh: Callable[[], Mapping[str, Tensor]]
    ) -> Mapping[str, Tensor]:
        return fresh()


class Centred(Strategy):
    def begin(
        self, network: nn.Module, params: Mapping[str, Tensor], x: Tensor
    ) -> Mapping[str, Tensor]:
        return {"1.running_mean": torch.full((2,), float(len(x)))}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))


def trainer(total: float, step: int = 0, *, batches: int | None = None, max_steps: int = -1) -> Any:
    """Return a trainer in a fit; of a module that steps by hand where `batches` are done."""
    done = SimpleNamespace(total=SimpleNamespace(completed=batches))
    return SimpleNamespace(
        estimated_stepping_batches=total, global_step=step, max_steps=max_steps,
        lightning_module=SimpleNamespace(automatic_optimization=batches is None),
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=done)),
    )  # fmt: skip


def test_parameters_that_share_their_phases_share_a_group() -> None:
    groups = param_groups(network(), Halves(lr=0.5))
    assert {group["name"]: group["names"] for group in groups} == {
        "frozen/0.*": ["0.weight", "0.bias"], "1.*/1.*": ["1.weight", "1.bias"],
    }  # fmt: skip
    assert {group["lr"] for group in groups} == {0.5}


def test_what_never_learns_is_in_no_group() -> None:
    groups = param_groups(network(), tlml.strategy("linear_probe"))
    assert [group["names"] for group in groups] == [["1.weight", "1.bias"]]


def test_what_the_strategy_owns_is_a_group_of_its_own() -> None:
    strategy = Halves()
    strategy.extra = nn.Linear(1, 1)
    assert param_groups(network(), strategy)[-1]["name"] == "strategy"


def test_a_start_takes_fresh_parameters_and_forgets_statistics() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net(torch.randn(5, 2))
    zeros = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    start_at(net, Afresh(), lambda: zeros)
    assert all(not p.any() for p in net.parameters())
    assert int(net[1].num_batches_tracked) == 0
    torch.testing.assert_close(net[1].running_mean, torch.zeros(2))


def test_a_strategy_without_a_start_leaves_the_network_alone() -> None:
    net = network()
    before = net[0].weight.detach().clone()
    start_at(net, Strategy(), lambda: pytest.fail("nothing asked for fresh parameters"))
    assert torch.equal(net[0].weight, before)


def test_a_strategy_sets_buffers_before_the_first_step() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    begin(net, Centred(), torch.randn(7, 2))
    assert net[1].running_mean.tolist() == [7.0, 7.0]
    begin(net, Centred())
    assert net[1].running_mean.tolist() == [0.0, 0.0]


def test_the_length_of_a_fit_and_what_is_done_of_it() -> None:
    assert total_steps(trainer(float("inf"))) is None and total_steps(trainer(10.0)) == 10
    assert progress(trainer(10, 4)) == 0.4
    assert progress(trainer(10, 12)) == 1.0
    assert progress(trainer(float("inf"), 12)) == 0.0


def test_a_batch_is_a_step_where_optimisers_are_stepped_by_hand() -> None:
    assert steps_done(trainer(10, 4)) == 4
    assert steps_done(trainer(10, 8, batches=4)) == 4
    assert progress(trainer(10, 8, batches=4)) == 0.4
    assert steps_done(trainer(10, 8, batches=4, max_steps=10)) == 8


def test_what_adapts_without_labels_is_refused() -> None:
    with pytest.raises(TlmlError) as caught:
        Adapt("tent")
    assert str(caught.value) == (
        "strategy: Tent adapts to target inputs without labels, which a callback is not given; "
        "take tlml adapt, or a test on an EpisodeView"
    )


def test_options_are_checked_when_it_is_made() -> None:
    with pytest.raises(TlmlError, match=r"^seed: must be at least 0, is -1$"):
        Adapt("full", seed=-1)
    with pytest.raises(TlmlError, match="no strategy is called 'ful'; did you mean full"):
        Adapt("ful")


def test_each_part_of_a_module_has_a_state_of_its_own() -> None:
    one, other = Adapt("full", network="a"), Adapt("full", network="b")
    assert one.state_key != other.state_key
    one.load_state_dict(other.state_dict())
