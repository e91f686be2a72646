"""Pictures: those that a protocol names, with the names of their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from presented import COST, EPISODES, block, report, row, scene, score, stream_block, stream_score

from tlml.presentation import Block, Row
from tlml.reports import Report
from tlml.reports.pictures import axis_label, pictures


def names(made: Report, folder: Path) -> list[tuple[str, str]]:
    plan = scene(made).plan
    return [(one.name, one.protocol) for one in pictures(made, plan, folder, "glyphs")]


def test_each_protocol_has_the_pictures_that_it_names(tmp_path: Path) -> None:
    weighed = score("full", 0.5, domain="glyphs", effective_sample_size=10.0)
    options = [score(f"m{n}", 0.5, domain="glyphs", options={"frozen": n}) for n in range(3)]
    retained = stream_score("er", [[0.9, 0.1], [0.5, 0.8]])
    made = report(
        block(row("full")), stream_block(row("er")), scores=(weighed, *options, retained)
    )  # fmt: skip
    assert names(made, tmp_path) == [
        ("glyphs", "episodes"), ("glyphs-sizes", "episodes"), ("glyphs-freeze-frozen", "episodes"),
        ("glyphs-retention", "stream"), ("glyphs-tasks", "stream"), ("glyphs-against", "stream"),
    ]  # fmt: skip


def test_scores_of_another_protocol_have_its_name(tmp_path: Path) -> None:
    shown = Block("glyphs", "control", {"env_steps": 0}, "return", True, (row("m"),), "0 steps")
    control = EPISODES.model_copy(update={"pictures": ("scores",)})
    made = report(shown, protocols={"control": control})
    assert names(made, tmp_path) == [("glyphs-control", "control")]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([5, 0], "labelled target examples (shots)"),
        ([0, 0], "target examples without labels (shots)"),
        ([], "labelled target examples (shots)"),
    ],
)
def test_shots_without_labels_are_called_so(labels: list[float], text: str) -> None:
    rows = tuple(Row(f"m{i}", 1, 1, cost={**COST, "labels": own}) for i, own in enumerate(labels))
    assert axis_label(EPISODES.unit, [block(*rows)]) == text


def test_an_axis_that_counts_no_examples_keeps_its_label() -> None:
    rows = (Row("m", 1, 1, cost={"fit_seconds": 1.0}),)
    assert axis_label("steps in the target environment", [block(*rows)]) == (
        "steps in the target environment"
    )
