"""Data as people have it: taken, or refused in one line that says what would mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor

from tlml.data.example_checks import (
    check_inputs,
    check_target_space,
    check_targets,
    check_tensor,
    check_tensors,
    is_array,
)
from tlml.errors import TlmlError

X, Y = torch.zeros(6, 4), torch.arange(6) % 3
THREE, VALUES = Discrete(3), Box(-1, 1, (1,), np.float32)


class Frame:
    """As pandas' frames are."""

    def to_numpy(self) -> Any:
        return np.zeros((6, 4))


Frame.__module__ = "pandas.core.frame"


def error_of(check: Callable[..., None], *given: Any) -> str:
    with pytest.raises(TlmlError) as caught:
        check(*given, "task mine")
    text = str(caught.value)
    assert text.startswith("task mine: ") and "\n" not in text
    return text.removeprefix("task mine: ")


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (X.numpy(), Y, "x is a numpy array; give a tensor, torch.from_numpy(x)"),
        (X, Y.numpy(), "y is a numpy array; give a tensor, torch.from_numpy(y)"),
        (X, np.array(list("abcabc")), "y is a numpy array of text; number what it says from 0, and "
         "give a tensor"),
        (X.tolist(), Y, "x is a list; give a tensor, torch.tensor(x)"),
        (X, list("abcabc"), "y is a list; give a tensor, torch.tensor(y)"),
        (Frame(), Y, "x is a Frame; give a tensor, torch.from_numpy(x.to_numpy())"),
        (X, None, "y is None; give a tensor"),
        (3.0, Y, "x is a float; give a tensor, torch.tensor(x)"),
        (X, Y[:-1], "y has 5 entries, x 6; give one for each"),
        (X, torch.tensor(1), "y is a single number; give a tensor [n, ...]"),
        (X.to_sparse(), Y, "x is a sparse tensor; give x.to_dense()"),
        (X.clone().requires_grad_(), Y, "x requires a gradient; give x.detach()"),
        (X.to(torch.complex64), Y, "x is complex; give torch.view_as_real(x), for one"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_is_told_how_it_becomes_one(x: Any, y: Any, text: str) -> None:
    assert error_of(check_tensors, x, y) == text


def test_what_reads_single_examples_need_not_be_a_tensor() -> None:
    class Reader:
        def __len__(self) -> int:
            return 6

    check_tensors(Reader(), Y, "task mine")
    assert not is_array(Reader()) and not is_array(X)
    assert error_of(check_tensors, Reader(), Y[:2]).startswith("y has 2 entries, x 6")
    check_tensor(X, "x", "task mine")


@pytest.mark.parametrize(
    ("y", "space", "text"),
    [
        (Y + 1, THREE, "labels are 1 to 3; the space is Discrete(3): number them 0 to 2"),
        (2 * (Y % 2) - 1, Discrete(2),
         "labels are -1 to 1; the space is Discrete(2): number them 0 to 1"),
        (torch.where(Y == 0, -100, Y), THREE,
         "labels are -100 to 2; the space is Discrete(3): number them 0 to 2"),
        (Y, Discrete(2), "labels are 0 to 2; the space is Discrete(2): number them 0 to 1, or take "
         "Discrete(3)"),
        (Y * 0 + 7, THREE, "all labels are 7; the space is Discrete(3): number them 0 to 2"),
        (Y + 1, Discrete(3, start=1), "labels are 1 to 3; the space is Discrete(3, start=1): "
         "number them 0 to 2 and take Discrete(3)"),
        (Y, Discrete(3, start=1), "labels are 0 to 2; the space is Discrete(3, start=1): number "
         "them 0 to 2 and take Discrete(3)"),
        (Y.float(), THREE, "y is float32 and the space Discrete(3); give whole numbers, y.long()"),
        (Y > 0, Discrete(2), "y is bool and the space Discrete(2); give y.long()"),
        (Y.to(torch.uint8), THREE, "y is uint8 and the space Discrete(3); give y.long()"),
        (Y[:, None], THREE, "y is [n, 1], and classes are [n]; give y[:, 0]"),
        (torch.eye(3)[Y].long(), THREE,
         "y is [n, 3], and classes are [n]; give y.argmax(1) where it is one-hot"),
        (Y, VALUES, "y is int64 and the space Box((1,), float32); give y.float()"),
        (Y.float(), VALUES,
         "y is [n], and the space Box((1,), float32) has [n, 1]; give y[:, None]"),
        (Y[:, None].float(), Box(-1, 1, (2,)), "y is [n, 1], and the space Box((2,), float32) has "
         "[n, 2]; set the domain's y to a Box of shape (1,)"),
        (Y.float(), Box(-1, 1, ()), "targets [n] of Box((), float32) are single numbers; give "
         "y[:, None], [n, 1], and a Box of shape (1,)"),
    ],
)  # fmt: skip
def test_targets_beside_their_space_are_told_how_they_get_there(
    y: Tensor, space: Space[Any], text: str
) -> None:
    assert error_of(check_targets, y, space) == text


def test_targets_of_their_space_pass() -> None:
    check_targets(Y, THREE, "")
    check_targets(Y.int(), Discrete(4), "")
    check_targets(Y[:0], THREE, "")
    check_targets(torch.zeros(6, 1), VALUES, "")
    check_targets(torch.zeros(6, 2, 3), Box(-1, 1, (2, 3)), "")
    check_target_space(VALUES, "")
    check_target_space(THREE, "")


def test_inputs_have_the_shape_and_the_kind_of_their_space() -> None:
    space = Box(-1, 1, (4,), np.float32)
    check_inputs(X, space, "")
    check_inputs(X.double(), space, "")
    check_inputs(X.long(), Box(0, 9, (4,), np.int64), "")
    assert error_of(check_inputs, X[:, :3], space) == (
        "x is [n, 3], and the space Box((4,), float32) has [n, 4]; set the domain's x to a Box of "
        "shape (3,)"
    )
    assert error_of(check_inputs, X.long(), space) == (
        "x is int64 and the space Box((4,), float32); give x.float()"
    )
