"""Episodes by seed, split and index."""

from __future__ import annotations

import pickle
import re
import resource
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines, Table, Tables, keys
from views import few, same, seeds

import tlml
from tlml import EpisodeView
from tlml.data import draw_episode, draw_task, keyed_rng
from tlml.errors import TlmlError
from tlml.views import ViewSpaces


def examples_of(episode) -> list[tuple[float, ...]]:
    return keys(episode.support.x) + keys(episode.query.x)


@few
@given(seeds, st.sampled_from(["source", "validation", "target"]), st.integers(0, 2**40))
def test_an_episode_is_a_function_of_seed_split_and_index(seed, split, index):
    options = {"ways": 3, "shots": 2, "queries": 2}
    one, again = (EpisodeView(Letters(), **options, seed=seed).dataset(split) for _ in range(2))
    other = EpisodeView(Letters(), **options, seed=seed + 1).dataset(split)
    assert same(one[index], again[index])
    assert not same(one[index], one[index + 1])
    assert not same(one[index], other[index])
    rng = keyed_rng(seed, split, index)
    assert same(one[index], draw_episode(draw_task(Letters(), split, rng, 3), 2, 2, rng, 3))


@few
@given(seeds)
def test_the_three_loaders_share_no_example_and_no_query_is_in_a_support(seed):
    view = EpisodeView(Letters(), ways=3, shots=2, queries=2, episodes=6, seed=seed)
    found = []
    for loader in (view.train_dataloader(), view.val_dataloader(), view.test_dataloader()):
        seen = set()
        for batch in loader:
            for support, query in zip(batch.support.x, batch.query.x, strict=True):
                assert not set(keys(support)) & set(keys(query))
            seen |= set(examples_of(batch))
        found.append(seen)
    assert not (found[0] & found[1] or found[1] & found[2] or found[0] & found[2])


def test_workers_and_epochs_give_the_same_episodes():
    def epochs(workers: int) -> list:
        view = EpisodeView(
            Letters(), ways=2, shots=1, queries=1, episodes=6, tasks_per_batch=2,
            num_workers=workers,
        )  # fmt: skip
        loader, found = view.train_dataloader(), []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            found += list(loader)
        return found

    alone, with_workers = epochs(0), epochs(2)
    assert len(alone) == 6
    assert same(alone, with_workers)
    assert not same(alone[:3], alone[3:])


def test_training_episodes_are_fresh_and_evaluation_episodes_fixed():
    view = EpisodeView(Letters(), episodes=3, val_episodes=2, tasks_per_batch=2, shots=1, queries=1)
    for loader, fixed, sizes in (
        (view.train_dataloader(), False, [2, 1]),
        (view.val_dataloader(), True, [2]),
        (view.test_dataloader(), True, [2, 1]),
    ):
        first = list(loader)
        loader.sampler.set_epoch(1)
        assert [len(batch.support.x) for batch in first] == sizes
        assert same(first, list(loader)) is fixed


def test_a_batch_has_the_promised_shapes():
    view = EpisodeView(Letters(shape=(1, 4, 4)), ways=3, shots=2, queries=5, tasks_per_batch=4)
    batch = next(iter(view.train_dataloader()))
    assert batch.support.x.shape == (4, 6, 1, 4, 4)
    assert batch.support.y.shape == (4, 6)
    assert batch.query.x.shape == (4, 15, 1, 4, 4)
    assert batch.query.y.dtype == torch.int64


@pytest.mark.parametrize(
    ("domain", "ways", "expected"),
    [
        (Letters(), None, (5, "episode")),
        (Letters(), 3, (3, "episode")),
        (Tables(classes=4), None, (4, "domain")),
        (Tables(classes=4), 4, (4, "domain")),
        (Tables(classes=4), 2, (2, "episode")),
    ],
)
def test_episodes_have_spaces_of_their_own(domain, ways, expected):
    view = EpisodeView(domain, ways=ways)
    for spaces in (view.spaces, view.test_spaces):
        assert (spaces.y, spaces.labels) == (Discrete(expected[0]), expected[1])
        assert spaces.x == domain.x


def test_values_keep_the_domains_spaces():
    assert EpisodeView(Lines()).spaces == ViewSpaces(Lines().x, Lines().y, "domain")


@pytest.mark.parametrize(
    ("domain", "ways", "message"),
    [
        (Tables(classes=3), 4, "ways=4, but Tables has only 3 classes"),
        (Lines(), 2, "ways: Lines has no classes but values to predict; leave ways out"),
    ],
)
def test_ways_that_a_domain_hasnt_are_refused_at_once(domain, ways, message):
    with fails(message):
        EpisodeView(domain, ways=ways)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells what is resident")
def test_thousands_of_episodes_take_no_memory():
    view = EpisodeView(
        tlml.domain("sinusoid"), shots=1, queries=1, tasks_per_batch=50, episodes=1_000
    )
    loader, resident = view.train_dataloader(), []
    for _ in range(10):  # epochs
        assert sum(len(batch.support.x) for batch in loader) == 1_000
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * resource.getpagesize() / 2**20)
    assert resident[-1] - resident[0] < 1  # MiB: 116 bytes for each of 9,000 episodes


def begins(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}")


class Uneven(Tables):
    """Nine tasks, one of which has fewer examples."""

    def _table(self, split, number):
        made = super()._table(split, number)
        return replace(made, train=self.train // 2) if number == 4 else made


@pytest.mark.parametrize(
    "domain, options, message",
    [
        (Uneven(number=9), {}, "task target 4: 2 shots and 5 queries are more examples than it"),
        (Uneven(2, number=9), {"ways": 2, "queries": 4}, "task target 4: class 0 has 3 examples"),
        (Uneven(2, number=9, test=4), {"shots": 4, "queries": 2}, "task target 4: class 0 has 3"),
    ],
)
def test_each_task_that_is_met_in_turn_must_have_enough(domain, options, message):
    view = EpisodeView(domain, **{"shots": 2, "queries": 5, "episodes": 9} | options)
    with begins(message):
        view.setup("test")
    met = next(number for number in range(9) if view.turn(number).place == 4)
    data = view.dataset("target")
    with begins(message):
        data[met]
    with begins(message):
        replace(data, first=met).check(1)
    data.check(met)
    replace(data, first=met + 1).check(8 - met)


def test_a_view_looks_at_the_names_of_its_tasks_once():
    seen: list[str] = []

    class Named(Table):
        def __getattribute__(self, name):
            seen.extend(["name"] if name == "name" else [])
            return super().__getattribute__(name)

    class Watched(Tables):
        def _table(self, split, number):
            made = super()._table(split, number)
            return Named(*(getattr(made, field.name) for field in fields(made)))

    view = EpisodeView(Watched(number=30), shots=2, queries=2)
    for number in range(60):
        view.turn(number)
    assert len(seen) == 30


class Kept(Tables):
    """Tables that are the same objects whenever they are asked for, and count how often read."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.read: list[str] = []
        read = self.read

        class Watched(Table):
            def split(self, part):
                read.append(part)
                return super().split(part)

        made = {split: super(Kept, self).tasks(split) for split in ("source", "target")}
        self.made = {
            split: [Watched(*(getattr(one, field.name) for field in fields(one))) for one in own]
            for split, own in made.items()
        }

    def tasks(self, split):
        return self.made.get(split, [])


@given(seeds, st.sampled_from([0, 3]), st.sampled_from([0, 9]), st.integers(0, 30))
def test_data_sets_that_stay_are_looked_at_once_and_give_the_same_draws(
    seed, classes, tested, index
):
    options = {"classes": classes, "test": tested, "train": 18, "number": 6}
    kept, anew = Kept(**options), Tables(**options)
    views = [EpisodeView(each, shots=2, queries=2, seed=seed) for each in (kept, anew)]
    for split in ("source", "target"):
        one, other = (view.dataset(split) for view in views)
        for number in (index, 0, index):
            assert same(one[number], other[number])
    for number in range(20):
        one[number]
    assert len(kept.read) <= 2 * 2 * 6  # two parts of each task of two splits


def test_what_was_looked_at_is_not_sent_to_other_processes():
    data = EpisodeView(Kept(number=2, train=500), shots=2, queries=2).dataset("target")
    fresh = data.numbered.__getstate__()
    data[0]
    assert "_known" in vars(data.numbered) and data.numbered.__getstate__() == fresh
    whole = EpisodeView(Tables(number=2), shots=2, queries=2).dataset("target")
    whole[0]
    assert same(pickle.loads(pickle.dumps(whole))[1], whole[1])


@given(st.integers(0, 3), st.sampled_from(["x", "y"]), st.sampled_from([np.nan, np.inf]))
def test_a_batch_names_the_task_that_is_not_finite(place, where, bad):
    class Broken(Tables):
        def tasks(self, split):
            made = super().tasks(split)
            getattr(made[place], where)[:] = bad
            return made

    view = EpisodeView(Broken(number=4), shots=2, queries=2, tasks_per_batch=4, episodes=4)
    loader = view.test_dataloader()
    with pytest.raises(TlmlError, match=rf"^task target {place}: {where} of 2 of 2 examples is"):
        next(iter(loader))


def test_large_numbers_whose_sum_is_not_finite_are_no_fault():
    class Large(Tables):
        def tasks(self, split):
            made = super().tasks(split)
            for one in made:
                one.x[:] = torch.finfo(torch.float32).max
            return made

    view = EpisodeView(Large(number=4), shots=2, queries=2, tasks_per_batch=2, episodes=4)
    assert len(list(view.test_dataloader())) == 2
