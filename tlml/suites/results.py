"""Reads the folder of a suite: what was planned, what is done, what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tlml.errors import TlmlError
from tlml.suites.description import EPISODES, Description, Point, Value
from tlml.suites.schema import Label
from tlml.yaml_lines import dotted_path

PLAN = "plan.json"
CELLS = "cells"  # what is done
WORK = "work"  # what is being done, and what failed
RESULT = "result.json"
FAILED = "failed.json"
FEATURES = "features.json"
CHECKPOINT = "last.ckpt"
NOTE = "progress"  # how far a running cell is

Model = TypeVar("Model", bound=BaseModel)


class _Read(BaseModel):
    # What a later version adds is not an error in this one.
    model_config = ConfigDict(frozen=True, extra="ignore")


# Whoever wrote a folder: what becomes the name of a file in it is checked as in a suite.
Id = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Word = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=64)]


class PlannedFit(_Read):
    """A fit that the plan expects; of several to choose from, with the options that it tries."""

    id: Id
    name: str
    domain: Label
    seed: int
    episode: int | None = None
    tried: dict[str, Any] = {}


class PlannedAdapt(_Read):
    """A cell that the plan expects; two methods of one configuration share an id.

    Args:
        id: Of its folder.
        domain: The label of the domain.
        protocol: How the method meets the domain.
        point: Where on the protocol's axis: ``{"shots": 5}``; with a list of values where one run
            gives several records: ``{"env_steps": [0, 200]}``.
        seed: Of its fit and of fresh initialisations.
        method: The label of the method.
        fits: The ids of the fits that it starts from.
    """

    id: Id
    domain: Label
    protocol: Word
    point: dict[str, Value | list[Value]]
    seed: int
    method: str
    fits: list[Id]

    @model_validator(mode="before")
    @classmethod
    def _of_older_plans(cls, data: Any) -> Any:
        if isinstance(data, dict):
            # Plans of 0.1.0 had one fit, or none, in each adaptation.
            if "fit" in data:
                data = {**data, "fits": [data["fit"]] if data["fit"] else []}
            # Those after it had a number of shots.
            if "shots" in data and "point" not in data:
                data = {"protocol": "episodes", "point": {"shots": data["shots"]}, **data}
        return data

    @property
    def points(self) -> list[Point]:
        """The points of its records, in the order of the axis."""
        ((axis, values),) = self.point.items()
        return [{axis: value} for value in (values if isinstance(values, list) else [values])]


class PlannedRefusal(_Read):
    """A combination that cannot be run.

    Args:
        domain: The label of the domain.
        name: Of the method.
        reason: Why.
        protocol: In one of the domain's protocols or ("") in all.
        at: At a value of its axis, in words, or ("") at all.
    """

    domain: str
    name: str
    reason: str
    protocol: str = ""
    at: str = ""


class Planned(_Read):
    """What ``plan.json`` says."""

    name: Label
    baseline: str
    methods: list[str]
    domains: list[Label]
    fits: list[PlannedFit]
    adapts: list[PlannedAdapt]
    refused: list[PlannedRefusal]
    protocols: dict[Word, Description] = {"episodes": EPISODES}


# What a record took, by name: fit_seconds (training, shared with other cells) and adapt_seconds
# (all episodes) by the clock, fit_cpu_seconds and adapt_cpu_seconds of the processor,
# gradient_steps and labels (of one episode); other protocols have names of their own.
Cost = dict[str, float]


class Tried(_Read):
    """A choice of options, and the risk by which it was judged; infinite with why it was not."""

    options: dict[str, Any]
    risk: float
    error: str = ""


class Walk(_Read):
    """A maze that an agent was in, and what it has learned of each cell; see `Walked` of pictures.

    Args:
        cells: The map, row by row.
        actions: What the agent does in each cell; "" where it does nothing.
        values: What it expects from there; None where nothing.
    """

    cells: Annotated[list[str], Field(min_length=1)]
    actions: list[list[str]]
    values: list[list[float | None]]

    @model_validator(mode="after")
    def _one_of_each(self) -> Walk:
        sizes = [len(line) for line in self.cells]
        for own in (self.actions, self.values):
            if [len(line) for line in own] != sizes or len(set(sizes)) > 1:
                raise ValueError("cells, actions and values of a maze have one shape")
        return self


class Record(_Read):
    """What was measured of one method, with one seed, at one point of a protocol's axis.

    Args:
        protocol: How the method met the domain.
        point: The axis and its value: ``{"shots": 5}``.
        metric: What the scores are.
        higher_is_better: Its direction.
        units: The paired units: what all methods have in common, such as target episodes.
        scores: One for each unit.
        metrics: Further figures by name, such as ``BTI``.
        cost: What it took, by name.
        R: Of a stream: accuracies ``[T, T]``, R[t][j] on task j after task t.
        before: Of a stream: accuracies ``[T]`` before training.
        courses: What was measured on the way of the fit, by name: steps with a value each.
        mazes: Of agents in mazes: what was learned of each cell, by task.
        episodes: The numbers of the target episodes, where those are the units.
        losses: One for each unit.
        tasks: The task of each unit, where tasks repeat or are few; five and more are paired units
            themselves.
        parts: The part of its task's examples that each unit is about, where tasks are few: task
            and part make the paired unit.
        blocks: How many blocks of examples each unit has, where blocks were resampled.
        resampled: The scores of each unit under these draws.
        learner: The registered name.
        strategy: What adapted.
        options: Its options.
        batchnorm: Which statistics a test used.
        transductive: Whether a prediction depends on the other queries.
        head: Whether the trained head was kept.
        chosen_by: By what options were chosen.
        choices: Among how many.
        tried: The choices with their risks, of which the least was taken: ``{"options": {"lr":
            0.1}, "risk": -0.8}``; of an infinite risk is what diverged or was refused, and
            ``error`` says why.
        edges: The chosen values that are the least or greatest of those tried, by option.
        effective_sample_size: Of weighted source examples.
        versions: Of what it was made with.
    """

    protocol: str = "episodes"
    point: dict[str, Value]
    metric: str
    higher_is_better: bool
    units: Annotated[list[int | str], Field(min_length=1)]
    scores: list[float]
    metrics: dict[str, float] = Field(default_factory=dict)
    cost: Cost = Field(default_factory=dict)
    R: list[list[float]] | None = None
    before: list[float] | None = None
    courses: dict[str, list[tuple[int, float]]] = Field(default_factory=dict)
    mazes: dict[str, Walk] = Field(default_factory=dict)
    episodes: list[int] = Field(default_factory=list)
    losses: list[float] = Field(default_factory=list)
    tasks: list[str] = Field(default_factory=list)
    parts: list[int] = Field(default_factory=list)
    blocks: list[int] = Field(default_factory=list)
    resampled: list[list[float]] = Field(default_factory=list)
    learner: str = ""
    strategy: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    batchnorm: str | None = None
    transductive: bool = False
    head: str | None = None
    chosen_by: str | None = None
    choices: int = 0
    tried: list[Tried] = Field(default_factory=list)
    edges: dict[str, list[float]] = Field(default_factory=dict)
    effective_sample_size: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_episodes(cls, data: Any) -> Any:
        # Episodes keep the name that they had before there were other units.
        if isinstance(data, dict) and "episodes" in data:
            return {"units": data["episodes"], **data}
        return data

    @model_validator(mode="after")
    def _one_score_each(self) -> Record:
        if len(self.scores) != len(self.units):
            raise ValueError(f"{len(self.scores)} scores for {len(self.units)} units")
        for name in ("tasks", "parts", "blocks", "resampled"):
            if (number := len(getattr(self, name))) not in (0, len(self.units)):
                raise ValueError(f"{number} {name} for {len(self.units)} units")
        if self.parts and not self.tasks:
            raise ValueError("parts of no tasks")
        if bool(self.resampled) != bool(self.blocks) or len(set(map(len, self.resampled))) > 1:
            raise ValueError("blocks and equally many resampled scores of each unit are needed")
        if len(set(self.units)) != len(self.units):
            twice = next(unit for unit in self.units if self.units.count(unit) > 1)
            raise ValueError(f"duplicate unit {twice}")
        return self


class _Written(BaseModel):
    # One record stands flat in its file; several stand under a key, beside what they share.
    model_config = ConfigDict(frozen=True, extra="allow")

    id: str | None = None
    records: Annotated[list[dict[str, Any]], Field(min_length=1, default_factory=lambda: [{}])]


@dataclass(frozen=True, slots=True)
class Results:
    """The content of a suite's folder.

    Args:
        plan: What was planned.
        records: What was measured, by the id of the cell.
        failures: Reasons of the cells that failed, by id, each in one line.
    """

    plan: Planned
    records: dict[str, tuple[Record, ...]]
    failures: dict[str, str]


def read_results(folder: str | Path) -> Results:
    """Read the plan of a folder, and of each planned cell its result or its failure.

    Raises:
        TlmlError: The folder holds no plan, or a file in it is damaged.
    """
    folder = Path(folder)
    plan = _read(folder / PLAN, Planned)
    records: dict[str, tuple[Record, ...]] = {}
    failures: dict[str, str] = {}
    adapts = {cell.id: cell for cell in plan.adapts}
    for id in sorted({*adapts, *(cell.id for cell in plan.fits)}):
        place = folder / CELLS / id
        if not (place / RESULT).is_file():
            # Earlier versions wrote both into one folder.
            for failed in (folder / WORK / id / FAILED, place / FAILED):
                if failed.is_file():
                    failures.setdefault(id, _reason(failed))
        elif id in adapts:
            records[id] = tuple(_records(place / RESULT, adapts[id]))
    return Results(plan, records, failures)


def _records(path: Path, cell: PlannedAdapt) -> Iterator[Record]:
    written = _read(path, _Written)
    if written.id not in (None, cell.id):
        raise TlmlError(f"{path}: it is of cell {written.id}; {_mend(path)}")
    shared = {"protocol": cell.protocol, "point": cell.points[0], **(written.model_extra or {})}
    for own in written.records:
        try:
            yield Record.model_validate({**shared, **own})
        except ValidationError as error:
            raise _damage_error(path, error) from error


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise TlmlError(f"{path}: {reason}; {_mend(path)}") from error
    except ValidationError as error:
        raise _damage_error(path, error) from error


def _damage_error(path: Path, error: ValidationError) -> TlmlError:
    first = error.errors(include_url=False)[0]
    where = dotted_path(first["loc"])
    what = f"{where}: {first['msg']}" if where else first["msg"]
    return TlmlError(f"{path}: damaged ({what}); {_mend(path)}")


def _mend(path: Path) -> str:
    if path.name == PLAN:
        return "is it the folder of a suite?"
    return "delete it and run the suite again"


def _reason(path: Path) -> str:
    try:
        data = json.loads(path.read_bytes())
        return " ".join(str(data["error"]).split()) or "no reason was given"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name} cannot be read"
