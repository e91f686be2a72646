"""The order of a stream's tasks and classes."""

from __future__ import annotations

import torch
from refusals import fails
from tiny import Letters, Tables, keys

from tlml import PairView, StreamView


def places(view: StreamView, tables: Tables) -> list[int]:
    """Return which table each task of a stream is."""
    known = [sorted(keys(task.split("train").x)) for task in tables.tasks("source")]
    return [known.index(sorted(keys(view.stream()[t][0].x))) for t in range(view.number_of_tasks)]


def test_the_order_of_tasks_is_drawn_by_the_seed():
    tables = Tables(number=6, test=2)
    assert places(StreamView(tables, seed=3), tables) == list(range(6))
    drawn = [places(StreamView(tables, order="shuffled", seed=s), tables) for s in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert all(sorted(order) == list(range(6)) for order in drawn)
    assert len({tuple(order) for order in drawn}) == 3
    assert places(StreamView(tables, order="shuffled", tasks=2), tables) == drawn[0][:2]


def test_the_classes_of_a_pool_are_divided_in_an_order_drawn_by_the_seed():
    pool = {name: set(keys(x)) for name, x in Letters().classes("source").items()}

    def classes(seed: int) -> list[str]:
        view = StreamView(Letters(), ways=2, order="shuffled", seed=seed)
        assert view.spaces.labels == "stream"
        found = {}
        for task, (train, test) in enumerate(view.stream()):
            for data in (train, test):
                assert set(data.y.tolist()) <= set(view.classes_of(task))
                for x, y in zip(keys(data.x), data.y.tolist(), strict=True):
                    found.setdefault(y, set()).add(x)
        assert sorted(found) == list(range(6))
        return [next(name for name, own in pool.items() if own == found[y]) for y in range(6)]

    orders = [classes(seed) for seed in (0, 0, 1, 2)]
    assert orders[0] == orders[1]
    assert all(sorted(order) == sorted(pool) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_labels_of_a_drawn_order_are_not_those_of_the_pool():
    pairs = PairView(Letters()).spaces
    assert pairs.same_labels(StreamView(Letters(), ways=2).spaces)
    assert not pairs.same_labels(StreamView(Letters(), ways=2, order="shuffled").spaces)


class Judged(Letters):
    """Letters, some of which have samples that only judge."""

    def __init__(self, judged: int = 6) -> None:
        super().__init__()
        self.judged = judged

    def test_samples(self, split):
        """Return one sample more of the first classes."""
        own = list(self.classes(split).items())[: self.judged]
        return {name: x[:1] + 100 for name, x in own}


def test_what_judges_the_classes_of_a_pool_is_the_test_part_of_their_task():
    view, plain = StreamView(Judged(), ways=2), StreamView(Letters(), ways=2)
    pool = list(Letters().classes("source").values())
    for task in range(3):
        learned, judged = view.stream()[task]
        assert learned.y.bincount()[2 * task :].tolist() == [8, 8]
        assert judged.y.tolist() == [2 * task, 2 * task + 1]
        expected = torch.cat([x[:1] + 100 for x in pool[2 * task : 2 * task + 2]])
        assert torch.equal(judged.x, expected)
    assert [len(part) for part in plain.stream()[0]] == [13, 3]  # a fifth is held out


def test_all_classes_of_a_pool_have_something_to_judge_by_or_none():
    with fails(
        "source classes of Judged: test_samples() lacks 'source 5'; give each class some, or no "
        "class any"
    ):
        StreamView(Judged(judged=5), ways=2).setup("fit")
    assert len(StreamView(Judged(judged=0), ways=2).stream()[0][1]) == 3
