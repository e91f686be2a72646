"""Two processes by DDP give what one process gives on the same global batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from places import TESTS

HERE = Path(__file__).parent
FITS = ("mlp", "convnet, first order", "convnet, second order", "supervised")
EPISODES = FITS[:3]
PENALISED = ("ewc", "si", "lwf")  # whose buffers are the same in all processes
Ranks = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(folder: Path, clean_environment: None) -> Ranks:
    """Run the script once: Lightning starts the second process."""
    path = os.pathsep.join([str(TESTS / "support"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    for name in ("PYTHONHASHSEED", "MASTER_PORT"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(HERE / "two_ranks.py"), str(folder)],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone(folder: Path, clean_environment: None) -> dict[str, Any]:
    """Do the same work in this process."""
    sys.path.insert(0, str(HERE))
    try:
        from two_ranks import work
    finally:
        sys.path.remove(str(HERE))
    return work(1, folder)


@pytest.mark.parametrize("name", EPISODES)
def test_the_ranks_together_see_the_tasks_of_one_process_and_none_twice(ranks, alone, name):
    first, second = (rank[name]["tasks"] for rank in ranks)
    assert len(first) == len(second) == 8
    assert len({*first, *second}) == 16
    assert {*first, *second} == {*alone[name]["tasks"]}


@pytest.mark.parametrize("name", [*FITS, *PENALISED])
def test_parameters_equal_those_of_one_process(ranks, alone, name):
    expected = alone[name]["state"]
    for rank in ranks:
        assert rank[name]["state"].keys() == expected.keys()
        for key, value in rank[name]["state"].items():
            torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-6)
    for key, value in ranks[0][name]["state"].items():
        assert torch.equal(value, ranks[1][name]["state"][key])


@pytest.mark.parametrize("name", EPISODES)
def test_an_optimiser_step_is_one_of_both(ranks, alone, name):
    assert ranks[0][name]["steps"] == ranks[1][name]["steps"] == alone[name]["steps"] == 4


@pytest.mark.parametrize("name", FITS)
def test_metrics_equal_those_of_one_process(ranks, alone, name):
    for kind in ("logged", "tested"):
        expected = {
            key: value for key, value in alone[name][kind].items() if not key.startswith("train_")
        }
        assert any(key.endswith("loss") for key in expected)
        for rank in ranks:
            found = {key: rank[name][kind][key] for key in expected}
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", EPISODES)
def test_records_of_both_ranks_are_gathered_on_each(ranks, alone, name):
    expected = [
        {key: value for key, value in record.items() if not key.endswith("seconds")}
        for record in alone[name]["records"]
    ]
    assert [record["episode"] for record in expected] == [0, 1, 2, 3, 4, 5]
    for rank in ranks:
        found = rank[name]["records"]
        assert len(found) == 6
        for record, other in zip(found, expected, strict=True):
            assert {key: record[key] for key in other} == pytest.approx(other, rel=1e-3, abs=1e-5)


def test_dropout_differs_between_ranks_and_parameters_do_not(ranks):
    first, second = (rank["dropout"]["masks"] for rank in ranks)
    assert len(first) == len(second) == 3
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    states = [rank["dropout"]["state"] for rank in ranks]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@pytest.mark.parametrize("name", ["unfreezing", "pulled", "distilled"])
def test_somebodys_module_adapts_on_two_ranks_as_on_one(ranks, alone, name):
    expected = alone[name]["state"]
    for rank in ranks:
        for key, value in rank[name]["state"].items():
            assert torch.equal(value, ranks[0][name]["state"][key])
            if name != "distilled":  # relations are those within a rank's own batch
                torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-6)
        assert rank[name]["moved"] == [name != "unfreezing"] * 4 + [True] * 4


@pytest.mark.parametrize("name", ["mmd", "dann", "cdan", "separate statistics"])
def test_source_and_target_are_aligned_on_two_ranks(ranks, alone, name):
    for key, value in ranks[0][name]["state"].items():
        assert torch.equal(value, ranks[1][name]["state"][key])
        if name in ("dann", "cdan"):  # others compare the examples of a rank's own batch
            torch.testing.assert_close(value, alone[name]["state"][key], rtol=0, atol=1e-6)


def test_each_rank_stores_the_statistics_of_both_sides(ranks):
    for rank in ranks:
        source, target = sorted(rank["separate statistics"]["means"].items(), reverse=True)
        assert (source[0], target[0]) == (
            "source_statistics.norms.0.running_mean", "network.1.running_mean",
        )  # fmt: skip
        assert not torch.allclose(source[1], target[1], atol=1e-3)
        assert all(float(mean.abs().max()) > 0.01 for _, mean in (source, target))  # once 0


def test_what_two_can_not_divide_is_refused(ranks):
    assert ranks[0]["refusals"] == ranks[1]["refusals"] == [
        "EpisodeView: 5 episodes can't be divided among 2 processes; take 4 or 6",
        "StreamView: 3 batches of 5 examples can't be divided among 2 processes; take 2 or 4",
        "this loader was made for one process, and there are 2, which would all see the same; pass "
        "the view itself to the Trainer: fit(learner, datamodule=view)",
    ]  # fmt: skip


def test_one_rank_logs_for_both(folder, ranks, alone):
    one, two = ((folder / f"csv{world}" / "Lines" / "hparams.yaml").read_text() for world in (1, 2))
    assert "hidden" in one
    assert one.replace("tasks_per_batch: 4", "tasks_per_batch: 2") == two
    header = (folder / "csv2" / "Lines" / "metrics.csv").read_text().splitlines()[0]
    assert {"train_loss", "val_loss", "val_mse"} <= set(header.split(","))


def test_agents_act_in_environments_of_their_own_and_learn_the_same(ranks, alone):
    expected = alone["acting"]
    first, second = (rank["acting"] for rank in ranks)
    assert first["steps"] == second["steps"] == expected["steps"]
    assert first["gradient steps"] == second["gradient steps"] == expected["gradient steps"]
    for place, weights in enumerate(expected["weights"]):
        assert torch.equal(first["weights"][place], second["weights"][place])
        torch.testing.assert_close(first["weights"][place], weights, rtol=0, atol=1e-5)
    # Two times four environments are the eight of one process, after the first rollout exactly.
    seen = torch.cat([first["seen"][0], second["seen"][0]])
    assert torch.equal(seen, expected["seen"][0])


def test_agents_of_several_processes_step_as_often_and_alike_in_minibatches(ranks):
    first, second = (rank["minibatches"] for rank in ranks)
    assert first["gradient steps"] == second["gradient steps"] > 0
    for one, other in zip(first["weights"], second["weights"], strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_holds_where_environments_of_all_processes_were_left(ranks, alone):
    left = ranks[0]["acting"]["left"]
    assert left["numbers"].tolist() == alone["acting"]["left"]["numbers"].tolist() == [*range(8)]
    assert left["observations"].shape == (8, 4)
