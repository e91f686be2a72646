"""A suite's folder: what is found done in it, and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bare_cells import adapt, fit, published
from planned import planned

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites.execution import folder
from tlml.suites.execution.claims import take
from tlml.suites.execution.failures import write_failure
from tlml.suites.execution.folder import find_done, forget, tidy_folder, to_forget, world_of
from tlml.suites.execution.owners import Owner
from tlml.suites.execution.places import Place


def test_what_is_done_is_found_and_what_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    published(tmp_path, "a")
    published(tmp_path, "b").result.write_text("{")
    (tmp_path / "cells" / "c").write_text("a file")
    published(tmp_path, "f", "fit")  # without its learner
    cells = [adapt("a"), adapt("b"), adapt("c"), adapt("d"), fit("f")]
    assert find_done(tmp_path, cells) == {"a"}
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["a"]
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["b", "c", "f"]


def test_a_scheduler_sees_what_others_do(tmp_path: Path) -> None:
    world = world_of(tmp_path, [adapt("a")], lambda: None, {})
    assert world.look("a").held is None and not world.look("a").done
    claim = take(Place(tmp_path, "a"))
    assert claim is not None
    held = world.look("a").held
    assert held is not None and held.identity == claim.token
    world.fail("a", "so it is")
    assert world.look("a").failure == "so it is"
    published(tmp_path, "a")
    assert world.look("a").done
    assert world.job("a", None).id == "a"


def test_the_folder_is_listed_before_something_is_taken_for_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shared storage remembers for a while that a file was not there."""
    looks: list[str] = []
    listing, reading = Path.iterdir, folder.is_done

    def listed(path: Path) -> Iterator[Path]:
        looks.append(f"lists {path.name}")
        return listing(path)

    def read(path: Path) -> bool:
        looks.append("reads")
        return reading(path)

    monkeypatch.setattr(Path, "iterdir", listed)
    monkeypatch.setattr(folder, "is_done", read)
    (tmp_path / "cells").mkdir()
    assert not world_of(tmp_path, [adapt("a")], lambda: None, {}).look("a").done
    assert looks == ["lists cells", "reads"]


def test_what_matches_is_forgotten_with_its_fits_and_all_that_starts_from_these(
    registry: Registry,
) -> None:
    plan = planned(registry)
    found = to_forget(plan, ["waves/full"])
    about = {(cell.domain, getattr(cell, "method", None) or getattr(cell, "name", None))
             for cell in found}  # fmt: skip
    assert about == {("waves", "full"), ("waves", "pre")}
    ids = [cell.id for cell in found]
    for cell in found:
        assert all(ids.index(one) > ids.index(cell.id) for one in cell.waits_for)
    assert {cell.id for cell in to_forget(plan, ["*"])} == {cell.id for cell in plan.distinct()}


def test_another_method_of_the_same_fit_is_forgotten_too() -> None:
    from tlml.suites import Plan

    cells = (adapt("a", "f"), replace(adapt("b", "f"), method="other"), adapt("c"))
    plan = Plan("s", "m", ("m", "other"), ("d",), (fit("f"),), cells, (), {})
    assert [cell.id for cell in to_forget(plan, ["other"])] == ["b", "a", "f"]


def test_a_pattern_that_matches_nothing_is_an_error(registry: Registry) -> None:
    with pytest.raises(TlmlError, match="rerun: 'fill' matches no cell; the domains are waves"):
        to_forget(planned(registry), ["fill"])


def test_forgotten_cells_leave_nothing_unless_another_is_at_work(tmp_path: Path) -> None:
    for id in "ab":
        published(tmp_path, id)
        write_failure(Place(tmp_path, id).failed, "once")
    Place(tmp_path, "b").claim.write_text(replace(Owner.here("t"), host="elsewhere").text())
    forget(tmp_path, [adapt("a"), adapt("b"), adapt("c")])
    assert list((tmp_path / "cells").iterdir()) == []
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["b"]
    assert Place(tmp_path, "b").claim.exists()


@pytest.mark.parametrize("times", [1, 100])
def test_what_is_tidied_away_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    published(tmp_path, "a")
    rename, tidied = Path.rename, iter(range(times))

    def robbed(path: Path, target: Path) -> Path:
        if next(tidied, None) is not None:
            Path(target).parent.rmdir()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", robbed)
    if times == 1:
        forget(tmp_path, [adapt("a")])
        assert list((tmp_path / "cells").iterdir()) == []
        return
    with pytest.raises(TlmlError, match=r"cells/a: cannot be moved \(No such file"):
        forget(tmp_path, [adapt("a")])


def test_what_cannot_be_forgotten_is_named(tmp_path: Path) -> None:
    published(tmp_path, "a")
    (tmp_path / "work").write_text("")
    with pytest.raises(TlmlError, match=r"cells/a: cannot be moved \(File exists|Not a dir"):
        forget(tmp_path, [adapt("a")])


def test_the_folder_of_work_goes_when_nothing_is_in_it(tmp_path: Path) -> None:
    tidy_folder(tmp_path)
    for id in "abc":
        (tmp_path / "work" / id).mkdir(parents=True)
    (tmp_path / "work" / "b" / "failed.json").write_text("{}")
    tidy_folder(tmp_path)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["b"]
    (tmp_path / "work" / "b" / "failed.json").unlink()
    tidy_folder(tmp_path)
    assert not (tmp_path / "work").exists()
