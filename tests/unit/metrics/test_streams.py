"""Metrics of a stream, by hand and by loops over tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from measures import message

from tlml.metrics import (
    average_incremental_accuracy,
    backward_transfer,
    backward_transfer_and_interference,
    forgetting,
    forward_transfer,
    learning_accuracy,
    retained_accuracy,
)

R = np.array([[0.9, 0.3, 0.2], [0.7, 0.8, 0.4], [0.6, 0.5, 1.0]])


def test_metrics_of_a_stream_by_hand():
    assert retained_accuracy(R) == pytest.approx((0.6 + 0.5 + 1.0) / 3)
    assert learning_accuracy(R) == pytest.approx((0.9 + 0.8 + 1.0) / 3)
    assert average_incremental_accuracy(R) == pytest.approx((0.9 + (0.7 + 0.8) / 2 + 2.1 / 3) / 3)
    assert backward_transfer_and_interference(R) == pytest.approx((-0.3 - 0.3 + 0) / 3)
    assert backward_transfer(R) == pytest.approx((-0.3 - 0.3) / 2)
    assert forward_transfer(R, [0.1, 0.2, 0.1]) == pytest.approx((0.1 + 0.3) / 2)
    assert forgetting(R) == pytest.approx((0.9 - 0.6 + max(R[0, 1], 0.8) - 0.5) / 2)
    assert forgetting(1 - R, higher_is_better=False) == pytest.approx(forgetting(R))


square = st.integers(2, 5).flatmap(lambda t: arrays(float, (t, t), elements=st.floats(0, 1)))


@given(square)
def test_metrics_of_a_stream_equal_loops_over_tasks(matrix):
    tasks = len(matrix)
    forgotten = [matrix[tasks - 1, j] - matrix[j, j] for j in range(tasks)]
    assert backward_transfer_and_interference(matrix) == pytest.approx(sum(forgotten) / tasks)
    assert backward_transfer(matrix) == pytest.approx(sum(forgotten[:-1]) / (tasks - 1))
    so_far = [sum(matrix[t, j] for j in range(t + 1)) / (t + 1) for t in range(tasks)]
    assert average_incremental_accuracy(matrix) == pytest.approx(sum(so_far) / tasks)
    lost = [max(matrix[t, j] for t in range(tasks - 1)) - matrix[-1, j] for j in range(tasks - 1)]
    assert forgetting(matrix) == pytest.approx(sum(lost) / (tasks - 1))
    gained = [matrix[-1, j] - min(matrix[t, j] for t in range(tasks - 1)) for j in range(tasks - 1)]
    assert forgetting(matrix, higher_is_better=False) == pytest.approx(sum(gained) / (tasks - 1))
    ahead = [matrix[j - 1, j] - matrix[0, j] for j in range(1, tasks)]
    assert forward_transfer(matrix, matrix[0]) == pytest.approx(sum(ahead) / (tasks - 1))


def test_what_was_not_measured_does_not_spoil_the_rest():
    lower = np.where(np.tri(3, dtype=bool), R, np.nan)
    assert backward_transfer(lower) == pytest.approx(-0.3)
    assert forgetting(lower) == pytest.approx(0.3)
    assert average_incremental_accuracy(lower) == pytest.approx(average_incremental_accuracy(R))
    assert math.isnan(forward_transfer(lower, [0, 0, 0]))


def test_matrices_of_other_shapes_are_refused():
    expected = "accuracies after each task: must be [T, T] with T at least {}, the shape is {}"
    assert message(retained_accuracy, R[:2]) == expected.format(1, [2, 3])
    assert message(backward_transfer, [[0.5]]) == expected.format(2, [1, 1])
    assert message(forgetting, [[0.5]]) == expected.format(2, [1, 1])
    assert backward_transfer_and_interference([[0.5]]) == 0
    assert message(forward_transfer, R, [0.1]) == (
        "forward transfer: needs 3 accuracies before training, their shape is [1]"
    )
