"""The state of data that cells are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bare_cells import adapt, published

import tlml
from tlml.suites.cells import AdaptCell
from tlml.suites.execution.data_state import (
    changed_cells,
    dated_cells,
    stated,
    tell,
    tell_here,
)
from tlml.suites.inside import ingredients
from tlml.testing.toys import Planes

STATE = "1"


class Dated(Planes):
    def fingerprint(self) -> str | None:
        return STATE


def config(domain: str = f"{__name__}.Dated", **more: Any) -> dict[str, Any]:
    return {"kind": "adapt", "domain": domain, "domain_options": {}, **more}


def cell(id: str, **about: Any) -> AdaptCell:
    return replace(adapt(id), config=config(**about))


def test_a_domain_tells_its_state_once() -> None:
    data = tell(config())
    assert list(data.values()) == ["1"]
    assert tell(config(seed=3), data) == {}
    assert stated(config(seed=3), data) == {"fingerprint": "1"}
    assert stated(config(domain_options={"a": 1}), data) == {}


def test_a_domain_that_reads_nothing_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingredients, "make_domain", lambda config: pytest.fail("it was made"))
    assert tell(config("sinusoid")) == {}


def test_a_file_of_episodes_has_a_state_too(tmp_path: Path) -> None:
    file = tmp_path / "tasks.npz"
    read = config("sinusoid", view={"file": str(file)})
    assert tell(read) == {}
    states = set()
    for content in ("one", "two"):
        file.write_text(content)
        states |= set(tell(read).values())
    assert len(states) == 2


def test_what_is_done_from_another_state_has_changed(tmp_path: Path) -> None:
    cells = [cell("a"), cell("b"), cell("c"), cell("d", domain_options={"part": 2})]
    for one, state in zip(cells, ("1", "0", None, "0"), strict=True):
        published(tmp_path, one.id, **({} if state is None else {"fingerprint": state}))
    dated = dated_cells(tmp_path, cells)
    assert [one.id for one, _ in dated] == ["a", "b", "d"]
    outcome = tell_here([one.config for one in cells[:1]])
    assert outcome.ending == "done"
    # Of d nothing is known now: its data is away.
    assert changed_cells(dated, outcome.found) == {"b"}


def test_a_domain_that_cannot_be_made_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(config: dict[str, Any]) -> Any:
        raise tlml.TlmlError("the data is away")

    monkeypatch.setattr(ingredients, "make_domain", fails)
    assert tell_here([config()]).found == {}
    with pytest.raises(tlml.TlmlError):
        tell(config())
