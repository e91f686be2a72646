from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tlml.registry.combinations import Lack, judge, working
from tlml.spec import KINDS, VOCABULARY, WORDS, Kind, Spec, unmet


@st.composite
def specs_of_all_kinds(draw: st.DrawFn) -> dict[Kind, dict[str, Spec]]:
    words = st.sampled_from(sorted(WORDS))
    needs = st.lists(st.lists(words, min_size=1, max_size=2).map("|".join), max_size=2)
    found: dict[Kind, dict[str, Spec]] = {}
    for kind in KINDS:
        gives = st.frozensets(st.sampled_from(sorted(VOCABULARY[kind])))
        drawn = draw(st.lists(st.tuples(gives, needs), min_size=1, max_size=3))
        found[kind] = {
            f"{kind}_{i}": Spec(f"{kind}_{i}", "no:No", "made", gives=given, needs=tuple(needed))
            for i, (given, needed) in enumerate(drawn)
        }
    return found


@given(specs_of_all_kinds())
def test_each_need_is_met_by_the_other_two(specs: dict[Kind, dict[str, Spec]]) -> None:
    for trio in product(*(specs[kind] for kind in KINDS)):
        three = [specs[kind][name] for kind, name in zip(KINDS, trio, strict=True)]
        expected = [
            Lack(KINDS[i], spec.name, need)
            for i, spec in enumerate(three)
            for need in unmet(spec, frozenset().union(*(o.gives for o in three if o is not spec)))
        ]
        assert list(judge(trio, specs).lacks) == expected  # type: ignore[arg-type]


@given(specs_of_all_kinds())
def test_what_is_offered_instead_works_and_is_near(specs: dict[Kind, dict[str, Spec]]) -> None:
    all_working = set(working(specs, {}))
    for trio in product(*(specs[kind] for kind in KINDS)):
        verdict = judge(trio, specs)  # type: ignore[arg-type]
        assert bool(verdict.lacks) == (trio not in all_working)
        assert set(verdict.instead) <= all_working
        assert len(set(verdict.instead)) == len(verdict.instead) <= 4
        one_changed = {w for w in all_working if sum(map(str.__eq__, w, trio)) == 2}
        if verdict.lacks and one_changed:
            assert verdict.instead[0] in one_changed


def test_the_verdict_reads_as_a_sentence() -> None:
    specs: dict[Kind, dict[str, Spec]] = {
        "domain": {"waves": Spec("waves", "no:No", "made")},
        "learner": {"plain": Spec("plain", "no:No", "made", needs=("regression|classification",))},
        "strategy": {"step": Spec("step", "no:No", "made", needs=("loss",))},
    }
    assert judge(("waves", "plain", "step"), specs).text() == (
        "waves, plain and step do not go together: learner plain needs regression or "
        "classification, which neither domain waves nor strategy step gives; strategy step needs "
        "loss, which neither domain waves nor learner plain gives"
    )
    free = {**specs, "learner": {"plain": Spec("plain", "no:No", "made", gives={"loss"})}}
    verdict = judge(("waves", "plain", "step"), free)
    assert (verdict.lacks, verdict.instead) == ((), ())
    assert verdict.text() == "waves, plain and step go together"


def test_a_learner_without_strategies_goes_alone() -> None:
    specs: dict[Kind, dict[str, Spec]] = {
        "domain": {
            "letters": Spec("letters", "no:No", "made", gives={"episodes", "classification"}),
            "waves": Spec("waves", "no:No", "made", gives={"episodes"}),
        },
        "learner": {
            "means": Spec("means", "no:No", "made", needs=("classification",)),
            "plain": Spec("plain", "no:No", "made", gives={"loss"}),
        },
        "strategy": {"step": Spec("step", "no:No", "made", needs=("loss",))},
    }
    assert list(working(specs, {"learner": "means"})) == [("letters", "means", "")]
    assert list(working(specs, {"domain": "letters"})) == [
        ("letters", "means", ""), ("letters", "plain", "step"),
    ]  # fmt: skip
    assert list(working(specs, {"strategy": "step", "domain": "waves"})) == [
        ("waves", "plain", "step")
    ]
    assert judge(("letters", "means", ""), specs).text() == "letters and means go together"
    assert judge(("waves", "means", ""), specs).text() == (
        "waves and means do not go together: learner means needs classification, which domain "
        "waves does not give; these do: waves plain, letters means"
    )
