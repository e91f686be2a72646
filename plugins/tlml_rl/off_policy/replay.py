"""Replayed experience: the latest steps in environments, from which some are drawn again."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Space
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from tlml import TlmlError
from tlml.data import Rollout, Transitions
from tlml.errors import check_positive
from tlml_rl.off_policy.free_memory import free_memory, size_of
from tlml_rl.off_policy.priorities import SumTree
from tlml_rl.off_policy.rows import Rows, Steps

Array = NDArray[Any]

_TINY = 1e-6  # an error of 0 is drawn, too
_PRIORITY = 32  # bytes of a step's, in a tree of up to four numbers for each place


class ReplayBuffer(nn.Module):
    """The latest steps of environments, in memory that is allocated once and saved with the agent.

    Each environment has a ring of its own, in which a step's successor is what the next place
    holds: observations are kept once. An episode ends in a place that holds only what was seen
    last, as does the newest one of each ring; neither is drawn. Observations keep their type, but
    for floats, which become single ones, as networks take them. The memory stays on the CPU.

    Where steps are drawn by priority, step i has the probability ``p_i^α / Σ p^α`` and the weight
    ``(P(i) · n)^-β``, over the largest of its minibatch; a new step has the largest priority so far
    (Schaul et al. 2016, arXiv 1511.05952, equations 1 and 3.4).

    Args:
        capacity: Places, of all environments together.
        observations: Their space.
        actions: The space of what the agent chooses.
        gamma: What the value of what follows is discounted by.
        n_step: Rewards that are summed up before the value of what follows counts.
        alpha: How far priorities count, α; None: all steps are drawn alike.

    Raises:
        TlmlError: An option is out of range, or there is less memory than that.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    valid: Tensor
    allowed: Tensor
    cursors: Tensor
    filled: Tensor
    largest: Tensor

    def __init__(
        self, capacity: int, observations: Space[Any], actions: Space[Any], *,
        gamma: float = 0.99, n_step: int = 1, alpha: float | None = None,
    ) -> None:  # fmt: skip
        check_positive(capacity=capacity, n_step=n_step)
        super().__init__()
        self.capacity, self.gamma, self.n_step, self.alpha = capacity, gamma, n_step, alpha
        columns = {
            "observations": _Column.of(observations),
            "actions": _Column.of(actions),
            "rewards": _Column((), np.dtype(np.float32)),
            "terminated": _Column((), np.dtype(bool)),
            "valid": _Column((), np.dtype(bool)),
        }
        each = sum(column.bytes for column in columns.values()) + _PRIORITY * (alpha is not None)
        self._check_memory(capacity * each)
        for name, column in columns.items():
            empty = np.zeros((capacity, *column.shape), column.dtype)
            self.register_buffer(name, torch.from_numpy(empty))
        self.register_buffer("allowed", torch.zeros(0, dtype=torch.bool))  # until one tells
        self.register_buffer("cursors", None)
        self.register_buffer("filled", None)
        self.register_buffer("largest", torch.ones((), dtype=torch.float64))
        self.priorities = None if alpha is None else SumTree(capacity)
        self._divide(0)

    def __len__(self) -> int:
        """Return how many steps may be drawn."""
        return int(np.count_nonzero(self.valid.numpy()))

    @property
    def full(self) -> bool:
        """Whether each step that is written takes the place of an old one."""
        return len(self.filled) > 0 and bool((self.filled >= self.places - 1).all())

    def clear(self) -> None:
        """Forget all steps."""
        self._divide(0)
        self.valid.zero_()
        self.largest.fill_(1.0)
        if self.priorities is not None:
            self.priorities.nodes.zero_()

    # Writing

    def write(self, rollout: Rollout, allowed: Array | None = None) -> None:
        """Keep the steps of a rollout.

        Args:
            rollout: What was done since the last one, in the same environments; where they begin
                elsewhere, what came before counts as cut there.
            allowed: Which actions can be chosen after it ``[N, ...]``, where environments tell.
        """
        number = rollout.rewards.shape[1]
        if len(self.cursors) != number:
            self._arrange(number)
        if rollout.allowed is not None and not len(self.allowed):
            shape = (self.capacity, *rollout.allowed.shape[2:])
            self.allowed = torch.ones(shape, dtype=torch.bool)
        memory = {name: kept.numpy() for name, kept in self.named_buffers(recurse=False)}
        steps = Steps.of(rollout)
        for n in range(number):
            rows = steps.rows(n, None if allowed is None else allowed[n])
            self._write(memory, n, Rows._make(one[-self.places :] for one in rows))

    def _write(self, memory: dict[str, Array], n: int, rows: Rows) -> None:
        """Write rows of an environment over its newest place, which tells what was seen last."""
        places, cursors = self.places, memory["cursors"]
        ring = slice(n * places, (n + 1) * places)
        # Where now something else is seen, what was seen last stays, as the end of its episode.
        last = memory["observations"][ring][cursors[n]]
        if memory["filled"][n] and not _same(last, rows.observations[0]):
            self._go_on(memory, n, 1)
        start, taken = int(cursors[n]), len(rows.valid)
        for name, values in zip(Rows._fields, rows, strict=True):
            if len(values):
                _put(memory[name][ring], start, values)
        if self.priorities is not None and self.alpha is not None:
            where = ring.start + (start + np.arange(taken)) % places
            self.priorities.put(where, rows.valid * float(self.largest) ** self.alpha)
        self._go_on(memory, n, taken - 1)

    def _go_on(self, memory: dict[str, Array], n: int, steps: int) -> None:
        cursors, filled = memory["cursors"], memory["filled"]
        cursors[n] = (cursors[n] + steps) % self.places
        filled[n] = min(filled[n] + steps, self.places - 1)

    def _arrange(self, number: int) -> None:
        """Divide the memory among so many environments."""
        self._check_places(number)
        if len(self):
            rank_zero_info(f"replay: its steps were of other environments than these {number}")
        self.clear()
        self._divide(number)

    def _check_places(self, number: int) -> None:
        if self.capacity // max(number, 1) < 2:
            raise TlmlError(
                f"replay: {self.capacity} places are too few for {number} environments; take a "
                "larger buffer_size"
            )

    def _divide(self, number: int) -> None:
        self.cursors = torch.zeros(number, dtype=torch.int64)
        self.filled = torch.zeros(number, dtype=torch.int64)
        self.places = self.capacity // max(number, 1)

    # Drawing

    def draw(
        self, rng: np.random.Generator, gradient_steps: int, batch_size: int, beta: float = 1.0
    ) -> Transitions:
        """Draw the minibatches of some gradient steps at once, with replacement.

        Args:
            rng: Draws; the steps are a function of it and of what is kept.
            gradient_steps: G.
            batch_size: B.
            beta: How far weights make up for priorities, β.

        Returns:
            Steps ``[G, B, ...]``, with ``rows`` for `reprioritise`. Rewards are sums of up to
            `n_step` of them: an episode's end ends them, as does the newest step.
        """
        shape = gradient_steps, batch_size
        if self.priorities is None:
            rows, weights = self._uniform(rng, shape), None
        else:
            rows, weights = self._by_priority(rng, shape, beta)
        return self.at(rows, weights)

    def at(self, rows: Array, weights: Array | None = None) -> Transitions:
        """Return the steps of rows ``[...]``, and what each leads to."""
        rewards, valid = self.rewards.numpy(), self.valid.numpy()
        last, total = rows, rewards[rows].astype(np.float64)
        discount, going = np.full(rows.shape, self.gamma), np.ones(rows.shape, bool)
        for _ in range(self.n_step - 1):
            following = self._after(last)
            going = going & valid[following]
            last = np.where(going, following, last)
            total += np.where(going, discount * rewards[following], 0.0)
            discount = np.where(going, discount * self.gamma, discount)
        after = self._after(last)
        told = (
            self.observations.numpy().take(rows, 0), self.actions.numpy().take(rows, 0),
            total.astype(np.float32), self.observations.numpy().take(after, 0),
            self.terminated.numpy()[last], discount.astype(np.float32),
            self.allowed.numpy().take(after, 0) if len(self.allowed) else None,
            None if weights is None else weights.astype(np.float32), rows,
        )  # fmt: skip
        return Transitions(*(None if one is None else torch.from_numpy(one) for one in told))  # type: ignore[arg-type]

    def reprioritise(self, rows: Array, errors: Array) -> None:
        """Let rows ``[...]`` be drawn by how wrong they were ``[...]``."""
        assert self.priorities is not None and self.alpha is not None
        found = np.abs(errors).reshape(-1).astype(np.float64) + _TINY
        self.largest.fill_(max(float(self.largest), float(found.max())))
        self.priorities.put(rows.reshape(-1), found**self.alpha)

    def _uniform(self, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        """Draw among all places written to, and again where one may not be drawn."""
        ends, valid = np.cumsum(self.filled.numpy()), self.valid.numpy()
        rows = np.empty(math.prod(shape), np.int64)
        missing = np.arange(len(rows))
        while len(missing):
            drawn = rng.integers(ends[-1], size=len(missing))
            ring = np.searchsorted(ends, drawn, "right")
            ago = ends[ring] - drawn  # 1: the newest step
            rows[missing] = ring * self.places + (self.cursors.numpy()[ring] - ago) % self.places
            missing = missing[~valid[rows[missing]]]
        return rows.reshape(shape)

    def _by_priority(
        self, rng: np.random.Generator, shape: tuple[int, int], beta: float
    ) -> tuple[Array, Array]:
        """Draw one of each of B equal parts of the sum of priorities, for each gradient step."""
        assert self.priorities is not None
        total = self.priorities.total()
        rows = self.priorities.find((np.arange(shape[1]) + rng.random(shape)) * total / shape[1])
        weights = (self.priorities.at(rows) / total * len(self)) ** -beta
        return rows, weights / weights.max(1, keepdims=True)

    def _after(self, rows: Array) -> Array:
        """Return the place after each, within its ring."""
        following: Array = rows + 1
        following -= self.places * (following % self.places == 0)
        return following

    # As a module

    def _check_memory(self, needed: int) -> None:
        free, told = free_memory(), f"room for {self.capacity:,} steps takes {size_of(needed)}"
        if free is not None and needed > free:
            raise TlmlError(
                f"replay: {told} of memory, and {size_of(free)} are free; take a smaller "
                "buffer_size"
            )
        rank_zero_info(f"replay: {told} of memory")

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # Steps are written and drawn by NumPy; what is drawn is moved.
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # How many environments there are, and whether they tell masks, a fit alone knows.
        cursors, allowed = (state_dict.get(prefix + name) for name in ("cursors", "allowed"))
        if cursors is not None and allowed is not None:
            self._divide(len(cursors))
            if len(state_dict[prefix + "valid"]) != self.capacity:
                state_dict |= self._moved(state_dict, prefix)
            self.allowed = torch.empty_like(state_dict[prefix + "allowed"], device="cpu")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _moved(self, state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """Return a state of fewer or more places as one of as many as there are here.

        Of each environment the newest steps are kept, as many as there is room for.
        """
        theirs, number = len(state[prefix + "valid"]), len(self.cursors)
        self._check_places(number)
        filled, cursors = (state[prefix + name].cpu() for name in ("filled", "cursors"))
        kept, places = filled.clamp(max=self.places - 1), theirs // max(number, 1)
        old, new = [torch.zeros(0, dtype=torch.int64)], [torch.zeros(0, dtype=torch.int64)]
        for n in range(number):
            ago = torch.arange(int(kept[n]), -1, -1)  # the newest place comes last
            old.append(n * places + (cursors[n] - ago) % places)
            new.append(n * self.places + torch.arange(len(ago)))
        before, now = torch.cat(old), torch.cat(new)
        found = {prefix + "cursors": kept, prefix + "filled": kept.clone()}
        for name in Rows._fields:
            saved = state[prefix + name].cpu()
            if len(saved):
                rows = saved.new_zeros((self.capacity, *saved.shape[1:]))
                rows[now] = saved[before]
                found[prefix + name] = rows
        nodes = prefix + "priorities.nodes"
        if self.priorities is not None and nodes in state:
            tree, leaves = SumTree(self.capacity), state[nodes].cpu()[len(state[nodes]) // 2 :]
            tree.put(now.numpy(), leaves[before].numpy())
            found[nodes] = tree.nodes
        rank_zero_info(
            f"replay: of a memory with {theirs:,} places the newest {int(kept.sum()):,} steps are "
            f"kept in one with {self.capacity:,}"
        )
        return found


class _Column(NamedTuple):
    """What is kept of each step."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, space: Space[Any]) -> _Column:
        """Return the column for values of a space."""
        dtype = np.dtype(space.dtype)
        return cls(tuple(space.shape or ()), np.dtype(np.float32) if dtype.kind == "f" else dtype)

    @property
    def bytes(self) -> int:
        """Bytes of a step."""
        return math.prod(self.shape) * self.dtype.itemsize


def _put(ring: Array, start: int, values: Array) -> None:
    """Write into a ring from a place on, in one slice, or in two around its end."""
    first = len(ring) - start
    ring[start : start + len(values)] = values[:first]
    if first < len(values):
        ring[: len(values) - first] = values[first:]


def _same(kept: Array, seen: Array) -> bool:
    """Say whether what is kept is what is seen, in the type that it is kept in."""
    now = np.asarray(seen).astype(kept.dtype, copy=False)
    return bool((kept == now).all()) or np.array_equal(kept, now, equal_nan=kept.dtype.kind == "f")
