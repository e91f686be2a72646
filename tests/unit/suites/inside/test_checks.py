"""What is wrong before a cell runs, and whose fault it is when one fails."""

from __future__ import annotations

from typing import Any

import pytest

from tlml.errors import DivergedError, OptionError, TlmlError
from tlml.suites.inside import checks
from tlml.suites.inside.checks import (
    UnreadError,
    check_domain,
    check_each,
    check_fit,
    fault_of_choice,
    splits_of,
    told,
)
from tlml.testing.toys import Planes

ADAPT: dict[str, Any] = {
    "kind": "adapt", "domain": "sinusoid", "domain_options": {}, "view": {"shots": 5},
}  # fmt: skip
FIT: dict[str, Any] = {
    "kind": "fit", "learner": "maml", "options": {"network": "mlp"}, "seed": 0, "strategy": None,
    "strategy_options": {}, "domain": "sinusoid", "domain_options": {}, "view_defaults": {},
    "view": {"shots": 2}, "trainer": {}, "tune": {}, "criterion": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "splits"),
    [
        (ADAPT, ["target"]),
        ({**ADAPT, "view": {"split": "source"}}, ["source"]),
        ({**ADAPT, "criterion": "validation tasks"}, ["validation", "target"]),
        ({"kind": "adapt"}, ["target"]),
        (FIT, ["source", "validation"]),
        ({**FIT, "view": {"episode": 0}}, ["source", "validation", "target"]),
        ({**FIT, "kind": "choose"}, ["source", "validation"]),
    ],
)
def test_a_cell_uses_some_splits(config: dict[str, Any], splits: list[str]) -> None:
    assert splits_of(config) == splits


class Away(Planes):
    """A family whose target is away, as its plugin says it."""

    error: Exception = FileNotFoundError(2, "No such file", "a.npy")

    def tasks(self, split: Any) -> Any:
        if split == "target":
            raise self.error
        return super().tasks(split)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Away.error, "FileNotFoundError: .*a.npy"), (KeyError("a"), "KeyError: 'a'"),
        (RuntimeError("PytorchStreamReader failed"), "RuntimeError: Pytorch"), (EOFError(), "EOFE"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_looked_at_is_told_where_a_cell_uses_it(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Away, "error", error)
    monkeypatch.setattr(checks, "make_domain", lambda config: Away())
    check_domain(FIT)
    with pytest.raises(UnreadError, match=f"^{told}"):
        check_domain(ADAPT)


def refuse(choice: int) -> None:
    if choice == 0:
        raise OptionError("0 is wrong")
    if choice == 7:
        raise RuntimeError("can't allocate memory")
    if choice > 5:
        raise ValueError(f"{choice} is too large")


def test_a_refused_choice_is_one_choice_less() -> None:
    check_each([], refuse)
    check_each([9, 1], refuse)
    check_each([1, 9], refuse)
    check_each([7, 1], refuse)
    with pytest.raises(RuntimeError, match="allocate"):
        check_each([7, 9], refuse)
    with pytest.raises(ValueError, match="9 is too large"):
        check_each([9, 8], refuse)
    with pytest.raises(OptionError):
        check_each([1, 9, 0], refuse)


def test_a_fit_is_made_but_not_trained() -> None:
    learner, view = check_fit(FIT)
    assert view.domain is not None and learner.view_spaces is not None
    with pytest.raises(OptionError, match="trainer: "):
        check_fit({**FIT, "trainer": {"accelerator": "abacus"}})


def test_only_divergence_and_refusals_are_the_fault_of_a_choice() -> None:
    def passes(config: dict[str, Any]) -> None:
        pass

    def refuses(config: dict[str, Any]) -> None:
        raise ValueError("rank is too large")

    def too_large(config: dict[str, Any]) -> None:
        raise RuntimeError("can't allocate memory")

    def wrong(config: dict[str, Any]) -> None:
        raise OptionError("rank must be positive")

    away, gone = TlmlError("the data is away"), {**ADAPT, "domain_options": {"folder": "/no"}}
    assert fault_of_choice(DivergedError("the loss is nan"), gone, passes)
    assert fault_of_choice(away, ADAPT, refuses)
    assert fault_of_choice(RuntimeError("can't allocate memory"), ADAPT, too_large)
    assert not fault_of_choice(RuntimeError("can't allocate memory"), ADAPT, passes)
    assert not fault_of_choice(away, ADAPT, passes)  # it was away, and is back
    assert not fault_of_choice(away, ADAPT, wrong)
    assert not fault_of_choice(away, gone, refuses)
    assert not fault_of_choice(OptionError("lr"), ADAPT, refuses)


def test_an_error_says_something_in_one_line() -> None:
    assert told(RuntimeError("two\n lines")) == "two lines"
    assert told(MemoryError()) == "MemoryError"
