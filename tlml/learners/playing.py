"""Episodes that are played to their end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlml.data.env_places import EnvPlace, SeededEpisodes
from tlml.data.env_stream import Finished


def play_through(act: Callable[..., NDArray[Any]], places: Sequence[EnvPlace]) -> list[Finished]:
    """Play the first episode at each place to its end, all side by side.

    Args:
        act: Observations to actions ``[n, ...]``; it is told which are allowed where environments
            tell.
        places: Where.
    """
    made = [SeededEpisodes(place) for place in places]
    try:
        seen, infos = map(list, zip(*(env.reset() for env in made), strict=True))
        totals, lengths = [0.0] * len(made), [0] * len(made)
        acting = list(range(len(made)))
        while acting:
            told = [infos[n]["action_mask"] for n in acting if "action_mask" in infos[n]]
            masks = [np.array(told, bool)] if len(told) == len(acting) else []
            actions = act(np.stack([seen[n] for n in acting]), *masks)
            still = []
            for n, action in zip(acting, actions, strict=True):
                seen[n], reward, terminated, truncated, infos[n] = made[n].step(action)
                totals[n], lengths[n] = totals[n] + float(reward), lengths[n] + 1
                if not (terminated or truncated):
                    still.append(n)
            acting = still
    finally:
        for env in made:
            env.close()
    return [Finished(*one) for one in zip(totals, lengths, strict=True)]
