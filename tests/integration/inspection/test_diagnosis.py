"""A diagnosis against a test on the same episodes."""

from __future__ import annotations

import pandas as pd
import pytest
from diagnosed import cases, last_steps
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, Learner


def records_of(learner: Learner, view: EpisodeView) -> pd.DataFrame:
    """Return the records of a test, a row for each episode."""
    trainer = quiet_trainer()
    trainer.test(learner, view, verbose=False)
    return pd.DataFrame(learner.records)


@pytest.mark.parametrize("case", cases())
def test_the_last_step_is_what_a_test_measures(case: str) -> None:
    learner, view = cases()[case]
    expected, found = records_of(learner, view), tlml.diagnose(learner, view, 4)
    after = last_steps(found)
    assert found.metric == ("mse" if "mse" in expected else "accuracy")
    assert after["query_loss"].tolist() == pytest.approx(expected["loss"].tolist(), rel=1e-6)
    metric = after[f"query_{found.metric}"].tolist()
    assert metric == pytest.approx(expected[found.metric].tolist(), rel=1e-6)
    assert after["episode"].tolist() == expected["episode"].tolist()
    assert (after["step"] == expected["gradient_steps"]).all()
    assert after["query_loss"].nunique() > 1
