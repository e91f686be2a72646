"""Episodes in suites: shots of domains and of methods."""

from __future__ import annotations

from planned import example
from suite_stubs import stub_registry

from tlml.suites import Suite
from tlml.suites.protocols.episodes import EpisodesKeys, EpisodesProtocol
from tlml.suites.sources import Sources

PROTOCOL = EpisodesProtocol()


def problems(**methods: object) -> list[tuple[tuple[object, ...], str]]:
    suite = Suite.model_validate(example(methods={**example()["methods"], **methods}))
    keys = {"waves": EpisodesKeys(shots=[5, 10]), "letters14": EpisodesKeys(shots=[1])}
    found = PROTOCOL.problems(suite, keys, Sources(stub_registry()))
    return [(tuple(problem.where), problem.message) for problem in found]


def test_a_method_may_take_some_of_the_domains_shots() -> None:
    assert problems(some={"strategy": "full", "shots": [5]}) == []


def test_other_shots_are_refused_with_those_there_are() -> None:
    assert problems(some={"strategy": "full", "shots": [3]}) == [
        (("methods", "some", "shots"), "no domain is compared at 3 shots, but at 1, 5, 10")
    ]


def test_what_all_are_compared_with_is_there_at_all_shots() -> None:
    (problem,) = problems(scratch={"strategy": "scratch", "shots": [5]})
    assert problem == (
        ("methods", "scratch", "shots"),
        "the others are compared with this method, at all shots: leave it out",
    )


def test_it_needs_episodes_and_is_measured_by_shots() -> None:
    assert (PROTOCOL.name, PROTOCOL.word, PROTOCOL.shown.axis) == ("episodes", "episodes", "shots")
    assert list(EpisodesKeys(shots=3).shots) == [3]
