"""Pairs of source and target: who gets which examples."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines, Table, Tables, keys
from views import few, same, seeds

from tlml import EpisodeView, Examples, PairView, StreamView


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


@dataclass(frozen=True)
class Parts:
    """A task with a ``val`` part of its own, of `val` examples after those of the table."""

    table: Table
    val: Examples

    @property
    def name(self):
        return self.table.name

    def split(self, part):
        return self.val if part == "val" else self.table.split(part)


class Families(Tables):
    """Tables whose source tasks have a ``val`` part, and validation tasks other labels if asked."""

    def __init__(self, classes, train, test, val, same_labels):
        super().__init__(classes, train=train, test=test)
        self.val, self.same_labels = val, same_labels

    def spaces(self, split):
        other = split == "validation" and not self.same_labels
        return self.x, Discrete(9) if other else self.y

    def tasks(self, split):
        return [
            Parts(task, self._val(task, place)) for place, task in enumerate(super().tasks(split))
        ]

    def _val(self, task, place):
        rows = torch.arange(self.val) % max(len(task.x), 1)
        return Examples(task.x[rows] + 100.0 * (place + 1), task.y[rows])


def learned_and_judged(view):
    """Return the source examples that a view trains on, and those that validate it."""
    learned = {x for pair in view.train_dataloader() for x in keys(pair.source.x)}
    return learned, {x for pair in view.val_dataloader() for x in keys(pair.source.x)}


@few
@given(
    seeds, st.sampled_from([0, 2, 3]), st.integers(6, 20), st.sampled_from([0, 6, 9]),
    st.sampled_from([0, 4]), st.booleans(),
)  # fmt: skip
def test_all_views_see_the_same_source_and_none_is_judged_by_what_it_learns(
    seed, classes, train, test, val, same_labels
):
    domain = Families(classes, train, test, val, same_labels)
    tasks = domain.tasks("source")
    whole = {x for t in tasks for part in ("train", "test") for x in keys(t.split(part).x)}
    granted = {x for t in tasks for x in keys(t.split("val").x)}

    learned, judged = learned_and_judged(PairView(domain, seed=seed))
    assert not learned & judged
    if same_labels:
        assert learned == whole and not judged & (whole | granted)
    elif val:
        assert learned == whole and judged == granted
    else:
        assert learned | judged == whole and len(judged) < len(learned)

    episodes = EpisodeView(domain, shots="all" if test else 1, queries="all", seed=seed)
    drawn = [episodes.dataset("source")[number] for number in range(40)]
    assert {x for one in drawn for batch in one for x in keys(batch.x)} == whole

    stream = StreamView(domain, seed=seed)
    parts = [(set(keys(own.x[:])), set(keys(by.x[:]))) for own, by in stream.stream()]
    assert not any(own & by for own, by in parts)
    assert set.union(*(own | by for own, by in parts)) == whole


@few
@given(seeds, st.lists(st.integers(4, 9), min_size=2, max_size=5))
def test_all_views_see_the_same_source_of_a_pool(seed, sizes):
    domain = Letters({"source": sizes, "validation": [4, 4], "target": [4, 4]})
    whole = {x for own in domain.classes("source").values() for x in keys(own)}
    learned, judged = learned_and_judged(PairView(domain, seed=seed))
    assert not learned & judged and learned | judged == whole
    view = EpisodeView(domain, ways=len(sizes), shots=1, queries="all", seed=seed)
    assert {x for batch in view.dataset("source")[0] for x in keys(batch.x)} == whole
    stream = StreamView(domain, ways=len(sizes), seed=seed)
    ((own, by),) = stream.stream()
    assert set(keys(own.x)) | set(keys(by.x)) == whole and not set(keys(own.x)) & set(keys(by.x))


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
