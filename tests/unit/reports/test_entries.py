"""Entries: one for each record that the plan expects, there or not."""

from __future__ import annotations

from tlml.reports.entries import Place, entries, failed
from tlml.suites.results import Planned, PlannedAdapt, Record, Results


def results(*values: int, failures: dict[str, str] | None = None) -> Results:
    cell = PlannedAdapt(
        id="a" * 16, domain="walks", protocol="control", point={"env_steps": [0, 200]}, seed=0,
        method="ppo", fits=["f" * 16],
    )  # fmt: skip
    plan = Planned(
        name="quick", baseline="ppo", methods=["ppo"], domains=["walks"], fits=[], adapts=[cell],
        refused=[],
    )  # fmt: skip
    records = tuple(
        Record(point={"env_steps": value}, metric="return", higher_is_better=True, units=["0"],
               scores=[float(value)]) for value in values
    )  # fmt: skip
    return Results(plan, {"a" * 16: records} if records else {}, failures or {})


def test_a_cell_has_an_entry_for_each_of_its_points() -> None:
    found = list(entries(results(200)))
    assert [entry.place for entry in found] == [
        Place("walks", "control", "env_steps", 0), Place("walks", "control", "env_steps", 200)
    ]  # fmt: skip
    assert found[0].record is None
    assert found[1].record is not None
    assert found[1].record.scores == [200.0]


def test_what_is_not_there_has_failed_with_its_cell_or_its_fit() -> None:
    for id in ("a" * 16, "f" * 16):
        made = results(200, failures={id: "reason"})
        assert [failed(made, entry) for entry in entries(made)] == [True, False]
    made = results()
    assert [failed(made, entry) for entry in entries(made)] == [False, False]
