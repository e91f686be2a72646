"""Groups of parameters, and when they learn."""

from __future__ import annotations

from bowls import NAMES
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails

from tlml import Group, Phase
from tlml.strategies.phases import joined_groups, matching, phase_at, until_step


def test_the_first_group_that_matches_a_parameter_has_it():
    head, rest = Group("head.*", lr=0.1), Group("*", lr=1.0)
    found = matching(NAMES, (head, rest))
    assert {name: group.lr for name, group in found.items()} == dict(
        zip(NAMES, (1.0, 1.0, 1.0, 0.1, 0.1), strict=True)
    )
    assert list(matching(NAMES, (head,))) == ["head.weight", "head.bias"]
    assert matching(NAMES, ()) == {}


def test_a_pattern_that_matches_nothing_is_named():
    with fails("pattern 'head.weigth' matches no parameter; did you mean head.weight?"):
        matching(NAMES, (Group("head.weigth"),))
    with fails(f"pattern 'zzz' matches no parameter; choose from {', '.join(sorted(NAMES))}"):
        matching(NAMES, (Group(), Group("zzz")))


def test_parameters_are_divided_once_for_all_phases():
    phases = (
        Phase(0.5, (Group("head.*"),)),
        Phase(1.0, (Group("blocks.two.*", lr=0.1), Group("head.*"))),
    )
    joined = joined_groups(phases, NAMES)
    assert [group.names for group in joined] == [NAMES[:2], NAMES[2:3], NAMES[3:]]
    rates = [[g.lr if g else None for g in group.groups] for group in joined]
    assert rates == [[None, None], [None, 0.1], [1.0, 1.0]]


patterns = st.sampled_from(("*", "head.*", "blocks.*", "*.bias", "blocks.one.*"))


groups = st.lists(st.builds(Group, patterns, st.sampled_from((0.0, 0.1, 1.0))), max_size=3)


@given(st.lists(st.builds(Phase, st.integers(1, 9), groups), min_size=1, max_size=3))
def test_each_parameter_is_in_exactly_one_group(phases):
    joined = joined_groups(phases, NAMES)
    assert sorted(name for group in joined for name in group.names) == sorted(NAMES)
    for group in joined:
        for phase, member in zip(phases, group.groups, strict=True):
            found = matching(NAMES, phase.groups)
            assert {found.get(name) for name in group.names} == {member}


def test_a_phase_ends_after_steps_or_a_share_of_them():
    phases = [Phase(3), Phase(0.5), Phase(1.0)]
    assert [until_step(phase, 20) for phase in phases] == [3, 10, 20]
    assert [phases.index(phase_at(phases, step, 20)) for step in (0, 2, 3, 9, 10, 19, 25)] == [
        0, 0, 1, 1, 2, 2, 2
    ]  # fmt: skip
    assert until_step(Phase(3), None) == 3
    with fails(
        "until=0.5: a share needs a total; set max_steps or max_epochs, or give the phase a number "
        "of steps"
    ):
        until_step(Phase(0.5), None)
