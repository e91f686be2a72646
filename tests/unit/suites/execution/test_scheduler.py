"""The scheduler, with executors and folders that behave as badly as they can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bare_cells import adapt, fit
from hypothesis import given, settings
from hypothesis import strategies as st

from tlml.suites.cells import Cell
from tlml.suites.execution.board import Board
from tlml.suites.execution.claims import Held
from tlml.suites.execution.scheduler import POLL, Scheduler, Seen, World
from tlml.suites.execution.silence import LEASE
from tlml.suites.executors.base import Job, Outcome

CELLS: list[Cell] = [fit("f"), fit("g"), adapt("a", "f"), adapt("b", "g"), adapt("c", "f", "g")]
Answer = Callable[["Stage", str], Outcome | None]  # None: it does not end yet


def done(stage: Stage, id: str) -> Outcome:
    stage.published.add(id)
    return Outcome("done")


def held(by: str, beat: int = 0, gone: bool = False) -> Held:
    return Held(by, beat, gone)


class Stage:
    """An executor and a folder; what is not told otherwise is done at once."""

    def __init__(
        self, cells: Sequence[Cell] = CELLS, slots: int = 2, **answers: Sequence[Answer]
    ) -> None:
        self.cells, self.slots = cells, slots
        self.answers = {id: list(given) for id, given in answers.items()}
        self.published: set[str] = set()
        self.claims: dict[str, Held] = {}
        self.notes: dict[str, str] = {}
        self.begun: list[str] = []
        self.steals: list[tuple[str, str]] = []
        self.jobs: list[Job] = []
        self.now, self.ended = 0.0, 0
        self.later: list[tuple[float, Callable[[], Any]]] = []

    def run(self, done: Iterable[str] = ()) -> dict[str, str]:
        self.published |= {*done}
        world = World(
            self._job, self._look, self.notes.__setitem__, self._count, lambda: self.now, self._pass
        )
        return Scheduler(Board(self.cells, {*done}), self, world).run()

    def submit(self, job: Job) -> None:
        self.begun.append(job.id)
        before = next(cell for cell in self.cells if cell.id == job.id).waits_for
        assert self.published.issuperset(before)
        self.jobs.append(job)

    def wait(self, timeout: float) -> Iterable[tuple[Job, Outcome]]:
        self._pass(timeout)
        for job in [*self.jobs]:
            given = self.answers.get(job.id)
            outcome = (given.pop(0) if given else done)(self, job.id)
            if outcome is not None:
                self.jobs.remove(job)
                yield job, outcome

    def close(self) -> None: ...

    def _job(self, id: str, steal: str | None) -> Job:
        if steal:
            self.steals.append((id, steal))
            self.claims.pop(id, None)
        return Job(id, lambda: Outcome("done"))

    def _look(self, id: str) -> Seen:
        return Seen(id in self.published, self.claims.get(id), self.notes.get(id))

    def _count(self) -> None:
        self.ended += 1

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 10_000, "this does not end"
        for when, act in [one for one in self.later if one[0] <= self.now]:
            self.later.remove((when, act))
            act()


def ends(*ending: Any, **about: Any) -> Answer:
    return lambda stage, id: Outcome(*ending, **about)


def never(stage: Stage, id: str) -> None:
    return None


def busy_with(claim: Held) -> Answer:
    def answer(stage: Stage, id: str) -> Outcome:
        stage.claims[id] = claim
        return Outcome("busy")

    return answer


def test_adaptations_begin_before_all_fits_have_ended() -> None:
    stage = Stage(g=[never, never, never])
    assert stage.run() == {}
    assert stage.begun.index("a") < stage.begun.index("b")
    assert stage.begun == ["f", "g", "a", "b", "c"]
    assert stage.ended == 5


def test_no_more_than_there_are_slots_run_at_once() -> None:
    stage = Stage([adapt(str(number)) for number in range(9)], slots=3)
    most = 0
    submit = stage.submit

    def counted(job: Job) -> None:
        nonlocal most
        submit(job)
        most = max(most, len(stage.jobs))

    stage.submit = counted  # type: ignore[method-assign]
    assert stage.run() == {}
    assert most == 3


def test_what_is_done_is_not_begun() -> None:
    stage = Stage()
    assert stage.run(["f", "g", "a"]) == {}
    assert stage.begun == ["b", "c"]


def test_a_failure_is_final_and_fails_what_starts_from_it() -> None:
    stage = Stage(f=[ends("failed", "it diverged")])
    assert stage.run() == {
        "f": "it diverged",
        "a": "the fit that it starts from failed",
        "c": "the fit that it starts from failed",
    }
    assert stage.begun == ["f", "g", "b"]
    assert stage.notes == dict.fromkeys(("a", "c"), "the fit that it starts from failed")
    assert stage.ended == 5


def test_a_choice_that_failed_is_named_so() -> None:
    choice = replace(fit("choice", "g"), config={"kind": "choose"})
    cells = [fit("g"), choice, fit("f", "choice", "g"), adapt("a", "f")]
    stage = Stage(cells, choice=[ends("failed", "no")])
    found = stage.run()
    assert found["f"] == "the choice of its options failed"
    assert found["a"] == "the fit that it starts from failed"


def test_a_fit_that_another_starts_from_is_named_so() -> None:
    choice = replace(fit("choice", "g"), config={"kind": "choose"})
    stage = Stage([fit("g"), choice, fit("f", "choice", "g")], g=[ends("failed", "no")])
    assert stage.run()["choice"] == "the fit that it starts from failed"


def test_a_worker_may_die_twice() -> None:
    stage = Stage(f=[ends("gone", "killed by SIGKILL")] * 2)
    assert stage.run() == {}
    assert stage.begun.count("f") == 3


def test_a_cell_that_kills_its_worker_three_times_fails() -> None:
    stage = Stage([adapt("a"), adapt("b")], a=[ends("gone", "killed by SIGKILL")] * 3)
    reason = (
        "its worker was killed 3 times (killed by SIGKILL), perhaps out of memory; fewer --jobs"
    )
    assert stage.run() == {"a": reason} == stage.notes
    stage = Stage([adapt("a")], a=[ends("gone", "ended with exit status 1")] * 3)
    assert stage.run() == {"a": "its worker ended 3 times (ended with exit status 1)"}


def test_what_another_does_is_waited_for() -> None:
    stage = Stage(f=[busy_with(held("other"))])
    stage.later.append((5.0, lambda: (stage.published.add("f"), stage.claims.clear())))
    assert stage.run() == {}
    assert stage.begun.count("f") == 1
    assert stage.now >= 5


def test_what_another_gave_up_is_done_here() -> None:
    stage = Stage(f=[busy_with(held("other"))])
    stage.later.append((5.0, stage.claims.clear))
    assert stage.run() == {}
    assert stage.begun.count("f") == 2 and stage.steals == []


def test_who_is_certainly_dead_is_followed_at_once() -> None:
    stage = Stage(f=[busy_with(held("other", gone=True))])
    assert stage.run() == {}
    assert stage.begun.count("f") == 2 and stage.now < LEASE / 2


def test_who_is_silent_for_the_lease_is_robbed() -> None:
    stage = Stage(f=[busy_with(held("other"))])
    assert stage.run() == {}
    assert stage.steals == [("f", "other")]
    assert LEASE <= stage.now < LEASE + 5


def test_who_shows_life_is_not() -> None:
    stage = Stage([adapt("a")], a=[busy_with(held("other"))])
    for number in range(1, 20):
        beat = held("other", number)
        stage.later.append((10.0 * number, lambda beat=beat: stage.claims.update(a=beat)))
    stage.later.append((200.0, lambda: stage.published.add("a")))
    assert stage.run() == {}
    assert stage.steals == []


def test_the_failure_of_another_counts() -> None:
    stage = Stage(f=[busy_with(held("other"))])
    stage.later.append((3.0, lambda: (stage.notes.update(f="it diverged"), stage.claims.clear())))
    assert stage.run()["f"] == "it diverged"
    assert stage.begun.count("f") == 1


def test_a_worker_of_ours_that_is_silent_is_given_up() -> None:
    stage = Stage([adapt("a")], slots=1, a=[never] * round(LEASE / POLL + 2))
    stage.claims["a"] = held("ours")
    assert stage.run() == {}
    assert stage.steals == [("a", "ours")]
    assert stage.begun == ["a", "a"]


def test_a_job_that_was_given_up_may_end_as_it_likes() -> None:
    stage = Stage([adapt("a"), fit("f")], slots=1, a=[never] * 200)
    stage.claims["a"] = held("ours")
    stage.answers["f"] = [never] * 3
    late: list[Answer] = [ends("lost"), done]
    stage.later.append((LEASE + 3, lambda: stage.answers.update(a=late)))
    assert stage.run() == {}
    assert stage.published == {"a", "f"}


def test_what_was_taken_away_is_looked_for() -> None:
    stage = Stage(f=[ends("lost")])
    stage.later.append((0.5, lambda: stage.published.add("f")))
    assert stage.run() == {}
    assert stage.begun.count("f") == 1
    stage = Stage(f=[ends("lost")] * 50)
    assert stage.run()["f"] == "its folder was taken away 20 times"


def test_a_damaged_fit_is_made_anew_and_waited_for() -> None:
    def found(stage: Stage, id: str) -> Outcome:
        stage.published.discard("f")
        return Outcome("damaged", ids=("f",))

    stage = Stage(a=[found])
    assert stage.run(["f", "g"]) == {}
    assert stage.begun.count("f") == 1 and stage.begun.count("a") == 2
    assert stage.published == {"f", "g", "a", "b", "c"}


def test_several_who_find_the_same_damage_count_once() -> None:
    def found(stage: Stage, id: str) -> Outcome:
        stage.published.discard("f")
        return Outcome("damaged", ids=("f",))

    cells = [fit("f"), *(adapt(name, "f") for name in "abcd")]
    stage = Stage(cells, slots=4, **{name: [found] for name in "abcd"})
    assert stage.run(["f"]) == {}
    assert stage.begun.count("f") == 1


def test_a_fit_that_is_damaged_again_and_again_fails() -> None:
    def found(stage: Stage, id: str) -> Outcome:
        return Outcome("damaged", ids=("f",))

    stage = Stage([fit("f"), adapt("a", "f")], a=[found] * 9)
    assert stage.run() == {
        "f": "what it left was damaged 3 times",
        "a": "the fit that it starts from failed",
    }


def test_a_fit_that_is_in_no_plan_is_named() -> None:
    stage = Stage([adapt("a")], a=[ends("damaged", ids=("f",))])
    assert stage.run() == {"a": "f, which it starts from, is not there"}


WHATEVER = ("done", "never", "gone", "busy", "dead", "silent", "lost", "damaged", "failed")


@settings(deadline=None, max_examples=300)
@given(st.data(), st.integers(1, 3))
def test_whatever_happens_every_cell_ends_and_what_counts_as_done_is_there(
    data: st.DataObject, slots: int
) -> None:
    def answer(stage: Stage, id: str) -> Outcome | None:
        what = data.draw(st.sampled_from(WHATEVER))
        if what in ("busy", "dead", "silent"):
            stage.claims[id] = held(f"other {stage.now}", gone=what == "dead")
            if what == "busy":
                stage.later.append((stage.now + 7, lambda: stage.claims.pop(id, None)))
            return Outcome("busy")
        if what == "damaged":
            before = next(cell for cell in CELLS if cell.id == id).waits_for
            stage.published.difference_update(before)
            return Outcome("damaged", ids=tuple(before))
        if what in ("done", "never"):
            return done(stage, id) if what == "done" else None
        return Outcome(what, "as it happens")  # type: ignore[arg-type]

    class Tolerant(Stage):
        def submit(self, job: Job) -> None:  # what was damaged meanwhile is found by the job
            self.begun.append(job.id)
            self.jobs.append(job)

    plan = {cell.id: [answer] * data.draw(st.integers(0, 6)) for cell in CELLS}
    stage = Tolerant(slots=slots, **plan)
    failures = stage.run()
    assert {cell.id for cell in CELLS} - stage.published <= failures.keys() | _unsettled(stage)
    for id in failures.keys() & {"a", "b", "c"}:
        assert failures[id]


def _unsettled(stage: Stage) -> set[str]:
    """Return fits that were damaged after their last use, which the next run finds."""
    return {"f", "g"} - stage.published
