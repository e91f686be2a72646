"""Returns, advantages and credit: what the steps of a rollout were worth.

All of them take rollouts ``[T, N]``: T steps of N environments, row by row in the order of time.
`terminated` and `truncated` tell the rows in which an episode ended. What follows a terminated step
is worth nothing; what follows a truncated one, or the last row, is worth what was estimated of the
observation that it led to. Nothing is ever carried from one episode into another.

Autoreset: with gymnasium's NEXT_STEP the row after an end is a reset, whose action was ignored. It
stands alone, as no row before it takes anything from it; `valid` gives it the value 0, and losses
the weight 0. With SAME_STEP and DISABLED there are no such rows.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml import TlmlError
from tlml.errors import check_choice, check_positive

Credit = Literal["whole_return", "reward_to_go", "from_the_end"]
CREDITS = ("whole_return", "reward_to_go", "from_the_end")


def discounted_returns(
    rewards: Tensor, terminated: Tensor, truncated: Tensor, gamma: float,
    bootstrap: Tensor | float, valid: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return what came from each step on: G_t = r_t + γ G_{t+1}, within its episode.

    Args:
        rewards: ``[T, N]``.
        terminated: ``[T, N]``: the episode ended, and nothing follows.
        truncated: ``[T, N]``: the episode was cut, and something would have followed.
        gamma: The discount rate γ.
        bootstrap: Estimated values of what each step led to ``[T, N]``, of which truncated rows and
            the last one are used. ``[N]`` or a number will do for the last row, where no episode
            is cut before it.
        valid: ``[T, N]``, False for the reset rows of NEXT_STEP, whose return is 0.

    Returns:
        ``[T, N]``.

    Raises:
        TlmlError: Shapes differ, or a truncated row lacks the value of what it led to.
    """
    _check_shapes(rewards, terminated=terminated, truncated=truncated)
    values, (over, cut) = _successors(bootstrap, rewards, truncated), _flags(terminated, truncated)
    found, decay = _array(rewards).copy(), np.where(over | cut, 0.0, gamma)
    ends = ~over & cut
    ends[-1:] = ~over[-1:]  # what follows the last row is estimated, too
    found += np.where(ends, gamma * values, 0.0)
    return _back(_masked(_carried(found, decay), valid), rewards)


def gae(
    rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor, truncated: Tensor,
    gamma: float, lam: float, valid: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438).

    δ_t = r_t + γ V(s_{t+1}) (1 − terminated_t) − V(s_t) (equation 9) and
    A_t = δ_t + γ λ A_{t+1}, where the episode goes on (equation 16). Returns that a critic learns
    are ``advantages + values``.

    Args:
        rewards: ``[T, N]``.
        values: V(s_t) ``[T, N]``.
        next_values: Values of what each step led to ``[T, N]``, before any reset.
        terminated: ``[T, N]``.
        truncated: ``[T, N]``.
        gamma: The discount rate γ.
        lam: How far estimates are trusted: 0 takes one reward, 1 takes all that came.
        valid: ``[T, N]``, False for the reset rows of NEXT_STEP, whose advantage is 0.

    Returns:
        ``[T, N]``.

    Raises:
        TlmlError: Shapes differ.
    """
    _check_shapes(
        rewards, values=values, next_values=next_values, terminated=terminated, truncated=truncated
    )
    over, cut = _flags(terminated, truncated)
    found = np.multiply(_array(next_values), gamma)
    found *= ~over
    found += _array(rewards)
    found -= _array(values)
    decay = np.where(over | cut, 0.0, gamma * lam).astype(found.dtype)
    return _back(_masked(_carried(found, decay), valid), rewards)


class Ahead(NamedTuple):
    """What lies n steps ahead of each step, or less where the rollout or the episode ends.

    The n-step return is ``rewards + discount · V(what row `last` led to)``, where `terminated` is
    False, and `rewards` where it is True.

    Args:
        rewards: Discounted rewards of those steps ``[T, N]``.
        last: The row of the last of them ``[T, N]``, of int64.
        terminated: Whether the episode ended there ``[T, N]``.
        discount: γ to the power of their number ``[T, N]``.
    """

    rewards: Tensor
    last: Tensor
    terminated: Tensor
    discount: Tensor


def n_step(rewards: Tensor, terminated: Tensor, truncated: Tensor, gamma: float, n: int) -> Ahead:
    """Return what lies up to n steps ahead of each step, in the same episode.

    Args:
        rewards: ``[T, N]``.
        terminated: ``[T, N]``.
        truncated: ``[T, N]``.
        gamma: The discount rate γ.
        n: Steps, from 1 on.
    """
    check_positive(n=n)
    _check_shapes(rewards, terminated=terminated, truncated=truncated)
    over, cut = _flags(terminated, truncated)
    given, rows = _array(rewards), len(rewards)
    found, steps, goes_on = (
        np.zeros_like(given),
        np.zeros(given.shape, np.int64),
        np.ones(given.shape, bool),
    )
    for ahead in range(min(n, rows)):  # all rows at once look one step further
        here = goes_on[: rows - ahead]
        found[: rows - ahead] += np.where(here, gamma**ahead * given[ahead:], 0.0)
        steps[: rows - ahead] += here
        here &= ~(over | cut)[ahead:]
    first = np.arange(rows).reshape(-1, *[1] * (given.ndim - 1))
    last = first + steps - 1
    ended = np.take_along_axis(over, last, 0)
    discount = np.power(gamma, steps).astype(given.dtype)
    return Ahead(*(_back(each, rewards) for each in (found, last, ended, discount)))


def credit(
    rewards: Tensor, terminated: Tensor, truncated: Tensor, gamma: float,
    kind: Credit = "reward_to_go", bootstrap: Tensor | float = 0.0, valid: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return what each action gets credit for ``[T, N]``.

    - ``whole_return``: the discounted return of its whole episode, whatever the action did.
    - ``reward_to_go``: what came from it on, as `discounted_returns`.
    - ``from_the_end``: the episode's return, the less of it the longer before the end: γ to the
      power of the steps that were left. Not all moves were bad, maybe only the last ones.

    An episode is as much of it as the rollout holds.

    Args:
        rewards: ``[T, N]``.
        terminated: ``[T, N]``.
        truncated: ``[T, N]``.
        gamma: The discount rate γ.
        kind: One of these.
        bootstrap: As of `discounted_returns`.
        valid: As of `discounted_returns`.

    Raises:
        TlmlError: No such kind, or shapes differ.
    """
    check_choice("credit", kind, CREDITS)
    to_go = discounted_returns(rewards, terminated, truncated, gamma, bootstrap, valid)
    if kind == "reward_to_go":
        return to_go
    done = np.logical_or(*_flags(terminated, truncated))
    if valid is not None:
        done |= ~_array(valid).astype(bool)  # a reset row is no part of the episode that it begins
    whole = _spread(_array(to_go), done)
    if kind == "from_the_end":
        whole *= np.power(gamma, _steps_left(done)).astype(whole.dtype)
    return _back(whole, rewards)


def unfinished(terminated: Tensor, truncated: Tensor) -> Tensor:
    """Return whether the rollout ends before a step's episode does ``[T, N]``."""
    ends_later: Tensor = (terminated | truncated).flip(0).cumsum(0).flip(0)
    return ends_later == 0


def _carried(found: NDArray[Any], decay: NDArray[Any]) -> NDArray[Any]:
    """Add to each row what the next one has come to, times `decay`; in place."""
    decay = decay.astype(found.dtype, copy=False)
    room = np.empty(found.shape[1:], found.dtype)
    for row in range(len(found) - 2, -1, -1):
        found[row] += np.multiply(decay[row], found[row + 1], out=room)
    return found


def _spread(to_go: NDArray[Any], done: NDArray[np.bool_]) -> NDArray[Any]:
    """Give all rows of an episode what its first row has."""
    whole = to_go.copy()
    for row in range(1, len(whole)):
        whole[row] = np.where(done[row - 1], whole[row], whole[row - 1])
    return whole


def _steps_left(done: NDArray[np.bool_]) -> NDArray[np.int64]:
    left = np.zeros(done.shape, np.int64)
    for row in range(len(done) - 2, -1, -1):
        left[row] = np.where(done[row], 0, left[row + 1] + 1)
    return left


def _successors(
    bootstrap: Tensor | float, rewards: Tensor, truncated: Tensor
) -> NDArray[Any] | float:
    """Return the values of what the rows led to, as far as they are used."""
    if not isinstance(bootstrap, Tensor):
        bootstrap = rewards.new_full(rewards.shape[1:], bootstrap)
    if bootstrap.shape == rewards.shape:
        return _array(bootstrap)
    if bootstrap.shape not in ((), rewards.shape[1:]):
        raise TlmlError(
            f"bootstrap: must be {list(rewards.shape)} or {list(rewards.shape[1:])}, "
            f"is {list(bootstrap.shape)}"
        )
    if bool(truncated[:-1].any()) and bool(bootstrap.any()):
        raise TlmlError(
            "bootstrap: an episode was truncated before the last row; give the value of what each "
            f"row led to, {list(rewards.shape)}"
        )
    return _array(bootstrap)


def _masked(found: NDArray[Any], valid: Tensor | None) -> NDArray[Any]:
    if valid is not None:
        found *= _array(valid)
    return found


def _flags(terminated: Tensor, truncated: Tensor) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return _array(terminated).astype(bool, copy=False), _array(truncated).astype(bool, copy=False)


def _array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's memory, where it is on the CPU."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _back(array: NDArray[Any], like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like.device)


def _check_shapes(rewards: Tensor, **others: Tensor) -> None:
    if rewards.dim() < 1 or not rewards.is_floating_point():
        raise TlmlError(
            f"rewards: must be floats [T, N], are {rewards.dtype} {list(rewards.shape)}"
        )
    for name, other in others.items():
        if other.shape != rewards.shape:
            raise TlmlError(
                f"{name}: must be {list(rewards.shape)} as rewards, is {list(other.shape)}"
            )
