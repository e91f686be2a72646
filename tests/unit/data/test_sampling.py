"""Draws by keys: the same on any number of processes, resumed anywhere."""

from __future__ import annotations

import torch
from drawn import seeds, splits
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails

from tlml.data import (
    KeyedSampler,
    keyed_rng,
)
from tlml.data.sampling import even_chunk, even_chunks


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
