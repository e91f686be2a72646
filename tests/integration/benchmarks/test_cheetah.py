"""The picture of a cheetah in another body shows what was done and learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tlml
from benchmarks.cheetah import (
    APART,
    EVERY,
    FRAMES,
    MASSES,
    STEPS,
    WAYS,
    Shown,
    picture,
    strip,
    table,
)


@pytest.fixture
def curves() -> dict[str, Any]:
    """Two runs of each way in each body: the first starts at 0, the second 2 above it."""
    steps = range(0, STEPS + 1, EVERY)
    runs = [[(step, step / 1000 + above) for step in steps] for above in (0.0, 2.0)]
    return {way: dict.fromkeys(MASSES, runs) for way in WAYS}


def shown() -> Shown:
    frames = np.zeros((200, 480, 480, 3), np.uint8)
    frames += np.arange(200, dtype=np.uint8)[:, None, None, None]
    return Shown(frames, list(np.arange(200) / 10))


def test_frames_of_a_strip_are_as_far_apart_as_said() -> None:
    found = strip(shown())
    side = found.shape[1] // FRAMES
    assert found[0, ::side, 0].tolist() == [APART * n for n in range(1, FRAMES + 1)]


def test_the_table_holds_means_before_halfway_and_after(curves: dict[str, Any]) -> None:
    row = table(curves, [1.0, 3.0]).splitlines()[2]
    cells = [cell.strip().partition(" ±")[0] for cell in row.split("|")]
    assert cells[1:6] == ["0.5 × the mass", next(iter(WAYS)), "1", "101", "201"]


def test_the_picture_has_frames_and_curves_of_each_body(curves: dict[str, Any]) -> None:
    figure = picture({mass: {"at first": shown(), "after": shown()} for mass in MASSES}, curves)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "0.5 × the mass, at first: 19.9 m in 10 s"
    lines = figure.axes[-1].get_lines()
    assert [line.get_label() for line in lines] == [*WAYS]
    assert lines[0].get_ydata()[-1] == 201.0  # type: ignore[index]


def test_the_bodies_are_the_domains_targets() -> None:
    domain = tlml.domain("halfcheetah")
    names = [f"HalfCheetah-v5 mass={mass}" for mass in MASSES]
    assert [task.name for task in domain.tasks("target")] == names
