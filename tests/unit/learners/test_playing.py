"""Episodes that are played to their end."""

from __future__ import annotations

from typing import Any

import numpy as np
from agents import Line, LineTask, Summing

from tlml.data.env_places import EnvPlace
from tlml.learners.acting import Acting
from tlml.learners.playing import play_through


def test_each_episode_is_played_to_its_end_and_no_further() -> None:
    def right(observations: Any) -> Any:
        return np.ones(len(observations), int)

    places = [EnvPlace(LineTask("line", 5), "source", 0, n, seed=1, judges=True) for n in range(6)]
    starts = [play_through(right, [place])[0] for place in places]
    assert play_through(right, places) == starts
    assert all(1 <= length <= 4 for _, length in starts)


class Told(Line):
    """A line that tells what may be chosen: to the right alone."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        return super().reset(**options)[0], {"action_mask": np.array([0, 1])}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return (*super().step(action)[:4], {"action_mask": np.array([0, 1])})


def test_those_who_play_are_told_what_may_be_chosen_where_environments_tell() -> None:
    asked = []

    def act(seen: Any, allowed: Any = None) -> Any:
        asked.append(None if allowed is None else allowed.tolist())
        return np.ones(len(seen), int)

    for kind in (Told, Line):
        play_through(act, [EnvPlace(LineTask("line", kind=kind), "target", 0, 0, 0, judges=True)])
    assert asked[0] == [[False, True]] and asked[-1] is None
    assert {*map(str, asked)} == {"[[False, True]]", "None"}
    # An agent that can't leave actions out takes no notice.
    assert Summing().decide_among.__func__ is Acting.decide_among
