from __future__ import annotations


def test_functions_stay_functions_when_their_modules_are_loaded() -> None:
    import tlml.data.domains
    import tlml.learners
    import tlml.strategies

    assert {tlml.domain.__name__, tlml.learner.__name__, tlml.strategy.__name__} == {
        "domain",
        "learner",
        "strategy",
    }
