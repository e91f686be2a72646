"""Streams: tasks are learned one after the other, and what is retained of them is compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from tlml.errors import TlmlError
from tlml.suites.description import Description
from tlml.suites.option_problems import TAKEN, check_given
from tlml.suites.protocols.base import Keys, Protocol, Trial
from tlml.suites.results import Record
from tlml.suites.schema import Count
from tlml.suites.sources import STREAM as VIEW
from tlml.suites.tuning import edges, in_full, tried_of

if TYPE_CHECKING:
    from tlml.suites.inside.share import Report
    from tlml.suites.meeting import Meeting
    from tlml.suites.schema import Suite
    from tlml.suites.sources import Sources
    from tlml.yaml_lines import Problem


class StreamOptions(BaseModel):
    """Options of `tlml.StreamView`, for every learner on the domain.

    Args:
        tasks: How many tasks there are.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    tasks: Count


class StreamKeys(Keys):
    """What a domain says.

    Args:
        stream: The stream that is learned and measured.
    """

    stream: StreamOptions


class StreamProtocol(Protocol[StreamKeys]):
    """A record holds what is retained of each task after the last, R[T-1, j], and R beside it.

    Nothing is run for it: everything was measured while the fit was made. So methods that differ
    only in how they adapt share a record.
    """

    name = "stream"
    word = "stream"
    keys = StreamKeys
    shown = Description(
        axis="tasks",
        unit="tasks seen",
        one="task",
        many="tasks",
        paired="task of the stream",
        columns={
            **{name: name for name in ("LA", "AIA", "BTI", "BWT", "FWT", "forgetting")},
            "memory_examples": "memory",
            "fit_seconds": "fit s",
            "samples_per_second": "samples/s",
            "steps": "steps",
        },
        pictures=("retention", "tasks", "against", "courses"),
    )
    shared = frozenset({"tasks", "samples", "ways", "order", "scenario"})
    # The stream says how long training is, and R when to measure.
    pace = frozenset(
        {"max_epochs", "min_epochs", "max_steps", "min_steps", "max_time", "overfit_batches"}
        | {"limit_train_batches", "limit_val_batches", "num_sanity_val_steps", "fast_dev_run"}
        | {"check_val_every_n_epoch", "val_check_interval"}
    )

    def problems(
        self, suite: Suite, keys: Mapping[str, StreamKeys], sources: Sources
    ) -> Iterable[Problem]:
        """Check the options of each stream."""
        for label, own in keys.items():
            options = own.stream.model_dump()
            where = ("domains", label, "stream")
            yield from check_given(where, "StreamView", sources.target(VIEW), options, TAKEN)

    def training(self, keys: StreamKeys) -> dict[str, Any]:
        """Return the options of the stream."""
        return keys.stream.model_dump()

    def refusal(self, meeting: Meeting) -> str:
        """Say why a method has learned no stream."""
        if meeting.fit is None:
            return "starts from no fit, so it has learned no stream"
        if not meeting.sources.streams(meeting.fit.learner):
            return f"its fit {meeting.own.fit} (learner {meeting.fit.learner}) learns no stream"
        return meeting.misfit_in_training()

    def trials(self, meeting: Meeting, keys: StreamKeys) -> Iterator[Trial]:
        """Plan a cell for each seed."""
        for seed in meeting.suite.seeds:
            fit = meeting.fit_cell(seed)
            trained_with = {name: fit.config[name] for name in ("strategy", "strategy_options")}
            config = {**meeting.config(seed, (fit,)), **trained_with}
            yield Trial({"tasks": keys.stream.tasks}, seed, (fit,), config)

    def run(
        self, config: dict[str, Any], checkpoints: Sequence[Path], report: Report
    ) -> list[Record]:
        """Read the record off the fit."""
        (checkpoint,) = checkpoints
        found = json.loads((checkpoint.parent / "result.json").read_text(encoding="utf-8"))
        if "R" not in found:
            raise TlmlError(f"learner {config['learner']}: its fit measured no task of a stream")
        rows, joint = found["R"], found["joint"]
        if not joint and len(rows) < len(rows[-1]):
            raise TlmlError(f"the stream ended after {len(rows)} of {len(rows[-1])} tasks")
        choices = [in_full(one) for one in found.get("choices", [])]
        chosen = in_full(found.get("options", {}))
        summary = {name: value for name, value in found["summary"].items() if name != "RA"}
        return [
            Record(
                protocol=self.name,
                point={"tasks": len(rows[-1])},
                metric=found["metric"],
                higher_is_better=found["higher_is_better"],
                units=[*range(len(rows[-1]))],
                scores=rows[-1],
                metrics=summary,
                cost=found["cost"],
                R=None if joint else rows,
                before=found["before"] or None,
                courses=found.get("courses", {}),
                learner=config["learner"],
                strategy=config["strategy"],
                options=chosen,
                chosen_by=found.get("criterion"),
                choices=len(choices),
                tried=tried_of(found),
                edges={name: [value] for name, value in edges(choices, chosen).items()},
            )
        ]
