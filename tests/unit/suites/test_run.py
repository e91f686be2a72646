"""What of a plan is run, in which order, without running it."""

from __future__ import annotations

from pathlib import Path

from planned import planned

from tlml.registry import Registry
from tlml.suites import run
from tlml.suites.cells import Cell


def cells(registry: Registry) -> list[Cell]:
    made = planned(registry)
    return [*made.adapts, *made.fits]


def test_each_wave_starts_from_what_earlier_ones_made(registry: Registry) -> None:
    waves = list(run._waves(cells(registry)))
    assert len(waves) > 1
    done: set[str] = set()
    for wave in waves:
        for cell in wave:
            assert done.issuperset(cell.waits_for)
        done |= {cell.id for cell in wave}
    assert sum(map(len, waves)) == len(cells(registry))


def test_what_is_done_is_waited_for_no_more(registry: Registry) -> None:
    (only,) = run._waves(list(planned(registry).adapts))
    assert only == list(planned(registry).adapts)


def test_cells_of_one_id_are_run_once(registry: Registry) -> None:
    twice = cells(registry) * 2
    assert len(run._distinct(twice)) == len({cell.id for cell in twice})


def test_a_result_means_done(tmp_path: Path, registry: Registry) -> None:
    cell = cells(registry)[0]
    assert not run._done(tmp_path, cell)
    folder = tmp_path / "cells" / cell.id
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{}")
    assert run._done(tmp_path, cell)
