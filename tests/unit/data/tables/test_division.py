from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml import TlmlError
from tlml.data.tables.division import check_choices, divide

SITES = [f"S{i}" for i in range(10)]
FRAME = pd.DataFrame(
    {
        "site": np.repeat(SITES, 5),
        "height": np.repeat(range(10), 5),
        "use": np.repeat(["train"] * 6 + ["val"] + ["test"] * 3, 5),
        "known": np.repeat([True] * 8 + [False] * 2, 5),
        "day": np.tile(range(5), 10),
    }
)
NOTHING: dict[str, Any] = {"source": None, "validation": None, "target": None}


def groups(frame: pd.DataFrame = FRAME, group: str | None = "site", ordered: bool = False,
           **choices: Any) -> dict[str, list[str]]:  # fmt: skip
    found = divide(frame, group, NOTHING | choices, ordered=ordered)
    return {split: list(own) for split, own in found.items()}


def test_what_nobody_chose_is_shared_out_and_always_the_same() -> None:
    found = groups()
    assert [len(own) for own in found.values()] == [6, 2, 2]
    assert sorted(name for own in found.values() for name in own) == SITES
    assert groups(FRAME[::-1].reset_index(drop=True)) == found


@pytest.mark.parametrize("number", range(2, 12))
def test_few_groups_go_to_source_and_target_first(number: int) -> None:
    frame = pd.DataFrame({"site": np.repeat(range(number), 4)})
    found = groups(frame)
    assert len(found["source"]) >= len(found["target"]) >= 1
    held_out = [f"{name} held out" for name in found["source"]]
    assert (found["validation"] == held_out) == (number == 2)


def test_groups_are_chosen_by_name_pattern_and_number() -> None:
    found = groups(source=["S1", "S2"], target="S[89]")
    assert (found["source"], found["target"]) == (["S1", "S2"], ["S8", "S9"])
    assert found["validation"] == ["S0", "S3", "S4", "S5", "S6", "S7"]
    found = groups(group="height", source=[1, 2.0], validation=["3"], target=4)
    assert found == {"source": ["1", "2"], "validation": ["3"], "target": ["4"]}


def test_groups_are_chosen_by_a_column_that_says_so() -> None:
    found = groups(source="use", validation="use", target="use")
    assert found == {"source": SITES[:6], "validation": ["S6"], "target": SITES[7:]}
    assert groups(source="known", target=["S8"])["source"] == SITES[:8]
    numbers = FRAME.assign(known=FRAME["known"].astype(float))
    assert groups(numbers, source="known")["source"] == SITES[:8]


def test_source_and_validation_share_what_the_target_leaves() -> None:
    found = groups(target=["S0", "S1"])
    assert [len(found[split]) for split in ("source", "validation")] == [6, 2]


def test_without_validation_groups_a_part_of_each_source_group_is_held_out() -> None:
    choices = NOTHING | {"source": ["S0", "S1"], "target": SITES[2:]}
    found = divide(FRAME, "site", choices, ordered=False)
    assert list(found["validation"]) == ["S0 held out", "S1 held out"]
    for name in ("S0", "S1"):
        both = [*found["source"][name], *found["validation"][f"{name} held out"]]
        assert sorted(both) == np.flatnonzero(FRAME["site"] == name).tolist()
        assert len(found["validation"][f"{name} held out"]) == 1
    later = divide(FRAME, "site", choices, ordered=True)
    assert later["validation"]["S1 held out"].tolist() == [9]


def test_without_groups_the_rows_are_divided() -> None:
    found = divide(FRAME, None, NOTHING, ordered=False)
    rows = {split: own[f"{split} rows"] for split, own in found.items()}
    assert [len(own) for own in rows.values()] == [30, 10, 10]
    assert sorted(np.concatenate(list(rows.values()))) == list(range(50))
    assert rows["source"].max() > 40


def test_without_groups_time_divides_the_rows() -> None:
    found = divide(FRAME, None, NOTHING, ordered=True)
    ends = [own[f"{split} rows"][[0, -1]].tolist() for split, own in found.items()]
    assert ends == [[0, 29], [30, 39], [40, 49]]


def test_without_groups_a_column_may_say_which_rows() -> None:
    found = divide(FRAME, None, NOTHING | dict.fromkeys(NOTHING, "use"), ordered=False)
    assert [len(own[f"{split} rows"]) for split, own in found.items()] == [30, 5, 15]


@given(st.lists(st.sampled_from("abcdef"), min_size=12, max_size=40), st.booleans())
def test_no_row_is_in_two_tasks(names: list[str], ordered: bool) -> None:
    frame = pd.DataFrame({"site": [*names, *"aabbccddeeff"]})
    found = divide(frame, "site", NOTHING, ordered=ordered)
    rows = np.concatenate([rows for own in found.values() for rows in own.values()])
    assert sorted(rows) == list(range(len(frame)))


def test_columns_that_divide_are_told() -> None:
    assert check_choices(NOTHING | {"source": "use", "target": ["S1"]}, list(FRAME)) == ["use"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ["S11"]}, "source: no group and no column is called 'S11'; did you mean S1?"),
        ({"target": "x*"}, "target_groups: no group and no column is called 'x*'; choose from "
         + ", ".join(SITES)),
        ({"source": "S*"}, "target_groups: no group is left for the target; choose fewer groups "
         "elsewhere, or give a table with more of them"),
        ({"target": "S*"}, "source: no group is left for the source; choose fewer groups "
         "elsewhere, or give a table with more of them"),
        ({"source": [], "target": ["S1"]}, "source: no group is left for the source; choose fewer "
         "groups elsewhere, or give a table with more of them"),
        ({"source": ["S1", "S2"], "target": ["S2"]}, "source and target_groups share group 'S2'; a "
         "group is in one split"),
        ({"source": "day"}, "source: column 'day' says source or train in no row; choose from "
         "0, 1, 2, 3, 4"),
        ({"source": ["S1"], "group": None}, "source: '['S1']' is not a column; choose from "
         "day, height, known, site, use; to choose by groups, name the column that holds them as "
         "group"),
    ],
)  # fmt: skip
def test_choices_that_fit_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TlmlError) as caught:
        groups(**options)
    assert str(caught.value) == message


def test_a_group_that_a_column_divides_or_that_is_too_small_is_refused() -> None:
    mixed = FRAME.assign(known=[*FRAME["known"][:-1], True])
    with pytest.raises(TlmlError) as caught:
        groups(mixed, source="known")
    assert str(caught.value) == (
        "source: column 'known' differs within group 'S9'; a group is in one split"
    )
    with pytest.raises(TlmlError) as caught:
        groups(FRAME[:46], target=["S9"])
    assert str(caught.value) == (
        "group: 'S9' has 1 row of the target, and 2 are needed at least, one to learn from and one "
        "to be judged by; leave it out, or join groups"
    )
    with pytest.raises(TlmlError, match=r"^table: 'source rows' has 1 row of the source, and 2 "):
        groups(FRAME[:2], group=None)
