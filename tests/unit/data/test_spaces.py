"""Spaces as plain data, and what they say about a task."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space, Text

from tlml import TlmlError
from tlml.data.spaces import describe_space, outputs, same_space, space_from_plain, space_to_plain

SPACES = [
    Discrete(3),
    Discrete(4, start=2),
    Box(-1.0, 1.0, (2, 3)),
    Box(-np.inf, np.inf, (), np.float64),
    Box(np.array([0.0, -1.0]), np.array([1.0, 2.0]), dtype=np.float64),
    Box(0, 255, (1, 2, 2), np.uint8),
    MultiDiscrete([3, 2], start=[1, 0]),
    MultiBinary([2, 3]),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_comes_back_from_plain_data(space: Space) -> None:
    plain = space_to_plain(space)
    assert space_from_plain(plain) == space
    assert all(isinstance(value, int | float | str | list) for value in plain.values())


def test_bounds_are_one_number_where_all_are_equal() -> None:
    assert space_to_plain(Box(-1.0, 1.0, (2, 3)))["low"] == -1.0
    assert space_to_plain(SPACES[4])["low"] == [0.0, -1.0]


def test_other_spaces_are_refused() -> None:
    with pytest.raises(TlmlError) as caught:
        space_to_plain(Text(3, charset="ab"))
    assert str(caught.value) == (
        "space Text(1, 3, charset=ab): only spaces of Box, Discrete, MultiBinary, MultiDiscrete "
        "are supported"
    )


@pytest.mark.parametrize(
    ("space", "expected"), [(Discrete(3), 3), (Box(0, 1, (4,)), 4), (Box(0, 1, (2, 3)), 6),
                            (Box(0, 1, ()), 1), (MultiDiscrete([2, 3]), 5), (MultiBinary(4), 4)],
    ids=str
)  # fmt: skip
def test_a_network_gives_a_score_for_each_class_or_each_value(space: Space, expected: int) -> None:
    assert outputs(space) == expected


def test_a_space_is_told_in_a_few_words() -> None:
    assert (
        describe_space(Box(np.zeros(3, np.float32), np.ones(3, np.float32))) == "Box((3,), float32)"
    )
    assert describe_space(Discrete(3)) == "Discrete(3)"


def test_spaces_are_the_same_by_kind_and_shape_whatever_their_bounds() -> None:
    assert same_space(Box(0, 1, (2,)), Box(-5, 5, (2,)))
    assert not same_space(Box(0, 1, (2,)), Box(0, 1, (3,)))
    assert same_space(Discrete(3), Discrete(3, start=1))
    assert not same_space(Discrete(3), Discrete(4))
    assert not same_space(Discrete(3), Box(0, 1, (3,)))
    assert same_space(MultiDiscrete([2, 3]), MultiDiscrete([2, 3], start=[1, 1]))
    assert not same_space(MultiDiscrete([2, 3]), MultiDiscrete([3, 2]))
    assert same_space(MultiBinary(3), MultiBinary(3))
    others = (MultiBinary(2), MultiDiscrete([2, 2]), Box(0, 1, (2,)), Discrete(2))
    assert not any(same_space(a, b) for a in others for b in others if a is not b)
