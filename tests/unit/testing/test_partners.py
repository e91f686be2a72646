"""What a learner is checked with."""

from __future__ import annotations

from typing import Any

import pytest

import tlml
from tlml import GradientLearner, Spec, Strategy
from tlml.registry import default_registry
from tlml.testing import CheckFailed
from tlml.testing.partners import domains_for, small_view, strategy_for
from tlml.testing.subject import find_subject
from tlml.testing.toys import Descent, Planes


def learner(name: str) -> tuple[Any, type[Any]]:
    return find_subject("learner", name, None, None), default_registry().resolve("learner", name)


def test_without_a_spec_the_view_decides() -> None:
    subject = find_subject("learner", GradientLearner, None, None)
    assert [type(domain) for domain in domains_for(subject, GradientLearner)] == [Planes]


@pytest.mark.parametrize("name", ["maml", "protonet", "supervised"])
def test_domains_give_what_the_spec_needs(name: str) -> None:
    subject, cls = learner(name)
    domains = domains_for(subject, cls)
    assert domains and all(isinstance(domain, tlml.Domain) for domain in domains)


def test_needs_that_nothing_meets_are_told_so() -> None:
    needy = Spec("needy", "nowhere:Needy", "needs much", needs=("episodes", "weighs", "maps"))
    subject = find_subject("learner", GradientLearner, needy, None)
    with pytest.raises(CheckFailed) as caught:
        domains_for(subject, GradientLearner)
    assert "no domain and strategy together give what it needs (episodes, weighs, maps)" in str(
        caught.value
    )


def test_a_learner_that_needs_no_strategy_gets_none() -> None:
    subject, cls = learner("maml")
    assert strategy_for(subject, cls) is None

    class Needing(GradientLearner):
        def __init__(self, network: Any, strategy: Strategy) -> None: ...

    assert isinstance(strategy_for(find_subject("learner", Needing, None, None), Needing), Descent)


def test_views_are_small_by_their_word() -> None:
    _, cls = learner("supervised")
    assert small_view(cls)["batch_size"] == 4
    assert small_view(cls) is not small_view(cls)
