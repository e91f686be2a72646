from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Letters, Lines, Table, Tables, keys

from tlml import Batch, Examples, TlmlError
from tlml.data import (
    SPLITS,
    KeyedSampler,
    check_data,
    check_finite,
    draw_episode,
    draw_task,
    keyed_rng,
)
from tlml.data.episodes import draw
from tlml.data.sampling import even_chunk, even_chunks

splits = st.sampled_from(SPLITS)
seeds = st.integers(0, 2**40)
small = st.integers(1, 5)


def fails(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")


# Keys


@given(seeds, splits, st.integers(0, 2**40))
def test_a_key_always_gives_the_same_draws(seed, split, index):
    first, again = keyed_rng(seed, split, index), keyed_rng(seed, split, index)
    assert first.integers(2**62, size=4).tolist() == again.integers(2**62, size=4).tolist()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            splits,
            st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple),
        ),
        min_size=2,
        unique=True,
    )
)
def test_different_keys_give_different_draws(some):
    # Also keys of different lengths: (0,) and (0, 0) are two.
    drawn = {int(keyed_rng(seed, split, *index).integers(2**62)) for seed, split, index in some}
    assert len(drawn) == len(some)


def test_an_unknown_split_has_no_key():
    with fails("no split is called 'targt'; did you mean target?"):
        keyed_rng(0, "targt", 1)


# The sampler


@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 4), st.booleans())
def test_the_ranks_together_see_what_one_process_sees(world, each, epoch, fixed):
    number = world * each
    alone = KeyedSampler(number, fixed=fixed)
    parts = [KeyedSampler(number, fixed=fixed, rank=r, world=world) for r in range(world)]
    for sampler in (alone, *parts):
        sampler.set_epoch(epoch)
    seen = [index for part in parts for index in part]
    assert sorted(seen) == list(alone)
    assert len(set(seen)) == len(seen) == number
    assert {len(list(part)) for part in parts} == {len(part) for part in parts} == {each}


@given(st.integers(1, 4), st.integers(1, 30))
def test_a_global_batch_of_the_ranks_is_a_batch_of_one_process(world, each):
    number = world * each
    parts = [list(KeyedSampler(number, rank=r, world=world)) for r in range(world)]
    interleaved = [index for group in zip(*parts, strict=True) for index in group]
    assert interleaved == list(KeyedSampler(number))


@given(st.integers(1, 20), st.integers(1, 3), st.integers(2, 6))
def test_epochs_never_repeat_an_index_unless_they_are_fixed(each, world, epochs):
    number = each * world
    sampler, fixed = (KeyedSampler(number, fixed=f, rank=0, world=world) for f in (False, True))
    seen = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        fixed.set_epoch(epoch)
        seen += list(sampler)
        assert list(fixed) == list(range(0, number, world))
    assert len(set(seen)) == len(seen) == each * epochs
    assert max(seen) < number * epochs


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3), st.data())
def test_a_position_goes_on_where_the_epoch_stopped(batches, per_batch, world, data):
    number = batches * per_batch * world
    epoch = data.draw(st.integers(0, 3))
    used = data.draw(st.integers(0, batches))
    rank = data.draw(st.integers(0, world - 1))
    place = {"rank": rank, "world": world, "per_batch": per_batch}
    whole = KeyedSampler(number, **place, position=lambda: (epoch, 0))
    rest = KeyedSampler(number, **place, position=lambda: (epoch, used))
    assert list(rest) == list(whole)[used * per_batch :]


def test_a_loader_of_one_process_is_refused_where_there_are_two(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with fails(
        "this loader was made for one process, and there are 2, which would all see the same; pass "
        "the view itself to the Trainer: fit(learner, datamodule=view)"
    ):
        iter(KeyedSampler(4))
    assert list(KeyedSampler(4, rank=1, world=2)) == [1, 3]


@given(st.integers(1, 300), st.integers(1, 80), st.integers(1, 6))
def test_even_chunks_hold_everything_once_and_are_never_empty(total, size, world):
    chunks = even_chunks(total, size, world)
    parts = [range(total)[even_chunk(total, chunks, chunk)] for chunk in range(chunks)]
    assert [index for part in parts for index in part] == list(range(total))
    assert all(len(part) > 0 for part in parts)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    if total >= world:
        assert chunks % world == 0
    if world == 1:
        assert max(map(len, parts)) <= size


# Episodes of pools of classes


@given(seeds, splits, st.integers(2, 5), st.integers(1, 4), st.integers(1, 4))
def test_episodes_of_a_pool_have_k_of_each_class_and_share_no_example(
    seed, split, ways, shots, queries
):
    domain, rng = Letters(), keyed_rng(seed, split, 0)
    task = draw_task(domain, split, rng, ways)
    support, query = draw_episode(task, shots, queries, rng, ways)
    assert torch.bincount(support.y, minlength=ways).tolist() == [shots] * ways
    assert torch.bincount(query.y, minlength=ways).tolist() == [queries] * ways
    known = keys(support.x) + keys(query.x)
    assert len(set(known)) == len(known) == ways * (shots + queries)
    pool = domain.classes(split)
    for batch in (support, query):
        for x, y in zip(keys(batch.x), batch.y.tolist(), strict=True):
            assert x in set(keys(pool[task.classes[y]]))


@given(seeds, st.tuples(splits, splits).filter(lambda pair: pair[0] != pair[1]))
def test_splits_of_a_pool_share_no_class_and_no_sample(seed, pair):
    domain, found = Letters(), []
    for split in pair:
        rng = keyed_rng(seed, split, 0)
        task = draw_task(domain, split, rng, 5)
        episode = draw_episode(task, 2, 2, rng, 5)
        found.append((set(task.classes), {x for batch in episode for x in keys(batch.x)}))
    assert not found[0][0] & found[1][0]
    assert not found[0][1] & found[1][1]


def test_labels_of_a_pool_are_drawn_anew_in_each_episode():
    tasks = [draw_task(Letters(), "source", keyed_rng(0, "source", i), 5) for i in range(20)]
    assert len({task.classes for task in tasks}) == 20
    assert {task.classes[0] for task in tasks} == set(Letters().classes("source"))


def test_a_pool_gives_five_ways_where_nothing_is_said():
    assert len(draw_task(Letters(), "target", keyed_rng(0, "target", 0), None).classes) == 5


# Episodes of data sets


@given(seeds, st.integers(1, 2), st.integers(1, 2))
def test_classes_of_a_data_set_keep_their_labels(seed, shots, queries):
    task = Tables(classes=3).tasks("source")[0]
    support, query = draw_episode(task, shots, queries, keyed_rng(seed, "source", 0))
    label = dict(zip(keys(task.x), task.y.tolist(), strict=True))
    for batch, each in ((support, shots), (query, queries)):
        assert torch.bincount(batch.y).tolist() == [each] * 3
        assert [label[x] for x in keys(batch.x)] == batch.y.tolist()
    assert not set(keys(support.x)) & set(keys(query.x))


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_the_query_comes_from_the_test_part_where_there_is_one(seed, shots, queries):
    task = Tables(classes=2, train=8, test=6).tasks("source")[0]
    support, query = draw_episode(task, shots, queries, keyed_rng(seed, "source", 0))
    assert set(keys(support.x)) <= set(keys(task.x[:8]))
    assert set(keys(query.x)) <= set(keys(task.x[8:]))


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_values_are_drawn_from_the_whole_data_set(seed, shots, queries):
    task = Tables(train=12).tasks("source")[0]
    support, query = draw_episode(task, shots, queries, keyed_rng(seed, "source", 0))
    known = keys(support.x) + keys(query.x)
    assert (len(support.x), len(query.x)) == (shots, queries)
    assert len(set(known)) == len(known)
    assert set(known) <= set(keys(task.x))


@given(seeds)
def test_fewer_ways_than_classes_are_labelled_anew(seed):
    task = Tables(classes=4, train=24).tasks("source")[0]
    support, query = draw_episode(task, 2, 2, keyed_rng(seed, "source", 0), ways=2)
    label = dict(zip(keys(task.x), task.y.tolist(), strict=True))
    meaning = {}
    for batch in (support, query):
        for x, y in zip(keys(batch.x), batch.y.tolist(), strict=True):
            assert meaning.setdefault(y, label[x]) == label[x]
    assert sorted(meaning) == [0, 1]
    assert len(set(meaning.values())) == 2


def test_a_task_with_just_so_many_of_the_domains_classes_is_labelled_anew_too():
    table = Tables(classes=2).tasks("source")[0]
    task = replace(table, y=torch.tensor([3, 7])[table.y])
    support, query = draw_episode(task, 1, 2, keyed_rng(0, "source", 0), ways=2)
    assert sorted(support.y.tolist()) == [0, 1]
    assert sorted(query.y.tolist()) == [0, 0, 1, 1]


def test_all_classes_of_the_domain_keep_their_labels():
    task = Tables(classes=3).tasks("source")[0]
    wide, all_ = (
        draw_episode(task, 1, 1, keyed_rng(0, "source", 0), ways=ways) for ways in (3, None)
    )
    assert torch.equal(wide.support.x, all_.support.x)
    assert wide.support.y.tolist() == all_.support.y.tolist() == [0, 1, 2]


@given(seeds, st.integers(1, 2))
def test_a_draw_remembers_where_its_query_is(seed, queries):
    for part, task in (
        ("train", Tables(classes=3).tasks("source")[0]),
        ("test", Tables(classes=3, test=9).tasks("source")[0]),
        ("train", Tables().tasks("source")[0]),
        ("test", Tables(test=4).tasks("source")[0]),
    ):
        drawn = draw(task, 1, queries, keyed_rng(seed, "source", 1))
        assert drawn.query_part == part
        assert torch.equal(task.split(part).x[drawn.query_index], drawn.episode.query.x)


# Episodes of what is sampled without end


@given(seeds, splits, small, small)
def test_one_sample_is_divided(seed, split, shots, queries):
    rng = keyed_rng(seed, split, 0)
    line = draw_task(Lines(), split, rng, None)
    support, query = draw_episode(line, shots, queries, rng)
    assert (len(support.x), len(query.x)) == (shots, queries)
    assert not set(keys(support.x)) & set(keys(query.x))
    torch.testing.assert_close(query.y, line.slope * query.x)


# Errors


def test_a_class_with_too_few_samples_is_named():
    domain = Letters({"source": [3, 3, 3], "validation": [], "target": []})
    task = domain.draw("source", keyed_rng(0, "source", 0), ways=2)
    with fails(
        f"task {task.name}: class '{task.classes[0]}' has 3 examples; 2 shots and 2 queries are "
        "more"
    ):
        draw_episode(task, 2, 2, keyed_rng(0, "source", 0), 2)


def test_a_class_with_too_few_examples_to_train_or_test_on_is_named():
    task = Tables(classes=2, train=8, test=2).tasks("target")[0]
    with fails(
        "task target 0: class 0 has 4 examples to train on, 1 to test on; 2 shots and 3 queries "
        "are more"
    ):
        draw_episode(task, 2, 3, keyed_rng(0, "target", 0))


@dataclass(frozen=True)
class Counted(Table):
    """A task that has something of its own by the name of classes."""

    classes: bool = True


def test_what_a_task_calls_classes_itself_names_none():
    table = Tables(classes=2, train=8, test=2).tasks("target")[0]
    task = Counted(table.name, table.x, table.y, table.train, table.test)
    with fails(
        "task target 0: class 0 has 4 examples to train on, 1 to test on; 2 shots and 3 queries "
        "are more"
    ):
        draw_episode(task, 2, 3, keyed_rng(0, "target", 0))


def test_a_data_set_with_too_few_examples_is_named():
    with fails("task source 0: 9 shots and 9 queries are more examples than it has: 12"):
        draw_episode(Tables().tasks("source")[0], 9, 9, keyed_rng(0, "source", 0))
    task = Tables(test=4).tasks("source")[0]
    with fails(
        "task source 0: 9 shots and 9 queries are more examples than it has: 12 to train on, 4 to "
        "test on"
    ):
        draw_episode(task, 9, 9, keyed_rng(0, "source", 0))


@pytest.mark.parametrize("ways", [1, 7, 100])
def test_more_ways_than_classes_say_how_many_there_are(ways):
    with fails(
        f"ways: {ways} does not fit the source classes of Letters: there are 6, and at least 2 are "
        "needed"
    ):
        draw_task(Letters(), "source", keyed_rng(0, "source", 0), ways)


def test_more_ways_than_a_task_has_say_how_many_it_has():
    task = Tables(classes=3).tasks("source")[0]
    with fails("ways: 4 does not fit task source 0: it has 3 classes, and at least 2 are needed"):
        draw_episode(task, 1, 1, keyed_rng(0, "source", 0), ways=4)


def test_a_task_that_can_be_neither_sampled_nor_divided_is_named():
    class Silent:
        name = "silent"

    with fails(
        "task silent: an episode needs sample() or split(), and it has neither (environments are "
        "seen through EnvView)"
    ):
        draw_episode(Silent(), 1, 1, keyed_rng(0, "source", 0))


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


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3))
def test_examples_read_item_by_item_give_the_same_episode(shots, queries):
    class Slow(torch.utils.data.Dataset):
        def __init__(self, held):
            self.held = held

        def __len__(self):
            return len(self.held)

        def __getitem__(self, index):
            return Batch(self.held.x[index], self.held.y[index])

    class Slowly(Table):
        def split(self, part):
            return Slow(Table.split(self, part))

    table = Tables().tasks("source")[0]
    slow = Slowly(table.name, table.x, table.y, table.train)
    assert not isinstance(slow.split("train"), Examples)
    first, second = (
        draw_episode(task, shots, queries, keyed_rng(3, "source", 0)) for task in (table, slow)
    )
    assert torch.equal(first.support.x, second.support.x)
    assert torch.equal(first.query.y, second.query.y)
