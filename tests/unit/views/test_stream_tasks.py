"""Tasks of a stream, made when they come."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from late_tasks import LateFamily
from stations import stations
from tiny import Tables

import tlml
from tlml import StreamView, TlmlError


def test_a_long_stream_is_never_in_memory_together():
    domain = LateFamily(number=100)
    view = StreamView(domain, batch_size=12, order="shuffled")
    loader = view.train_dataloader()
    for epoch in range(100):
        loader.sampler.set_epoch(epoch)
        assert sum(len(step.task) for step in loader) == 12
    for judged in view.val_dataloader():
        assert sum(len(step.task) for step in judged) == 6
    assert domain.watched.most == 2
    assert len(domain.watched.calls) == 100 * (2 + 1 + 1)


def test_bad_data_is_found_before_the_first_batch():
    class Broken(Tables):
        def tasks(self, split):
            tables = super().tasks(split)
            tables[2].x[3] = np.nan
            return tables

    with pytest.raises(TlmlError, match=r"^task 2 of the stream: x of 1 of 12 examples is NaN"):
        StreamView(Broken(test=2)).setup("fit")


def test_a_stream_has_no_task_beyond_its_last():
    view = StreamView(Tables(number=2, test=2))
    with pytest.raises(IndexError, match="task 2 of a stream of 2 tasks"):
        view.stream()[2]
    assert len(view.stream()[:1]) == 1
    assert torch.equal(view.stream()[-1][0].x, view.stream()[1][0].x)


def test_what_comes_last_in_time_judges_what_was_learned_before():
    domain = tlml.table(stations(), target="rain", group="site", order="day", features=["wind"])
    for place, (learned, judged) in enumerate(StreamView(domain).stream()):
        rows = domain.tasks("source")[place].rows.y
        assert sorted(judged.y.tolist()) == sorted(rows[16:].tolist())
        assert sorted(learned.y.tolist()) == sorted(rows[:16].tolist())
