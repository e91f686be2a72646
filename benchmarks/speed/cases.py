"""What is timed: networks, episodes, inner steps, and the ways in which tlml runs them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Options = dict[str, Any]
OWN = "auto, own class"  # the network as somebody writes it, in a class with a forward


@dataclass(frozen=True)
class Images:
    """Few-shot episodes of random images, and Conv4 with `filters` on them.

    The time of a step depends on the shapes and not on what is in the images.
    """

    filters: int
    channels: int
    size: int
    shots: int
    ways: int = 5
    queries: int = 15


@dataclass(frozen=True)
class Waves:
    """Episodes of the sinusoid domain, and an MLP on them."""

    shots: int = 10
    queries: int = 10
    hidden: tuple[int, ...] = (40, 40)


@dataclass(frozen=True)
class Case:
    """One workload.

    Args:
        name: What tables and `--only` call it.
        data: Episodes and network.
        tasks: Tasks of an outer step.
        steps: Inner steps.
        first_order: Whether second derivatives are left out.
        lr: Inner step size.
        variants: Options of the learner, by the name of the variant.
        memory: Whether peak memory is measured too.
    """

    name: str
    data: Images | Waves
    tasks: int
    steps: int
    first_order: bool
    lr: float
    variants: dict[str, Options] = field(default_factory=lambda: {"auto": {}})
    memory: bool = False


def cases() -> Iterator[Case]:
    """Yield all workloads."""
    mlp: dict[str, Options] = {
        "auto": {}, OWN: {}, "vmap": {"vectorize": "vmap"}, "compile": {"compile": True},
    }  # fmt: skip
    yield from _orders("sinusoid", Waves(), 25, lr=0.01, variants=mlp)
    small, large = Images(64, 1, 28, shots=1), Images(32, 3, 84, shots=1)
    for tasks in (4, 32):
        yield from _orders("conv4-64, 28 x 28", small, tasks, lr=0.1)
    yield from _orders("conv4-32, 84 x 84", large, 4, lr=0.1)
    yield Case(
        "conv4-32, 84 x 84, 5-shot, 4 tasks, 5 steps, second order",
        Images(32, 3, 84, shots=5), 4, 5, False, 0.1,
        {"auto": {}, "memory=low": {"memory": "low"}},
        memory=True,
    )  # fmt: skip


def _orders(
    name: str,
    data: Images | Waves,
    tasks: int,
    *,
    lr: float,
    variants: dict[str, Options] | None = None,
) -> Iterator[Case]:
    """Yield second and first order, one and five inner steps."""
    for first_order, steps in itertools.product((False, True), (1, 5)):
        order = "first" if first_order else "second"
        of = f"{name}, {tasks} tasks, {steps} step{'s' if steps > 1 else ''}, {order} order"
        ways = variants or {"auto": {}}
        yield Case(of, data, tasks, steps, first_order, lr, ways)
