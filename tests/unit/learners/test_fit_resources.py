"""What agents need around a fit: closed whatever happens, and threads as they were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tlml.learners.fit_resources import FitResources


@pytest.mark.parametrize("ending", ["on_train_end", "on_exception"])
def test_environments_are_closed_and_threads_given_back(ending: str) -> None:
    told: list[Any] = []
    agent: Any = SimpleNamespace(
        enter=told.append, leave=lambda: told.append("left"), current_view=lambda: "view",
        device=torch.device("cpu"),
    )  # fmt: skip
    before = torch.get_num_threads()
    resources: Any = FitResources()
    torch.set_num_threads(2)
    try:
        resources.on_train_start(None, agent)
        assert (told, torch.get_num_threads()) == (["view"], 1)
        getattr(resources, ending)(None, agent)
        assert (told, torch.get_num_threads()) == (["view", "left"], 2)
    finally:
        torch.set_num_threads(before)


def test_what_fails_to_open_is_closed() -> None:
    def enter(view: Any) -> None:
        raise ZeroDivisionError

    told: list[str] = []
    agent: Any = SimpleNamespace(
        enter=enter, leave=lambda: told.append("left"), current_view=lambda: None
    )
    resources: Any = FitResources()
    with pytest.raises(ZeroDivisionError):
        resources.on_train_start(None, agent)
    resources.on_exception(None, agent)
    assert told == ["left"]
