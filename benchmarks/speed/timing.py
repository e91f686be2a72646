"""Sides in turn, by CPU time, and how many times faster one is than another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

SECONDS = 8.0  # of timing, after which no further round begins
TURN = 0.1  # seconds that a side runs at a stretch, as in training: its memory stays in the caches
LEAST, MOST = 3, 50  # rounds


@dataclass(frozen=True)
class Time:
    """Of one call, in milliseconds; the mean of a turn.

    Args:
        cpu_ms: Of CPU.
        wall_ms: By the clock.
    """

    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True)
class Ratio:
    """How many times faster: the rounds' ratios of CPU time.

    Args:
        median: Of them.
        quartiles: Of them.
        range: The lowest and the highest; None in records of earlier versions.
    """

    median: float
    quartiles: tuple[float, float]
    range: tuple[float, float] | None = None

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Ratio:
        """Return what is told of ratios."""
        low, middle, high = (round(one, 3) for one in quantiles(ratios, n=4, method="inclusive"))
        return cls(middle, (low, high), (round(min(ratios), 3), round(max(ratios), 3)))


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], rounds: int | None = None
) -> dict[str, list[Time]]:
    """Return each side's times, one a round.

    Args:
        calls: What each side does, by its name; each round begins with the next one.
        rounds: How many; as many as fit `SECONDS` where None, from `LEAST` to `MOST`.
    """
    times: dict[str, list[Time]] = {name: [] for name in calls}
    names, start, done = list(calls), time.perf_counter(), 0
    while done < (rounds or LEAST) or (
        rounds is None and done < MOST and time.perf_counter() - start < SECONDS
    ):
        first = done % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(_time(calls[name]))
        done += 1
    return times


def typical(times: list[Time]) -> Time:
    """Return the medians."""
    return Time(
        round(median(one.cpu_ms for one in times), 3),
        round(median(one.wall_ms for one in times), 3),
    )


def faster(one: list[Time], other: list[Time]) -> Ratio:
    """Return how many times faster `one` is than `other`."""
    return Ratio.of([b.cpu_ms / a.cpu_ms for a, b in zip(one, other, strict=True)])


def _time(call: Callable[[], object]) -> Time:
    done = 0
    cpu, wall = time.process_time(), time.perf_counter()
    while done == 0 or time.perf_counter() - wall < TURN:
        call()
        done += 1
    spent = time.process_time() - cpu, time.perf_counter() - wall
    return Time(1000 * spent[0] / done, 1000 * spent[1] / done)
