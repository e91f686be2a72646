from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tlml.learners.keyed_draws import keyed_draws

CPU = torch.device("cpu")
keys = st.lists(st.integers(0, 2**40), min_size=1, max_size=4).map(tuple)


def drawn(key: tuple[int, ...]) -> list[float]:
    with keyed_draws(key, CPU):
        values: list[float] = torch.rand(4).tolist()
    return values


@given(keys, st.integers(0, 2**32))
def test_draws_are_a_function_of_the_key_and_leave_the_generator_as_it_was(key, past):
    torch.manual_seed(past)
    before = torch.get_rng_state()
    first = drawn(key)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(past + 1)
    assert drawn(key) == first


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=2, max_size=20, unique=True))
def test_different_keys_draw_differently(some):
    assert len({tuple(drawn(key)) for key in some}) == len(some)


def test_the_generator_is_restored_after_an_error_and_contexts_nest():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    try:
        with keyed_draws((1,), CPU):
            with keyed_draws((2,), CPU):
                torch.rand(1)
            assert torch.rand(4).tolist() == drawn((1,))
            raise ValueError
    except ValueError:
        pass
    assert torch.equal(torch.get_rng_state(), before)
