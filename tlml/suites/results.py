"""Reads the folder of a suite: what was planned, what is done, what failed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tlml.errors import TlmlError
from tlml.yaml_lines import dotted

PLAN = "plan.json"
CELLS = "cells"
RESULT = "result.json"
FAILED = "failed.json"
FEATURES = "features.json"

Model = TypeVar("Model", bound=BaseModel)


class _Read(BaseModel):
    # What a later version adds is no error in this one.
    model_config = ConfigDict(frozen=True, extra="ignore")


class PlannedFit(_Read):
    """A fit that the plan expects."""

    id: str
    name: str
    domain: str
    seed: int
    episode: int | None = None


class PlannedAdapt(_Read):
    """An adaptation that the plan expects; two methods of one configuration share an id."""

    id: str
    domain: str
    shots: int
    seed: int
    method: str
    fits: list[str]

    @model_validator(mode="before")
    @classmethod
    def _of_one_fit(cls, data: Any) -> Any:
        # Plans of 0.1.0 had one fit, or none, in each adaptation.
        if isinstance(data, dict) and "fit" in data:
            return {**data, "fits": [data["fit"]] if data["fit"] else []}
        return data


class PlannedRefusal(_Read):
    """A combination that cannot be run."""

    domain: str
    name: str
    reason: str


class Planned(_Read):
    """What ``plan.json`` says."""

    name: str
    baseline: str
    methods: list[str]
    domains: list[str]
    fits: list[PlannedFit]
    adapts: list[PlannedAdapt]
    refused: list[PlannedRefusal]


class Cost(_Read):
    """What a cell took.

    Args:
        fit_seconds: Training of the fit that it starts from, shared with other cells.
        adapt_seconds: Adapting to all episodes of the cell.
        gradient_steps: For one episode.
        labels: Labelled target examples in one episode.
    """

    fit_seconds: float = 0.0
    adapt_seconds: float = 0.0
    gradient_steps: float = 0.0
    labels: float = 0.0


class AdaptResult(_Read):
    """What the ``result.json`` of an adaptation says."""

    id: str
    metric: str
    higher_is_better: bool
    episodes: Annotated[list[int], Field(min_length=1)]
    scores: list[float]
    losses: list[float] = []
    learner: str = ""
    strategy: str | None = None
    options: dict[str, Any] = {}
    batchnorm: str | None = None
    transductive: bool = False
    head: str | None = None
    chosen_by: str | None = None
    effective_sample_size: float | None = None
    cost: Cost = Cost()
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _same_length(self) -> AdaptResult:
        if len(self.scores) != len(self.episodes):
            raise ValueError(f"{len(self.scores)} scores for {len(self.episodes)} episodes")
        if len(set(self.episodes)) != len(self.episodes):
            raise ValueError("an episode is there twice")
        return self


@dataclass(frozen=True, slots=True)
class Results:
    """The content of a suite's folder.

    Args:
        plan: What was planned.
        done: The finished adaptations, by id.
        failures: Reasons of the cells that failed, by id, each in one line.
    """

    plan: Planned
    done: dict[str, AdaptResult]
    failures: dict[str, str]


def read_results(folder: str | Path) -> Results:
    """Read the plan of a folder, and of each planned cell its result or its failure.

    Raises:
        TlmlError: The folder holds no plan, or a file in it is damaged.
    """
    folder = Path(folder)
    plan = _read(folder / PLAN, Planned)
    done, failures = {}, {}
    adapts = {cell.id for cell in plan.adapts}
    for id in sorted({*adapts, *(cell.id for cell in plan.fits)}):
        place = folder / CELLS / id
        if not (place / RESULT).is_file():
            if (place / FAILED).is_file():
                failures[id] = _reason(place / FAILED)
        elif id in adapts:
            done[id] = _read(place / RESULT, AdaptResult)
    return Results(plan, done, failures)


def _read(path: Path, model: type[Model]) -> Model:
    mend = (
        "is it the folder of a suite?" if path.name == PLAN else "delete it and run the suite again"
    )
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TlmlError(f"{path}: cannot be read ({error.strerror}); {mend}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = dotted(first["loc"])
        what = f"{where}: {first['msg']}" if where else first["msg"]
        raise TlmlError(f"{path}: damaged ({what}); {mend}") from error


def _reason(path: Path) -> str:
    try:
        data = json.loads(path.read_bytes())
        return " ".join(str(data["error"]).split()) or "no reason was given"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name} cannot be read"
