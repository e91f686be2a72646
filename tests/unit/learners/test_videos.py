"""Videos: of which validations, of which task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from agents import Gradients, Lines
from refusals import fails

from tlml.learners.videos import RecordVideos


def trainer(view: Any, **options: Any) -> Any:
    return SimpleNamespace(
        **{"datamodule": view, "sanity_checking": False, "is_global_zero": True} | options
    )


def test_one_of_so_many_validations_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[int] = []
    videos = RecordVideos("videos", every=3)
    monkeypatch.setattr(videos, "record", lambda *_: recorded.append(videos._validations))
    for number in range(8):
        videos.on_validation_end(trainer(None, sanity_checking=number == 0), None)  # type: ignore[arg-type]
    assert recorded == [1, 4, 7]
    again = RecordVideos("videos", every=3)
    again.load_state_dict(videos.state_dict())
    assert again._validations == 7


def test_what_can_t_be_drawn_is_named() -> None:
    agent = Gradients()
    view = agent.view(Lines())
    with fails("RecordVideos: task validation 5 can't be drawn: its make() has no render_mode"):
        RecordVideos("videos").record(agent, trainer(view))
    with fails("RecordVideos: needs an agent, and its EnvView as datamodule"):
        RecordVideos("videos").record(agent, trainer(None))
    with fails("every: must be greater than 0, is 0"):
        RecordVideos("videos", every=0)
