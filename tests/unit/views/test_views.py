from __future__ import annotations

import pickle
import re
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Letters, Lines, Tables, keys

import tlml
from tlml import EnvView, EpisodeView, PairView, StreamView, TlmlError, View
from tlml.data import draw_episode, draw_task, keyed_rng
from tlml.recorded import described
from tlml.testing.toys import Walks
from tlml.views import ViewSpaces

few = settings(max_examples=25)


seeds = st.integers(0, 2**32)


def fails(message: str):
    return pytest.raises(TlmlError, match=f"^{re.escape(message)}$")


def examples_of(episode) -> list[tuple[float, ...]]:
    return keys(episode.support.x) + keys(episode.query.x)


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return len(one) == len(other) and all(map(same, one, other))


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
    known = described(view)
    assert known["options"]["seed"] == 4
    assert known["options"]["domain"]["options"] == described(view.domain)["options"]
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


@few
@given(seeds, st.sampled_from(["source", "validation", "target"]), st.integers(0, 2**40))
def test_an_episode_is_a_function_of_seed_split_and_index(seed, split, index):
    options = {"ways": 3, "shots": 2, "queries": 2}
    one, again = (EpisodeView(Letters(), **options, seed=seed).dataset(split) for _ in range(2))
    other = EpisodeView(Letters(), **options, seed=seed + 1).dataset(split)
    assert same(one[index], again[index])
    assert not same(one[index], one[index + 1])
    assert not same(one[index], other[index])
    rng = keyed_rng(seed, split, index)
    assert same(one[index], draw_episode(draw_task(Letters(), split, rng, 3), 2, 2, rng, 3))


@few
@given(seeds)
def test_the_three_loaders_share_no_example_and_no_query_is_in_a_support(seed):
    view = EpisodeView(Letters(), ways=3, shots=2, queries=2, episodes=6, seed=seed)
    found = []
    for loader in (view.train_dataloader(), view.val_dataloader(), view.test_dataloader()):
        seen = set()
        for batch in loader:
            for support, query in zip(batch.support.x, batch.query.x, strict=True):
                assert not set(keys(support)) & set(keys(query))
            seen |= set(examples_of(batch))
        found.append(seen)
    assert not (found[0] & found[1] or found[1] & found[2] or found[0] & found[2])


def test_workers_and_epochs_give_the_same_episodes():
    def epochs(workers: int) -> list:
        view = EpisodeView(
            Letters(), ways=2, shots=1, queries=1, episodes=6, tasks_per_batch=2,
            num_workers=workers,
        )  # fmt: skip
        loader, found = view.train_dataloader(), []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            found += list(loader)
        return found

    alone, with_workers = epochs(0), epochs(2)
    assert len(alone) == 6
    assert same(alone, with_workers)
    assert not same(alone[:3], alone[3:])


def test_training_episodes_are_fresh_and_evaluation_episodes_fixed():
    view = EpisodeView(Letters(), episodes=3, val_episodes=2, tasks_per_batch=2, shots=1, queries=1)
    for loader, fixed, sizes in (
        (view.train_dataloader(), False, [2, 1]),
        (view.val_dataloader(), True, [2]),
        (view.test_dataloader(), True, [2, 1]),
    ):
        first = list(loader)
        loader.sampler.set_epoch(1)
        assert [len(batch.support.x) for batch in first] == sizes
        assert same(first, list(loader)) is fixed


def test_a_batch_has_the_promised_shapes():
    view = EpisodeView(Letters(shape=(1, 4, 4)), ways=3, shots=2, queries=5, tasks_per_batch=4)
    batch = next(iter(view.train_dataloader()))
    assert batch.support.x.shape == (4, 6, 1, 4, 4)
    assert batch.support.y.shape == (4, 6)
    assert batch.query.x.shape == (4, 15, 1, 4, 4)
    assert batch.query.y.dtype == torch.int64


@pytest.mark.parametrize(
    ("domain", "ways", "expected"),
    [
        (Letters(), None, (5, "episode")),
        (Letters(), 3, (3, "episode")),
        (Tables(classes=4), None, (4, "domain")),
        (Tables(classes=4), 4, (4, "domain")),
        (Tables(classes=4), 2, (2, "episode")),
    ],
)
def test_episodes_have_spaces_of_their_own(domain, ways, expected):
    view = EpisodeView(domain, ways=ways)
    for spaces in (view.spaces, view.test_spaces):
        assert (spaces.y, spaces.labels) == (Discrete(expected[0]), expected[1])
        assert spaces.x == domain.x


def test_values_keep_the_domains_spaces():
    assert EpisodeView(Lines()).spaces == ViewSpaces(Lines().x, Lines().y, "domain")


def test_labels_mean_the_same_only_where_kind_and_size_are_equal():
    x = Letters().x
    pool, five, four = (ViewSpaces(x, Discrete(n), "pool") for n in (5, 5, 4))
    assert pool.same_labels(five)
    assert not pool.same_labels(four)
    assert not pool.same_labels(ViewSpaces(x, Discrete(5), "episode"))


@pytest.mark.parametrize(
    ("domain", "ways", "message"),
    [
        (Tables(classes=3), 4, "ways=4, but Tables has only 3 classes"),
        (Lines(), 2, "ways: Lines has no classes but values to predict; leave ways out"),
    ],
)
def test_ways_that_a_domain_hasnt_are_refused_at_once(domain, ways, message):
    with fails(message):
        EpisodeView(domain, ways=ways)


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


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells what is resident")
def test_thousands_of_episodes_take_no_memory():
    view = EpisodeView(
        tlml.domain("sinusoid"), shots=1, queries=1, tasks_per_batch=50, episodes=2_000
    )
    loader, resident = view.train_dataloader(), []
    for _ in range(10):  # epochs
        assert sum(len(batch.support.x) for batch in loader) == 2_000
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * resource.getpagesize() / 2**20)
    assert resident[-1] - resident[0] < 2  # MiB: 116 bytes for each of 18,000 episodes


@few
@given(seeds, st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3))
def test_the_labelled_target_is_the_support_of_the_episode(seed, episode, shots, queries):
    for domain in (Letters(), Tables(classes=2), Tables(), Lines()):
        ways = 3 if isinstance(domain, Letters) else None
        key = {"ways": ways, "queries": queries, "seed": seed}
        view = PairView(domain, shots=shots, episode=episode, **key)
        support, query = EpisodeView(domain, shots=shots, **key).dataset("target")[episode]
        pair = next(iter(view.train_dataloader()))
        assert same(pair.target, support)
        tested = next(iter(view.test_dataloader()))
        assert same(tested.target, query)
        assert len(tested.source.x) == len(tested.unlabelled) == 0


@few
@given(seeds, st.integers(0, 100), st.booleans(), st.integers(0, 3), st.integers(1, 3))
def test_the_unlabelled_target_never_holds_the_query_unless_transductive(
    seed, episode, transductive, shots, queries
):
    for domain in (
        Letters(), Tables(classes=2), Tables(classes=2, test=8), Tables(), Tables(test=5), Lines()
    ):  # fmt: skip
        view = PairView(
            domain, shots=shots, queries=queries, episode=episode, seed=seed, unlabelled=True,
            transductive=transductive, ways=3 if isinstance(domain, Letters) else None,
            samples=20, batch_size=7,
        )  # fmt: skip
        query = set(keys(view.drawn().episode.query.x))
        free = set(keys(view.unlabelled_examples()))
        assert query <= free if transductive else not query & free
        given_ = {x for pair in view.train_dataloader() for x in keys(pair.unlabelled)}
        assert given_ <= free


def test_the_unlabelled_target_may_hold_the_labelled_one_and_all_the_rest():
    view = PairView(Letters(), ways=3, shots=1, queries=2, unlabelled=True)
    drawn = view.drawn()
    whole = set(keys(torch.cat(drawn.task.samples)))
    assert set(keys(view.unlabelled_examples())) == whole - set(keys(drawn.episode.query.x))


@few
@given(seeds, st.integers(1, 40))
def test_an_epoch_passes_the_source_once_in_a_fresh_order(seed, batch_size):
    view = PairView(Tables(classes=2), batch_size=batch_size, seed=seed)
    loader, orders = view.train_dataloader(), []
    whole = view.source_examples()
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        pairs = list(loader)
        orders.append(torch.cat([pair.index for pair in pairs]))
        assert sorted(orders[-1].tolist()) == list(range(len(whole)))
        for pair in pairs:
            assert torch.equal(pair.source.x, whole.x[pair.index])
            assert torch.equal(pair.source.y, whole.y[pair.index])
            assert len(pair.target.x) == len(pair.unlabelled) == 0
    assert not torch.equal(*orders)


@pytest.mark.parametrize("domain", [Letters(), Tables(classes=3), Tables()])
def test_the_source_is_pooled_from_the_source_tasks(domain):
    whole = PairView(domain).source_examples()
    known = {x for task in domain.tasks("source") for x in keys(task.split("train").x)}
    held = {x for pair in PairView(domain).val_dataloader() for x in keys(pair.source.x)}
    assert set(keys(whole.x)) <= known
    assert not held & set(keys(whole.x))
    if isinstance(domain, Letters):  # no validation class has a source label: some are held out
        assert held | set(keys(whole.x)) == known
        assert len(held) == round(0.1 * len(known))
    else:
        assert held == {x for task in domain.tasks("validation") for x in keys(task.x)}


def test_validation_tasks_with_other_labels_judge_no_source():
    class Others(Tables):
        def spaces(self, split):
            return self.x, Discrete(9) if split == "validation" else self.y

    domain = Others(classes=3)
    held = {x for pair in PairView(domain).val_dataloader() for x in keys(pair.source.x)}
    assert held
    assert held < {x for task in domain.tasks("source") for x in keys(task.x)}


def test_balanced_draws_are_balanced():
    class Skewed(Tables):
        def tasks(self, split):
            found = list(super().tasks(split))
            for task in found:
                task.y[:] = 0
                task.y[:5] = 1
            return found

    domain = Skewed(classes=2, train=100)
    shares = {}
    for balanced in (False, True):
        view = PairView(domain, balanced=balanced, batch_size=50)
        loader, labels = view.train_dataloader(), []
        for epoch in range(4):
            loader.sampler.set_epoch(epoch)
            labels += [pair.source.y for pair in loader]
        shares[balanced] = torch.cat(labels).float().mean().item()
    assert shares[False] == pytest.approx(0.05)
    # 1200 fair draws: the standard deviation of their mean is .0144.
    assert shares[True] == pytest.approx(0.5, abs=5 * 0.0144)


def test_values_can_not_be_balanced():
    with fails("balanced: targets are values, not classes"):
        next(iter(PairView(Tables(), balanced=True).train_dataloader()))


def test_a_family_without_end_draws_fresh_source_examples():
    view = PairView(Lines(), batch_size=8, samples=24)
    loader, seen = view.train_dataloader(), []
    assert len(loader) == 3
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        seen += list(loader)
    points = [x for pair in seen for x in keys(pair.source.x)]
    assert len(points) == len(set(points)) == 48
    assert torch.cat([pair.index for pair in seen]).tolist() == list(range(48))
    slopes = torch.cat([pair.source.y / pair.source.x for pair in seen])
    assert len(set(slopes.flatten().tolist())) > 40
    with fails("Lines is sampled without end: there are no fixed source examples to weigh"):
        view.source_examples()


def test_without_source_the_labelled_target_drives():
    view = PairView(Letters(), ways=3, shots=4, queries=2, source=False, batch_size=5)
    pairs = list(view.train_dataloader())
    assert [len(pair.target.x) for pair in pairs] == [5, 5, 2]
    assert all(len(pair.source.x) == 0 for pair in pairs)
    seen = [x for pair in pairs for x in keys(pair.target.x)]
    assert sorted(seen) == sorted(keys(view.drawn().episode.support.x))


def test_without_source_and_labels_the_unlabelled_target_drives():
    view = PairView(Letters(), ways=3, queries=2, source=False, unlabelled=True, batch_size=5)
    pairs = list(view.train_dataloader())
    assert all(len(pair.source.x) == len(pair.target.x) == 0 for pair in pairs)
    seen = [x for pair in pairs for x in keys(pair.unlabelled)]
    assert sorted(seen) == sorted(keys(view.unlabelled_examples()))
    assert not set(seen) & set(keys(view.drawn().episode.query.x))
    with fails("balanced: there are no labels whose classes could be balanced"):
        PairView(Letters(), source=False, unlabelled=True, balanced=True)


@pytest.mark.parametrize(
    ("domain", "options", "spaces", "target"),
    [
        (Letters(), {}, (6, "pool"), (5, "episode")),
        (Letters(), {"source": False, "shots": 1, "ways": 3}, (3, "episode"), (3, "episode")),
        (Tables(classes=4), {}, (4, "domain"), (4, "domain")),
        (Tables(classes=4), {"ways": 2}, (4, "domain"), (2, "episode")),
        (
            Tables(classes=4),
            {"ways": 2, "source": False, "shots": 1},
            (2, "episode"),
            (2, "episode"),
        ),
    ],
)
def test_pairs_say_what_labels_mean_on_both_sides(domain, options, spaces, target):
    view = PairView(domain, **options)
    for found, (size, labels) in ((view.spaces, spaces), (view.target_spaces, target)):
        assert (found.y, found.labels) == (Discrete(size), labels)


@given(st.integers(1, 4), st.integers(1, 40))
@few
def test_ranks_share_evaluations_without_leaving_any_example_out(world, batch_size):
    view = PairView(Letters(), ways=3, queries=5, batch_size=batch_size)
    seen = []
    for rank in range(world):
        view.world = lambda rank=rank: (rank, world)
        loader = view.test_dataloader()
        parts = [keys(pair.target.x) for pair in loader]
        assert len(parts) == len(loader)
        assert all(parts)
        seen += [x for part in parts for x in part]
    assert sorted(seen) == sorted(keys(view.drawn().episode.query.x))


def epochs_of(view: StreamView, count: int) -> list[list]:
    loader, found = view.train_dataloader(), []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        found.append(list(loader))
    return found


@few
@given(seeds, st.integers(1, 13))
def test_a_stream_shows_each_example_once_task_after_task(seed, batch_size):
    domain = Tables(classes=3, number=4, test=3)
    view = StreamView(domain, batch_size=batch_size, seed=seed)
    tasks = domain.tasks("source")
    for number, steps in enumerate(epochs_of(view, 4)):
        assert {t for step in steps for t in step.task.tolist()} == {number}
        seen = [x for step in steps for x in keys(step.batch.x)]
        assert sorted(seen) == sorted(keys(tasks[number].split("train").x))
        assert all(len(step.batch.x) == batch_size for step in steps[:-1])
        judged = list(view.val_dataloader()[number])
        assert sorted(x for step in judged for x in keys(step.batch.x)) == sorted(
            keys(tasks[number].split("test").x)
        )
        assert {t for step in judged for t in step.task.tolist()} == {number}


def test_the_order_within_a_task_is_keyed():
    first, again, other = (
        epochs_of(StreamView(Tables(test=2), batch_size=4, seed=seed), 3) for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert not same(first, other)


def test_a_pool_is_divided_into_tasks_that_keep_their_labels():
    view = StreamView(Letters(), ways=2, batch_size=5)
    pool = Letters().classes("source")
    assert view.spaces == ViewSpaces(Letters().x, Discrete(6), "pool")
    for number, steps in enumerate(epochs_of(view, 3)):
        labels = torch.cat([step.batch.y for step in steps])
        assert set(labels.tolist()) <= {2 * number, 2 * number + 1}
        train = {x for step in steps for x in keys(step.batch.x)}
        judged = {x for step in view.val_dataloader()[number] for x in keys(step.batch.x)}
        own = {x for name in list(pool)[2 * number : 2 * number + 2] for x in keys(pool[name])}
        assert not train & judged
        assert train | judged == own


def test_classes_that_fill_no_task_are_left_out():
    view = StreamView(Letters(), ways=4)
    assert len(view.stream()) == 1
    assert view.spaces.y == Discrete(4)


@pytest.mark.parametrize("kind", ["tasks", "samples"])
def test_a_part_of_a_stream_can_be_taken(kind):
    view = StreamView(Tables(number=3, test=2), batch_size=4, **{kind: 2})
    steps = epochs_of(view, 2)
    assert len(view.stream()) == (2 if kind == "tasks" else 3)
    assert sum(len(step.task) for step in steps[0]) == (12 if kind == "tasks" else 2)


@pytest.mark.parametrize(
    ("domain", "options", "message"),
    [
        (Tables(), {"tasks": 4}, "tasks=4, but Tables has only 3 source tasks"),
        (Letters(), {"ways": 7}, "ways=7, but Letters has only 6 source classes"),
        (
            Tables(test=1),
            {"samples": 13},
            "samples=13, but the smallest task has only 12 examples",
        ),
        (Lines(), {}, "Lines has endless tasks: it has draw(), not tasks()"),
    ],
)
def test_streams_that_a_domain_hasnt_are_refused(domain, options, message):
    with fails(message):
        StreamView(domain, **options).train_dataloader()


def test_tasks_without_fixed_examples_are_no_stream():
    class Few(Lines):
        def tasks(self, split):
            return [self.draw(split, np.random.default_rng(0))]

    with pytest.raises(TlmlError, match=r"^task slope \S+: a stream needs tasks with split\(\)$"):
        StreamView(Few()).setup("fit")


def test_environments_are_descriptions_that_make_equal_environments():
    view = EnvView(Walks(), envs=3, tasks_per_batch=2, tasks=4, seed=5)
    batch = next(iter(view.train_dataloader()))
    assert [each.index for each in batch] == [0, 1]
    again = EnvView(Walks(), envs=3, seed=5).dataset("source")[0]
    assert vars(batch[0]) == vars(again) == vars(pickle.loads(pickle.dumps(again)))
    walks = [again.make(), again.make(), again.make(rollout=1)]
    first, second, other = (walk.step(np.zeros(3, dtype=int))[0] for walk in walks)
    assert first.shape == (3, 2)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert len({tuple(row) for row in first}) == 3


def test_environments_differ_by_seed_split_and_index_and_test_ones_are_fixed():
    view = EnvView(Walks(), tasks=3, test_tasks=2)
    tasks = [view.dataset(split)[i].task for split in ("source", "target") for i in range(3)]
    tasks += [EnvView(Walks(), seed=1).dataset("source")[0].task]
    assert len({task.goal for task in tasks}) == 7
    loader = view.train_dataloader()
    loader.sampler.set_epoch(1)
    assert [each.index for batch in loader for each in batch] == [3, 4, 5]
    loader = view.test_dataloader()
    loader.sampler.set_epoch(1)
    assert [each.index for batch in loader for each in batch] == [0, 1]


def test_only_tasks_that_can_be_acted_in_are_environments():
    with pytest.raises(TlmlError, match=r"^task slope \S+: EnvView needs tasks with make\(\)$"):
        EnvView(Lines()).setup("fit")


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
