"""What a domain gives is checked: finite values, and enough of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from refusals import fails
from tiny import Letters, Lines, Tables

import tlml
from tlml import Batch, EpisodeView, Examples, PairView, StreamView, TlmlError
from tlml.data import (
    check_data,
    check_finite,
    draw_episode,
    keyed_rng,
)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_counted_and_named(bad):
    x = torch.zeros(4, 2)
    x[1, 0] = x[3, 1] = bad
    with fails(
        "here: x of 2 of 4 examples is NaN or infinite; remove or fill these examples in the domain"
    ):
        check_finite(Batch(x, torch.zeros(4)), "here")
    with fails(
        "here: y of 1 of 4 examples is NaN or infinite; remove or fill these examples in the domain"
    ):
        check_finite(Batch(torch.zeros(4, 2), torch.tensor([0.0, 0.0, bad, 0.0])), "here")
    check_finite(Batch(torch.zeros(4, 2, dtype=torch.uint8), torch.arange(4)), "here")


def test_an_episode_with_nan_names_its_task():
    task = Tables(classes=2).tasks("source")[1]
    task.x[:] = float("nan")
    with fails(
        "task source 1: x of 2 of 2 examples is NaN or infinite; remove or fill these examples in "
        "the domain"
    ):
        draw_episode(task, 1, 1, keyed_rng(0, "source", 0))


def test_data_in_memory_is_checked_whole():
    class Broken(Letters):
        def classes(self, split):
            found = dict(super().classes(split))
            found[f"{split} 2"] = found[f"{split} 2"] * torch.tensor([1.0, np.nan])
            return found

    with fails(
        "class 'source 2': x of 8 of 8 examples is NaN or infinite; remove or fill these examples "
        "in the domain"
    ):
        check_data(Broken(), "source")

    class Gaps(Tables):
        def tasks(self, split):
            found = list(super().tasks(split))
            found[2].y[-1] = float("nan")
            return found

    for gaps in (Gaps(), Gaps(train=8, test=4)):
        with pytest.raises(TlmlError, match=r"^task source 2: y of 1 of \d+ examples is NaN"):
            check_data(gaps, "source")
    check_data(Letters(), "source")
    check_data(Tables(test=3), "target")
    check_data(Lines(), "source")


class Mine(Tables):
    """A family whose tasks hold whatever is given, in all parts to train on."""

    def __init__(self, x, y, classes=3):
        super().__init__(classes)
        self.given = x, y

    def tasks(self, split):
        return [self]

    name = "mine"

    def split(self, part):
        x, y = self.given
        return Examples(x, y) if part == "train" else Examples(torch.zeros(0, 2), torch.zeros(0))


X, Y = torch.randn(90, 2), torch.arange(90) % 3
ALL = (
    PairView,
    partial(EpisodeView, shots=1, queries=1),
    partial(StreamView, split="source"),
)


@pytest.mark.parametrize("view", ALL, ids=("pair", "episodes", "stream"))
def test_all_views_ask_here_and_before_training(view):
    view(Mine(X, Y)).setup("fit")
    for x, y in ((X.numpy(), Y), (X, Y + 1), (X, Y[:-1]), (X, Y.float()), (X[:, :1], Y)):
        with pytest.raises(TlmlError, match=r"^task (mine|0 of the stream): "):
            view(Mine(x, y)).setup("fit")
    with pytest.raises(TlmlError, match=r"hold no examples|has 0 examples"):
        view(Mine(X[:0], Y[:0])).setup("fit")


@pytest.mark.parametrize("name", ["supervised", "maml", "estimator", "protonet"])
def test_the_fault_that_a_user_met_is_one_line(name):
    learner = tlml.learner(name)
    with fails("task mine: labels are 1 to 3; the space is Discrete(3): number them 0 to 2"):
        learner.view(Mine(X, Y + 1)).setup("fit")


def test_a_pool_of_arrays_is_told_so():
    class Arrays(Letters):
        def classes(self, split):
            return {name: own.numpy() for name, own in super().classes(split).items()}

    with fails("class 'source 0': x is a numpy array; give a tensor, torch.from_numpy(x)"):
        check_data(Arrays(), "source")

    class Wide(Letters):
        def classes(self, split):
            return {name: own.repeat(1, 2) for name, own in super().classes(split).items()}

    with pytest.raises(TlmlError, match=r"^class 'source 0': x is \[n, 4\], and the space"):
        check_data(Wide(), "source")


def test_a_split_without_tasks_is_named():
    class Empty(Tables):
        def tasks(self, split):
            return [] if split != "source" else super().tasks(split)

    with fails("Empty has no target tasks"):
        check_data(Empty(), "target")
    check_data(Empty(), "validation")  # then a part of the source validates
    with fails("Empty has no validation tasks"):
        Empty().draw("validation", keyed_rng(0, "validation", 0))
    with fails("Empty has no target tasks"):
        EpisodeView(Empty()).setup("test")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (lambda: (X, Y), "split('train') gives a tuple; give tlml.Examples(x, y)"),
        (lambda: None, "split('train') gives a NoneType; give tlml.Examples(x, y)"),
        (
            lambda: [(torch.zeros(2), 0), (torch.zeros(3), 0)],
            "the examples of split('train') can't be read as pairs of tensors (x, y) of equal "
            "shapes: RuntimeError: stack expects each tensor to be equal size, but got [2] at "
            "entry 0 and [3] at entry 1",
        ),
        (
            lambda: [("text", 0)],
            "the examples of split('train') can't be read as pairs of tensors (x, y) of equal "
            "shapes: TypeError: new(): invalid data type 'str'",
        ),
    ],
    ids=("tuple", "none", "unequal", "text"),
)
def test_a_part_that_is_no_data_set_is_named(given, text):
    class Odd(Mine):
        def split(self, part):
            return given()

    with fails(f"task mine: {text}"):
        check_data(Odd(X, Y), "source")


def test_a_sample_of_another_size_is_named():
    class Short(Lines):
        def draw(self, split, rng):
            line = super().draw(split, rng)
            return Few(line.name, line.slope)

    class Few(type(Lines().draw("source", keyed_rng(0, "source", 0)))):
        def sample(self, n, rng):
            batch = super().sample(n, rng)
            return Batch(batch.x[1:], batch.y[1:])

    with pytest.raises(TlmlError, match=r"^task slope .*: sample\(20, rng\) gives 19 examples$"):
        EpisodeView(Short()).setup("fit")


def test_the_cost_is_linear_and_no_example_is_read_twice():
    read = []

    class Counted(Mine):
        def split(self, part):
            read.append(part)
            return super().split(part)

    check_data(Counted(X, Y), "source")
    assert read == ["train", "val", "test"]


class EmptyTarget(Tables):
    """A family whose target holds nothing in some parts."""

    def __init__(self, empty):
        super().__init__(3, test=9)
        self.empty = empty

    def tasks(self, split):
        found = super().tasks(split)
        return [Hollow(task, self.empty) for task in found] if split == "target" else found


class Hollow:
    def __init__(self, task, empty):
        self.task, self.empty, self.name = task, empty, task.name

    def split(self, part):
        whole = self.task.split(part)
        return Examples(whole.x[:0], whole.y[:0]) if part in self.empty else whole


@pytest.mark.parametrize("empty", [("train", "val", "test"), ("train",)])
@pytest.mark.parametrize("options", [{"shots": 1}, {"unlabelled": True}])
def test_an_empty_target_is_named_before_training(empty, options):
    text = r"^(the target tasks of EmptyTarget hold no examples|task target \d: .*)$"
    with pytest.raises(TlmlError, match=text):
        PairView(EmptyTarget(empty), **options).setup("fit")
    with pytest.raises(TlmlError, match=text):
        EpisodeView(EmptyTarget(empty), shots=1).setup("test")
