"""The transitions of a world that tells them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tlml import EnvView, TlmlError

Worth = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What comes of each action in each state.

    Args:
        goes_on: The probability ``[states · actions, states]`` to come to a state from which the
            episode goes on; what is missing to 1 in a row is the probability that it ends.
        rewards: The mean reward ``[states, actions]``.
    """

    goes_on: csr_array
    rewards: Worth

    def back_up(self, values: Worth, gamma: float) -> Worth:
        """Return what actions are worth ``[states, actions]`` where states are worth `values`."""
        following: Worth = (self.goes_on @ values).reshape(self.rewards.shape)
        return self.rewards + gamma * following


def model_of(view: EnvView, learner: str) -> KnownModel:
    """Return the transitions of the one task that a view trains on.

    Raises:
        TlmlError: There are several tasks, or the environment does not tell its transitions.
    """
    tasks = {place.index: place.task for place in view.places()}
    if len(tasks) > 1:
        raise TlmlError(
            f"{learner}: it plans in one world, and the {view.train_split} has "
            f"{', '.join(task.name for task in tasks.values())}; take one by task=0"
        )
    (task,) = tasks.values()
    env = task.make(0)
    told = getattr(env.unwrapped, "P", None)
    env.close()
    if not isinstance(told, dict):
        raise TlmlError(
            f"{learner}: {task.name} does not tell its transitions, as P[state][action]; take a "
            "domain that gives 'model', such as gridworld, or a learner without a model, such as "
            "q_learning"
        )
    return read_transitions(told)


def read_transitions(
    told: dict[int, dict[int, list[tuple[float, int, float, bool]]]],
) -> KnownModel:
    """Read gymnasium's form of transitions.

    Args:
        told: ``told[state][action]`` lists ``(probability, next state, reward, ended)``.
    """
    states, actions = len(told), len(told[0])
    rewards = np.zeros((states, actions))
    rows, columns, chances = [], [], []
    for state, choices in told.items():
        for action, outcomes in choices.items():
            for chance, following, reward, ended in outcomes:
                rewards[state, action] += chance * reward
                if not ended:
                    rows.append(state * actions + action)
                    columns.append(int(following))
                    chances.append(chance)
    goes_on = csr_array((chances, (rows, columns)), shape=(states * actions, states))
    return KnownModel(goes_on, rewards)
