"""`check_domain` finds what is wrong with a domain, and says what to mend."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from failing import FINITE, failure, spec
from gymnasium.spaces import Box, Discrete

import tlml
import tlml.testing
from tlml import Batch, Examples
from tlml.data import Part, Split
from tlml.testing import check_domain
from tlml.testing.toys import Clouds, Drawn, Planes, Point, Walk, Walks


class Endless(Planes):
    """Draws without end: it has no tasks()."""

    tasks = tlml.Domain.tasks

    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(float(rng.normal()))


@dataclass(frozen=True)
class Slope:
    slope: float
    name: str = "slope"

    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        x = torch.from_numpy(rng.standard_normal((n, 3)).astype(np.float32))
        return Batch(x, self.slope * x[:, :2])


class Dice(Endless):
    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(np.random.normal())


class Remembering(Endless):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return Slope(float(self.rng.normal()))


class Unpicklable(Planes):
    def __init__(self) -> None:
        super().__init__()
        self.turn = lambda x: x


class Few(Endless):
    def draw(self, split: Split, rng: np.random.Generator) -> Any:
        return FewSlope(1.0)


class FewSlope(Slope):
    def sample(self, n: int, rng: np.random.Generator) -> Batch:
        return super().sample(n - 1, rng)


class Leaking(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        first = self._task("source", 0)
        return [*super().tasks(split)[1:], replace(first, name=f"{split} plane 0")]


class SameTasks(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        return list(super().tasks("source"))


class Overlapping(Planes):
    def tasks(self, split: Split) -> list[Drawn]:
        return [OneBag(task.name, task.x, task.y) for task in super().tasks(split)]


class OneBag(Drawn):
    def split(self, part: Part) -> Examples:
        return Examples(self.x, self.y)


class Wrong(Planes):
    """Holds values that its spaces don't."""

    def __init__(self, x: Any = None, y: Any = None, values: str = "") -> None:
        super().__init__()
        self.x, self.y, self.values = x or self.x, y or self.y, values

    def _task(self, split: Split, number: int) -> Drawn:
        task = super()._task(split, number)
        if self.values == "nan":
            task.x[3] = torch.nan
        if self.values == "double":
            return replace(task, x=task.x.double())
        return task


class Scored(Planes):
    """Measures its tasks by a metric of its own."""

    def __init__(self, given: Any = 1.0, name: str = "gain") -> None:
        super().__init__()
        self.metric, self.given = tlml.Metric(name, higher_is_better=True), given

    def measure(self, batch: Batch, scores: torch.Tensor) -> dict[str, Any]:
        return {"gain": self.given}


class Floating(Clouds):
    def _task(self, split: Split, number: int) -> Drawn:
        task = super()._task(split, number)
        return replace(task, y=task.y.int())


class ThirdClass(Clouds):
    def __init__(self) -> None:
        super().__init__()
        self.y = Discrete(2)

    def _task(self, split: Split, number: int) -> Drawn:
        task = super()._task(split, number)
        return replace(task, y=torch.full_like(task.y, 2))


class AlwaysNew(Planes):
    def fingerprint(self) -> str:
        return str(id(self))


class Stamped(Planes):
    def fingerprint(self) -> Any:
        return 3


class DicedWalks(Walks):
    def draw(self, split: Split, rng: np.random.Generator) -> Walk:
        walk = super().draw(split, rng)
        return DicedWalk(walk.name, walk.goal)


class DicedWalk(Walk):
    def make(self, seed: int) -> Point:
        return Point((float(np.random.normal()), 0.0), seed)


class FourActions(Walks):
    def __init__(self) -> None:
        super().__init__()
        self.y = Discrete(4)


@pytest.mark.parametrize(
    ("domain", "gives", "text"),
    [
        (
            Endless,
            {"stream", "regression"},
            "domain made: spec gives 'stream' but tasks('source') is not there; write tasks() or "
            "drop 'stream' from gives",
        ),
        (
            Endless,
            {"episodes", "regression", "finite"},
            "domain made: spec gives 'finite' but tasks('source') is not there; write it, or drop "
            "'finite' from gives",
        ),
        (
            Endless,
            {"env", "control"},
            "domain made: spec gives 'env' but its tasks have no make(); write make() or drop "
            "'env' from gives",
        ),
        (
            Planes,
            {"episodes", "classification"},
            "domain made: spec gives 'classification' but y is a Box space; make it a Discrete or "
            "drop 'classification' from gives",
        ),
        (
            Clouds,
            {"episodes", "regression"},
            "domain made: spec gives 'regression' but y is a Discrete space; make it a Box or drop "
            "'regression' from gives",
        ),
        (
            Planes,
            {"regression"},
            "domain made: spec gives none of env, episodes, pair, stream, so no learner can use "
            "it; say which views can be made of it",
        ),
        (
            Planes,
            {"episodes"},
            "domain made: spec gives none of classification, control, reconstruction, regression, "
            "triples; say what its targets are",
        ),
        (
            Planes,
            {"episodes", "reconstruction"},
            "domain made: spec gives 'reconstruction' but y is not x; make them equal or drop "
            "'reconstruction' from gives",
        ),
        (
            Dice,
            {"episodes", "regression"},
            "domain made: drawing from split 'source' draws from the global random state of NumPy; "
            "draw from the generator that is passed, or make one from a seed",
        ),
        (
            Remembering,
            {"episodes", "regression"},
            "domain made: two draws from split 'source' with equal generators differ; draw() and "
            "sample() must be functions of the split and the rng that they are given only",
        ),
        (
            Unpicklable,
            FINITE,
            "domain made: pickling it: AttributeError: Can't pickle local object "
            "'Unpicklable.__init__.<locals>.<lambda>'; loader processes need it: no lambdas, no "
            "open files, no local classes",
        ),
        (
            AlwaysNew,
            FINITE,
            "domain made: two fingerprint() of the same data differ, so that suites would run it "
            "anew each time; return what the data alone decides",
        ),
        (Stamped, FINITE, "domain made: fingerprint() gives 3; return text, or None"),
        (
            Few,
            {"episodes", "regression"},
            "domain made, split 'source': task 'slope': sample(3) gives 2 inputs and 2 targets; "
            "return n of each",
        ),
        (
            SameTasks,
            FINITE,
            "domain made: task 'source plane 0' is in split 'source' and in split 'validation'; "
            "put it in one",
        ),
        (
            Leaking,
            FINITE,
            "domain made: 24 examples of split 'source' are in split 'validation' too; divide the "
            "data by task (or call check_domain with shared=, for data of few values)",
        ),
        (
            Overlapping,
            FINITE,
            "domain made: task 'source plane 0': 24 examples of part 'train' are in part 'val' "
            "too; divide them",
        ),
        (
            Floating,
            {"episodes", "classification"},
            "domain made: spec gives 'episodes' but the support of a source task: y is torch.int32 "
            "of shape [3]; classes are int64 [n]",
        ),
        (
            ThirdClass,
            {"pair", "classification"},
            "domain made: spec gives 'pair' but its view fails: task source clouds 0: all labels "
            "are 2; the space is Discrete(2): number them 0 to 1; mend it or drop 'pair' from "
            "gives",
        ),
        (
            DicedWalks,
            {"env", "control"},
            "domain made: drawing from split 'source' draws from the global random state of NumPy; "
            "draw from the generator that is passed, or make one from a seed",
        ),
        (
            Walks,
            {"env", "control", "continuous_actions"},
            "domain made: spec gives 'continuous_actions' but actions are Discrete(5); say what "
            "they are",
        ),
        (
            Walks,
            {"env", "control", "discrete_actions", "tabular"},
            "domain made: spec gives 'tabular' but x is Box(-inf, inf, (2,), float32) and y "
            "Discrete(5); make both Discrete or drop 'tabular' from gives",
        ),
        (
            Walks,
            {"env", "control", "model"},
            "domain made: spec gives 'model' but an environment has no P[state][action], the list "
            "of what can come of it; write it or drop 'model' from gives",
        ),
        (
            FourActions,
            {"env", "control"},
            "domain made: spec gives 'env' but an environment of split 'source' has the space "
            "Discrete(5), and y is Discrete(4); make them equal",
        ),
    ],
)
def test_a_domain_that_lies_is_found_out(domain: type, gives: frozenset[str], text: str) -> None:
    assert failure(check_domain, domain, spec(*gives)) == text


@pytest.mark.parametrize("domain", [Planes, Clouds])
def test_a_domain_may_have_targets_of_either_kind_by_its_options(domain: type) -> None:
    check_domain(domain, spec("episodes", "regression", "classification"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"x": Box(-9, 9, (4,))}, "x has the shape [3], its space [4]"),
        ({"values": "double"}, "x is float64, its space float32; make them equal"),
    ],
)
def test_values_beyond_the_spaces_are_found(options: dict[str, Any], text: str) -> None:
    found = failure(check_domain, Wrong, spec(*FINITE), options=options)
    start = "domain made: spec gives 'episodes' but the support of a source task: "
    assert found == start + text


def test_values_outside_the_bounds_are_found() -> None:
    options = {"x": Box(-1e-3, 1e-3, (3,))}
    assert re.fullmatch(
        r"domain made: spec gives 'episodes' but the support of a source task: x goes from \S+ to "
        r"\S+, beyond its space \(-0.001 to 0.001\); widen the space or mend the values",
        failure(check_domain, Wrong, spec(*FINITE), options=options),
    )


def test_values_that_are_no_numbers_are_found() -> None:
    assert re.fullmatch(
        r"domain made, split 'source': task 'source plane \d': x of 1 of 12 examples is NaN or "
        r"infinite; remove or fill these examples in the domain",
        failure(check_domain, Wrong, spec(*FINITE), options={"values": "nan"}),
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"name": "again"},
            "measure(): Scored: measure() gives gain, and not 'again', which its metric says",
        ),
        ({}, "measure() gives as 'gain' 1.0; return a finite scalar tensor"),
        (
            {"given": torch.tensor(torch.nan)},
            "measure() gives as 'gain' nan; return a finite scalar tensor",
        ),
    ],
)
def test_metrics_that_are_none_are_found(options: dict[str, Any], text: str) -> None:
    assert failure(check_domain, Scored, spec(*FINITE), options=options) == f"domain made: {text}"


def test_a_domain_may_have_a_metric_of_its_own() -> None:
    check_domain(Scored, spec(*FINITE), options={"given": torch.tensor(1.0)})


def test_a_share_of_common_examples_may_be_allowed() -> None:
    check_domain(Leaking, spec(*FINITE), shared=0.5)


@pytest.mark.parametrize(
    ("domain", "gives"),
    [
        (Planes, FINITE),
        (Clouds, FINITE - {"regression"} | {"classification"}),
        (Walks, {"env", "control"}),
        (Endless, {"pair", "episodes", "regression"}),
    ],
)
def test_domains_that_keep_their_word_pass(domain: type, gives: frozenset[str]) -> None:
    check_domain(domain, spec(*gives))
    check_domain(domain(), spec(*gives))
