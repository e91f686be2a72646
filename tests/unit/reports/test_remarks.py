"""What stands around the tables: only what there is, in words of its protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from presented import STREAM, block, report, row, score, stream_block

from tlml.reports.notes import BEST_OF, EDGE
from tlml.reports.remarks import footnotes, remarks
from tlml.suites.results import PlannedRefusal


def test_each_protocol_says_what_is_resampled() -> None:
    both = "\n".join(footnotes(report(block(row("a")), stream_block(row("a")))))
    assert "Means are over target episodes, " in both
    assert "Means are over tasks of the stream, " in both
    assert "Of fewer than five units there is no interval, no verdict" in both
    assert "Parts:" not in both and "Blocks:" not in both
    assert "the same seeds and the same episodes or the same tasks." in both
    assert "stream: the score is RA: each task after the last; LA: each task just after" in both
    alone = "\n".join(footnotes(report(block(row("a")))))
    assert "stream" not in alone
    alone = "\n".join(footnotes(report(stream_block(row("a")))))
    assert "episode" not in alone


def test_units_that_are_pairs_are_called_so() -> None:
    pairs = STREAM.model_copy(update={"paired": "target task and evaluation seed"})
    text = "\n".join(footnotes(report(stream_block(row("a")), protocols={"stream": pairs})))
    assert "Means are over pairs of target task and evaluation seed, " in text
    assert "the same seeds and the same pairs." in text


@pytest.mark.parametrize(
    ("basis", "told"),
    [
        ("intervals over 9 tasks", "Where tasks repeat, tasks are the units"),
        ("2 parts: no intervals", "Parts: where target tasks are few, units are disjoint parts"),
        ("intervals over 9 blocks", "Blocks: consecutive examples of a query"),
    ],
)
def test_units_that_are_no_episodes_are_explained(basis: str, told: str) -> None:
    own = replace(block(row("a")), basis=basis)
    assert told in "\n".join(footnotes(report(own)))


def test_tasks_of_a_stream_repeat_not() -> None:
    own = replace(stream_block(row("a")), basis="intervals over 9 tasks")
    assert "Where tasks repeat" not in "\n".join(footnotes(report(own)))


def test_unequal_budgets_are_explained() -> None:
    text = "\n".join(footnotes(report(block(row("a", notes=(f"{BEST_OF} 8 choices",))))))
    assert "best of N choices: tuning budgets differ within the block" in text


def test_a_refusal_names_its_protocol_where_others_run() -> None:
    def told(protocol: str) -> str:
        refusal = PlannedRefusal(domain="d", name="maml", reason="no stream", protocol=protocol)
        return remarks(report(refused=(refusal,)))[-1]

    assert told("stream") == "not run on d (stream): maml: no stream"
    assert told("") == "not run on d: maml: no stream"


def test_unequal_budgets_are_warned_of_by_place() -> None:
    def rows(shots: int, *choices: tuple[str, int]) -> list[dict[str, Any]]:
        here = {"domain": "glyphs", "point": {"shots": shots}}
        return [score(name, 0.5, choices=number, **here) for name, number in choices]

    unequal = [("maml", 25), ("scratch", 5), ("full", 0)]
    scores = (*rows(1, *unequal), *rows(2, ("maml", 5), ("scratch", 5)), *rows(5, *unequal))
    blocks = [block(row("maml"), shots=shots) for shots in (1, 2, 5)]
    assert remarks(report(*blocks, scores=scores))[1:] == [
        "unequal budgets on glyphs, 1 shot; glyphs, 5 shots: "
        "maml chose among 25, scratch among 5, full had no choice"
    ]


def test_edges_of_grids_are_told_with_their_place() -> None:
    made = report(block(row("maml", notes=(f"lr=0.1 {EDGE}", "else"))))
    assert remarks(made)[1:] == [
        "glyphs, 5 shots, maml: lr=0.1 is the edge of its grid: a better value may lie beyond it"
    ]


def test_choices_that_could_not_be_made_are_listed_once_with_a_reason() -> None:
    lost = {"options": {"learner.network": "conv4"}, "risk": float("inf"), "error": "no images"}
    good = {"options": {"learner.network": "mlp"}, "risk": 1.0, "error": ""}
    scores = [score(name, 0.5, choices=2, tried=[lost, good], seed=seed)
              for name in ("maml", "full") for seed in (0, 1)]  # fmt: skip
    assert remarks(report(scores=tuple(scores)))[1:] == [
        "not chosen from on d: learner.network=conv4 (maml, full): no images"
    ]
