"""The board: what may begin, and what can't any more."""

from __future__ import annotations

from bare_cells import adapt, fit
from hypothesis import given
from hypothesis import strategies as st

from tlml.suites.cells import Cell
from tlml.suites.execution.board import ENDED, Board, State


def board(*done: str) -> Board:
    return Board([fit("choice"), fit("f", "choice"), fit("g"), adapt("a", "f"), adapt("b", "g"),
                  adapt("c", "f", "g"), adapt("alone")], done)  # fmt: skip


def test_what_most_others_wait_for_comes_first() -> None:
    assert board().of(State.READY) == ["choice", "g", "alone"]
    assert Board([adapt("a"), fit("f"), adapt("b", "f")], ()).of(State.READY) == ["f", "a"]


def test_each_begins_as_soon_as_what_it_starts_from_is_there() -> None:
    made = board("choice")
    made.begin("f")
    made.finish("f")
    assert made.of(State.READY) == ["g", "a", "alone"]
    made.finish("g")
    assert made.of(State.READY) == ["a", "b", "c", "alone"]


def test_what_the_plan_does_not_hold_is_not_waited_for() -> None:
    assert Board([adapt("a", "f")], ()).of(State.READY) == ["a"]


def test_a_failure_blocks_what_starts_from_it_and_nothing_else() -> None:
    made = board()
    made.begin("choice")
    assert made.fail("choice") == ["f", "a", "c"]
    for id in made.of(State.READY):
        made.finish(id)
    assert made.of(State.READY) == ["b"]
    made.finish("b")
    assert made.is_over()


def test_a_fit_that_is_done_once_more_is_waited_for() -> None:
    made = board("choice", "f", "g", "b")
    assert made.of(State.READY) == ["a", "c", "alone"]
    made.again("f")
    assert made.of(State.READY) == ["f", "alone"]
    assert made.of(State.DONE) == ["choice", "g", "b"]


def test_what_comes_back_after_its_fit_has_failed_is_blocked() -> None:
    made = board("choice", "f", "g")
    made.begin("c")
    made.again("f")
    assert made.fail("f") == ["a"]
    assert made.again("c") == ["c"]
    assert made.states["c"] is State.BLOCKED


def test_nothing_is_over_that_others_do() -> None:
    made = Board([adapt("a")], ())
    made.begin("a")
    assert not made.is_over()
    made.leave("a")
    assert made.of(State.ELSEWHERE) == ["a"] and not made.is_over()
    made.finish("a")
    assert made.is_over()


@given(st.data())
def test_any_order_of_ends_leads_to_an_end(data: st.DataObject) -> None:
    cells: list[Cell] = []
    for number in range(data.draw(st.integers(1, 8))):
        before = st.sets(st.integers(0, number - 1)) if number else st.just(set())
        cells.append(adapt(str(number), *map(str, data.draw(before))))
    made = Board(cells, ())
    while not made.is_over():
        id = data.draw(st.sampled_from(made.of(State.READY)))
        for one in made.cells[id].waits_for:
            assert made.states[one] is State.DONE
        if data.draw(st.booleans()):
            made.finish(id)
        else:
            for blocked in made.fail(id):
                assert made.states[blocked] is State.BLOCKED


@given(st.data())
def test_what_is_counted_is_what_a_look_at_all_cells_finds(data: st.DataObject) -> None:
    cells = [fit("f"), *(adapt(str(n), *(["f"] if n % 2 else [])) for n in range(6))]
    made = Board(cells, data.draw(st.sets(st.sampled_from([cell.id for cell in cells]))))
    for _ in range(data.draw(st.integers(0, 15))):
        id = data.draw(st.sampled_from(sorted(made.cells)))
        ended = made.states[id] in ENDED  # only `again` takes back what has ended
        ways = [made.again] if ended else [made.begin, made.leave, made.finish, made.again]
        data.draw(st.sampled_from(ways))(id)
        number = data.draw(st.integers(-1, 4))
        for state in State:
            right = [one for one in made._order if made.states[one] is state]
            assert made.of(state) == right
            assert made.first(state, number) == right[: max(number, 0)] or state in ENDED
        assert made.is_over() == all(state in ENDED for state in made.states.values())
