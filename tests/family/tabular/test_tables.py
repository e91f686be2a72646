from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge

import tlml
from tlml import PairView, TlmlError
from tlml.data import SPLITS, draw_episode, keyed_rng
from tlml_tabular.diabetes import Diabetes
from tlml_tabular.wine import Wine

PARTS = ("train", "val", "test")
BOTH = pytest.mark.parametrize("kind", [Diabetes, Wine])
RAW = {
    Diabetes: load_diabetes(scaled=False, as_frame=True).frame,
    Wine: load_wine(as_frame=True).frame,
}


def data(domain, split, part="train"):
    (task,) = domain.tasks(split)
    return task.split(part)


def original(domain):
    """Return the rows of each split and part as they are in the table, found by their ranks."""
    frame = RAW[type(domain)]
    raw = frame.to_numpy()
    held = {(s, p): data(domain, s, p) for s in SPLITS for p in PARTS}
    x = np.concatenate([part.x.double() for part in held.values()])
    # A line maps what is standardised to what was, column by column.
    scale = raw[:, :-1].std(0) / x.std(0)
    back = (x - x.mean(0)) * scale + raw[:, :-1].mean(0)
    nearest = np.abs(back[:, None] - raw[None, :, :-1]).max(2).argmin(1)
    ends = np.cumsum([len(part) for part in held.values()])[:-1]
    return {key: frame.iloc[rows] for key, rows in zip(held, np.split(nearest, ends), strict=True)}


def test_both_are_registered():
    assert isinstance(tlml.domain("diabetes"), Diabetes)
    assert isinstance(tlml.domain("wine"), Wine)


@BOTH
def test_columns_are_scikit_learns(kind):
    assert list(kind.columns) == list(RAW[kind].columns[:-1])


@BOTH
def test_every_row_is_in_one_part_of_one_split(kind):
    rows = [row for frame in original(kind()).values() for row in frame.index]
    assert sorted(rows) == list(RAW[kind].index)


@pytest.mark.parametrize(
    ("domain", "cuts"),
    [(Diabetes(), (0.5, 0.65)), (Diabetes("age", (0.3, 0.4)), (0.3, 0.4)),
     (Wine(), (0.5, 0.65)), (Wine("ash", (0.4, 0.7)), (0.4, 0.7))],
    ids=lambda value: str(getattr(value, "options", "")),
)  # fmt: skip
def test_splits_are_ranges_of_the_column(domain, cuts):
    held, column = original(domain), RAW[type(domain)][domain.by]
    low, high = column.quantile(list(cuts))
    values = {s: np.concatenate([held[s, p][domain.by] for p in PARTS]) for s in SPLITS}
    assert values["source"].max() <= low < values["validation"].min()
    assert values["validation"].max() <= high < values["target"].min()
    names = [domain.tasks(split)[0].name for split in SPLITS]
    assert names == [
        f"{domain.by} up to {low:g}",
        f"{domain.by} from {low:g} to {high:g}",
        f"{domain.by} above {high:g}",
    ]


@BOTH
def test_the_sources_training_rows_alone_make_the_scale(kind):
    domain = kind()
    seen = original(domain)["source", "train"]
    center, scale = seen.mean(), seen.std(ddof=0)
    for (split, part), frame in original(domain).items():
        found = data(domain, split, part)
        expected = (frame - center) / scale
        np.testing.assert_allclose(found.x, expected.iloc[:, :-1], atol=1e-5)
        y = frame["target"] if kind is Wine else expected["target"]
        np.testing.assert_allclose(found.y.flatten(), y, atol=1e-5)


def test_a_column_without_spread_stays_finite():
    class Constant(Diabetes):
        def table(self):
            x, y = super().table()
            x[:, 3] = 7.0
            return x, y

    assert torch.equal(data(Constant(), "target").x[:, 3], torch.zeros(75))


def test_sizes_of_parts():
    sizes = {
        kind: [[len(data(kind(), split, part)) for part in PARTS] for split in SPLITS]
        for kind in (Diabetes, Wine)
    }
    assert sizes == {
        Diabetes: [[134, 33, 56], [41, 10, 18], [75, 0, 75]],
        Wine: [[58, 14, 24], [13, 3, 4], [30, 0, 32]],
    }


def test_each_class_is_divided_by_itself():
    counts = [torch.bincount(data(Wine(), "target", part).y).tolist() for part in ("train", "test")]
    assert counts == [[16, 6, 8], [16, 7, 9]]


def test_a_class_of_two_rows_is_in_train_and_test():
    domain = Wine("alcohol", cuts=(0.5, 0.65))
    for split in SPLITS:
        for part in ("train", "test"):
            if split != "validation" or part == "train":
                assert torch.unique(data(domain, split, part).y).tolist() == [0, 1, 2]


@BOTH
def test_what_is_drawn_fits_the_spaces(kind):
    domain = kind()
    rng = keyed_rng(0, "target", 0)
    support, query = draw_episode(domain.draw("target", rng), 2, 5, rng)
    for batch in (support, query):
        assert all(domain.x.contains(row) for row in batch.x.numpy())
        assert all(domain.y.contains(label) for label in batch.y.numpy())
    view = PairView(domain, batch_size=16, shots=2, queries=5, unlabelled=True)
    pair = next(iter(view.train_dataloader()))
    assert pair.source.x.shape[1:] == pair.unlabelled.shape[1:] == (len(domain.columns),)


def test_heavy_patients_are_not_like_slender_ones():
    scores = []
    for seed in range(5):
        domain = Diabetes(seed=seed)
        near, far = data(domain, "source", "test"), data(domain, "target", "test")
        source, own = (
            Ridge().fit(known.x, known.y.ravel())
            for known in (data(domain, "source"), data(domain, "target"))
        )
        scores.append([m.score(d.x, d.y.ravel()) for m, d in
                       ((source, near), (source, far), (own, far))])  # fmt: skip
    within, across, target_only = np.mean(scores, axis=0)
    assert within > across + 0.15
    assert target_only > across + 0.1


def test_a_model_of_the_source_wines_is_worth_less_on_the_target():
    domain = Wine("malic_acid")
    source, own = (
        LogisticRegression().fit(known.x, known.y)
        for known in (data(domain, "source"), data(domain, "target"))
    )
    test = data(domain, "target", "test")
    near = data(domain, "source", "test")
    assert source.score(near.x, near.y) > 0.9
    assert own.score(test.x, test.y) > source.score(test.x, test.y) + 0.3


@BOTH
def test_parts_are_a_function_of_the_seed(kind):
    one, again, other = (kind(seed=seed) for seed in (1, 1, 2))
    copied = pickle.loads(pickle.dumps(one))
    assert torch.equal(data(one, "source").x, data(again, "source").x)
    assert torch.equal(data(one, "source").x, data(copied, "source").x)
    assert not torch.equal(data(one, "source").x, data(other, "source").x)


@BOTH
def test_domains_pickle_without_their_tables(kind):
    domain = kind()
    domain.tasks("source")
    assert len(pickle.dumps(domain)) < 3000


NEAR = "no column is called"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Diabetes, {"by": "bmy"}, f"by: {NEAR} 'bmy'; did you mean bmi?"),
        (
            Diabetes,
            {"by": "income"},
            f"by: {NEAR} 'income'; choose from age, bmi, bp, s1, s2, s3, s4, s5, s6, sex",
        ),
        (Wine, {"by": "alcohool"}, f"by: {NEAR} 'alcohool'; did you mean alcohol?"),
        (Wine, {"seed": -1}, "seed: must be at least 0, is -1"),
        *[
            (
                Diabetes,
                {"cuts": cuts},
                "cuts: must be two shares of the rows, above 0, below 1 and the lower first, where "
                f"the source ends and where the target begins; is {cuts}",
            )
            for cuts in ((0.6, 0.5), (0.5,), 0.5, (0.0, 0.5), (0.5, 1.0), (0.5, float("nan")))
        ],
    ],
)
def test_bad_options_are_refused(kind, options, message):
    with pytest.raises(TlmlError) as caught:
        kind(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (Diabetes("s4"), "by: 's4' leaves the validation 1 rows, and 2 are needed"),
        (Diabetes("sex"), "by: 'sex' leaves the target 0 rows, and 2 are needed"),
        (Wine("proline"), "by: 'proline' leaves the source 0 rows of class_0, and 2 are needed"),
        (Wine("total_phenols"), "by: 'total_phenols' leaves the validation 1 rows of class_2, and 2"
         " are needed"),
    ],
    ids=lambda value: getattr(value, "by", ""),
)  # fmt: skip
def test_a_split_without_rows_or_classes_is_refused(domain, message):
    with pytest.raises(TlmlError) as caught:
        domain.tasks("source")
    assert str(caught.value) == f"{message}; divide by another column, or set other cuts"


def test_unknown_splits_and_parts_are_refused():
    with pytest.raises(
        TlmlError, match=r"^split: 'test' is not one of source, validation, target$"
    ):
        Wine().tasks("test")
    with pytest.raises(TlmlError, match=r"^part: 'target' is not one of train, test, val$"):
        data(Wine(), "target", "target")
