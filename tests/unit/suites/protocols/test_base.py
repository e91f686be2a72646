"""Protocols: what they read of a domain, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from protocol_suites import STREAM, of, planned

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.suites.description import EPISODES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_of(registry: Registry, old: str, new: str) -> str:
    assert old in STREAM
    with pytest.raises(TlmlError) as caught:
        planned(registry, STREAM.replace(old, new, 1))
    return str(caught.value).removeprefix("bad.yaml:")


def test_a_domain_with_two_keys_is_compared_over_both(here: Path, registry: Registry) -> None:
    made = planned(registry)
    assert [c.point for c in of(made, "episodes", "naive")] == [
        {"shots": 0}, {"shots": 0}, {"shots": 1}, {"shots": 1}
    ]  # fmt: skip
    assert [(c.point, c.seed) for c in of(made, "stream", "naive")] == [
        ({"tasks": 3}, 3), ({"tasks": 3}, 5)
    ]  # fmt: skip
    # Nothing is trained twice.
    assert [(fit.name, fit.seed) for fit in made.fits] == [
        ("naive", 3), ("naive", 5), ("pre", 3), ("pre", 5)
    ]  # fmt: skip
    assert list(made.protocols) == ["episodes", "stream"]
    assert made.protocols["episodes"] == EPISODES
    assert made.as_dict()["protocols"]["stream"]["axis"] == "tasks"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stream: {tasks: 3, samples: 60}, shots: [0, 1], ", "",
         "4: domains.rotated_digits: what to compare over is missing: give one of shots, stream, "
         "env_steps"),
        ("stream: {", "streem: {",
         "4: domains.rotated_digits: unknown key 'streem'; did you mean 'stream'?"),
        ("{tasks: 3, samples: 60}", "{samples: 60}",
         "4: domains.rotated_digits.stream: the key 'tasks' is missing"),
        ("{tasks: 3, samples: 60}", "3",
         "4: domains.rotated_digits.stream: must be a mapping, is 3"),
        ("tasks: 3", "tasks: 0",
         "4: domains.rotated_digits.stream.tasks: must be greater than 0, is 0"),
        ("samples: 60", "sample: 60",
         "4: domains.rotated_digits.stream: StreamView: no option is called 'sample'; did you "
         "mean samples?"),
        ("samples: 60", "seed: 1",
         "4: domains.rotated_digits.stream: 'seed' is not an option here, it is set by seeds"),
        ("{lr: 0.1}", "{lr: 0.1}, view: {tasks: 2}",
         "6: fits.naive.view: 'tasks' is not an option here, it is set by stream, in domains"),
        ("{lr: 0.1}", "{lr: 0.1}, trainer: {max_epochs: 9}",
         "6: fits.naive.trainer: 'max_epochs' is not an option here, it is set by the stream"),
        ("{lr: 0.1}", "{lr: 0.1}, criterion: entropy",
         "6: fits.naive.criterion: 'entropy' cannot judge: learner naive_cl learns a stream: leave "
         "it out, or take stream"),
        ("supervised}", "supervised, criterion: stream}",
         "7: fits.pre.criterion: 'stream' cannot judge: learner supervised learns no stream"),
        ("{lr: 0.1}", "{}, tune: {trainer.max_epochs: {values: [1, 2]}}",
         "6: fits.naive.tune: 'max_epochs' is not an option here, it is set by the stream"),
        ("{lr: 0.1}", "{}, tune: {learner.lrr: [0.1, 1, log]}",
         "6: fits.naive.tune: learner naive_cl: no option is called 'lrr'; did you mean lr?"),
        ("{lr: 0.1}", "{}, tune: {learner.seed: {values: [1, 2]}}",
         "6: fits.naive.tune: 'seed' is not an option here, it is set by seeds"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    here: Path, registry: Registry, old: str, new: str, message: str
) -> None:
    assert error_of(registry, old, new).startswith(message)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    sys.modules.pop("strange_protocol", None)
