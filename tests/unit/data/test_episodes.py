from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from drawn import seeds, splits
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines, Table, Tables, keys

from tlml.data import (
    draw_episode,
    draw_task,
    keyed_rng,
)
from tlml.data.episodes import draw

small = st.integers(1, 5)


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


def test_labels_of_a_pool_are_drawn_anew_in_each_episode():
    tasks = [draw_task(Letters(), "source", keyed_rng(0, "source", i), 5) for i in range(20)]
    assert len({task.classes for task in tasks}) == 20
    assert {task.classes[0] for task in tasks} == set(Letters().classes("source"))


def test_a_pool_gives_five_ways_where_nothing_is_said():
    assert len(draw_task(Letters(), "target", keyed_rng(0, "target", 0), None).classes) == 5


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


@given(seeds, splits, small, small)
def test_one_sample_is_divided(seed, split, shots, queries):
    rng = keyed_rng(seed, split, 0)
    line = draw_task(Lines(), split, rng, None)
    support, query = draw_episode(line, shots, queries, rng)
    assert (len(support.x), len(query.x)) == (shots, queries)
    assert not set(keys(support.x)) & set(keys(query.x))
    torch.testing.assert_close(query.y, line.slope * query.x)


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
