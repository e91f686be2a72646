"""What all views share: options, set-up, pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from refusals import fails
from tiny import Letters, Tables

import tlml
from tlml import EnvView, EpisodeView, PairView, StreamView, TlmlError, View
from tlml.recorded import describe_object
from tlml.testing.toys import Walks
from tlml.views import ViewSpaces


@pytest.mark.parametrize("kind", [EpisodeView, PairView, StreamView, EnvView])
def test_a_domain_is_needed(kind):
    with fails("domain: 'glyphs' is not a Domain; make one with tlml.domain(name, **options)"):
        kind("glyphs")


@pytest.mark.parametrize("kind", [EpisodeView, PairView, StreamView, EnvView])
@pytest.mark.parametrize(("seed", "workers"), [(-1, 0), (0, -1)])
def test_a_negative_seed_or_number_of_workers_is_refused(kind, seed, workers):
    with fails(f"seed and num_workers: must be at least 0, are {seed} and {workers}"):
        kind(Letters(), seed=seed, num_workers=workers)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (EpisodeView, {"shots": -1}, "shots: must be greater than 0, is -1"),
        (EpisodeView, {"first": -1}, "first: must be at least 0, is -1"),
        (PairView, {"episode_seed": -1}, "episode_seed: must be at least 0, is -1"),
        (EpisodeView, {"queries": 0}, "queries: must be greater than 0, is 0"),
        (EpisodeView, {"episodes": -1}, "episodes: must be greater than 0, is -1"),
        (EpisodeView, {"val_episodes": 0}, "val_episodes: must be greater than 0, is 0"),
        (EpisodeView, {"tasks_per_batch": 0}, "tasks_per_batch: must be greater than 0, is 0"),
        (EpisodeView, {"ways": 1}, "ways: must be at least 2, is 1"),
        (EpisodeView, {"split": "tst"}, "split: 'tst' is not one of source, validation, target"),
        (EpisodeView, {"head": "old"}, "head: 'old' is not one of kept, new"),
        (PairView, {"shots": -1}, "shots: must be at least 0, is -1"),
        (PairView, {"episode": -1}, "episode: must be at least 0, is -1"),
        (PairView, {"batch_size": 0}, "batch_size: must be greater than 0, is 0"),
        (PairView, {"samples": 0}, "samples: must be greater than 0, is 0"),
        (PairView, {"held_out": 1.0}, "held_out: must be a share between 0 and 1, is 1.0"),
        (
            PairView,
            {"source": False},
            "shots: 0 labelled target examples, no unlabelled ones and no source leave nothing to "
            "fit",
        ),
        (StreamView, {"batch_size": 0}, "batch_size: must be greater than 0, is 0"),
        (StreamView, {"tasks": 0}, "tasks: must be greater than 0, is 0"),
        (StreamView, {"split": "x"}, "split: 'x' is not one of source, validation, target"),
        (EnvView, {"envs": 0}, "envs: must be greater than 0, is 0"),
        (EnvView, {"split": "x"}, "split: 'x' is not one of source, validation, target"),
    ],
)
def test_options_out_of_range_are_refused(kind, options, message):
    with fails(message):
        kind(Letters(), **options)


@pytest.mark.parametrize(
    "view",
    [
        EpisodeView(Letters(), ways=3, seed=4),
        PairView(Letters(), shots=1, seed=4),
        StreamView(Letters(), ways=3, seed=4),
        EnvView(Walks(), seed=4),
    ],
    ids=lambda view: type(view).__name__,
)
def test_views_pickle_and_describe_themselves(view):
    again = pickle.loads(pickle.dumps(view))
    assert again.seed == 4
    known = describe_object(view)
    assert known["options"]["seed"] == 4
    assert known["options"]["domain"]["options"] == describe_object(view.domain)["options"]
    assert (
        known["name"]
        == f"tlml.views.{type(view).__module__.rpartition('.')[2]}.{type(view).__name__}"
    )


def test_fewer_items_than_processes_and_remainders_are_refused(monkeypatch):
    monkeypatch.setattr(View, "world", lambda self: (0, 2))
    with fails("EpisodeView: 5 episodes can't be divided among 2 processes; take 4 or 6"):
        EpisodeView(Letters(), episodes=5).train_dataloader()
    with fails("EpisodeView: 1 episodes can't be divided among 2 processes; take 2"):
        EpisodeView(Letters(), episodes=1).test_dataloader()
    with fails("EnvView: 3 tasks can't be divided among 2 processes; take 2 or 4"):
        EnvView(Walks(), tasks=3).train_dataloader()
    with fails("PairView: 1 batches can't be divided among 2 processes; take 2"):
        PairView(Letters()).train_dataloader()
    with fails(
        "StreamView: 3 batches of 4 examples can't be divided among 2 processes; take 2 or 4"
    ):
        StreamView(Tables(train=12, test=2), batch_size=4).train_dataloader()


def test_labels_mean_the_same_only_where_kind_and_size_are_equal():
    x = Letters().x
    pool, five, four = (ViewSpaces(x, Discrete(n), "pool") for n in (5, 5, 4))
    assert pool.same_labels(five)
    assert not pool.same_labels(four)
    assert not pool.same_labels(ViewSpaces(x, Discrete(5), "episode"))


def test_setup_draws_and_checks_before_long_work():
    with fails(
        "ways: 6 does not fit the validation classes of Letters: there are 5, and at least 2 are "
        "needed"
    ):
        EpisodeView(Letters(), ways=6, shots=1, queries=1).setup("fit")
    with pytest.raises(TlmlError, match=r"has 8 examples; 5 shots and 15 queries are more$"):
        EpisodeView(Letters()).setup("test")
    EpisodeView(Letters(), ways=7, shots=1, queries=1).setup("test")

    class Gaps(Tables):
        def tasks(self, split):
            found = super().tasks(split)
            if split == "target":
                found[0].x[0] = np.nan
            return found

    EpisodeView(Gaps(), shots=1, queries=1).setup("fit")
    for view in (EpisodeView(Gaps(), shots=1, queries=1), PairView(Gaps(), shots=1, queries=1)):
        with pytest.raises(TlmlError, match=r"^task target 0: x of 1 of 12 examples is NaN"):
            view.setup("test")


def test_setup_draws_from_the_splits_that_the_stage_uses():
    class Fussy(Walks):
        def draw(self, split, rng):
            seen.append(split)
            return super().draw(split, rng)

    seen: list[str] = []
    for stage in ("fit", "validate", "test"):
        EnvView(Fussy()).setup(stage)
    assert seen == ["source", "validation", "validation", "target"]


def test_views_are_public():
    assert tlml.EpisodeView is EpisodeView
    assert tlml.EnvView is EnvView
