"""Files of episodes: what is written is read again, by numpy alone too, and nothing else is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from refusals import fails
from tiny import Letters, Lines, Tables, same

import tlml
from tlml import EpisodeView, TlmlError, write_episodes
from tlml.data import read_episodes
from tlml.data.episode_files import FORMAT
from tlml.recorded import describe_object

FIXED: dict[str, Any] = {"ways": 3, "shots": 2, "queries": 4, "episodes": 6, "seed": 5}


RAGGED: dict[str, Any] = {**FIXED, "ways": [2, 4], "shots": [1, 3], "queries": [2, 4]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return "tasks.npz"


def changed(path: str, **changes: Any) -> None:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})


@pytest.mark.parametrize(
    ("domain", "options"),
    [
        (Letters(), FIXED),
        (Letters(), RAGGED),
        (Tables(classes=4, train=40), RAGGED),
        (Tables(classes=4, train=40), {**FIXED, "ways": None}),
        (Tables(test=12), {**FIXED, "ways": None}),
        (Lines(), {**RAGGED, "ways": None}),
    ],
)
@pytest.mark.parametrize("split", ["target", "source"])
def test_the_episodes_of_a_file_are_the_views(
    domain: Any, options: dict[str, Any], split: Any, path: str
) -> None:
    view = EpisodeView(domain, **options, split=split)
    write_episodes(path, view)
    again = EpisodeView(domain, file=path, split=split)
    assert again.test_episodes == 6
    assert again.test_spaces == view.test_spaces and again.spaces == view.spaces
    for i in range(6):
        assert same(again.dataset(split)[i], view.dataset(split)[i])
    for one, other in zip(view.test_dataloader(), again.test_dataloader(), strict=True):
        assert type(one) is type(other)


def test_a_file_ends_and_a_number_beyond_is_the_users_to_mend(path: str) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    file = read_episodes(path)
    assert len([*file]) == 6
    for number in (6, -1):
        with fails(f"tasks.npz: has 6 episodes, and none has the number {number}"):
            file[number]


def test_examples_are_held_once(path: str) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED), number=40)
    file = read_episodes(path)
    assert len(file) == 40 and len(file.index[0]) == 40 * 6
    assert len(file.x) == len(torch.unique(file.x, dim=0)) <= 7 * 8


def test_numpy_alone_reads_what_is_in_it(path: str) -> None:
    view = EpisodeView(Letters(), **RAGGED)
    write_episodes(path, view)
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        start, parts = 0, file["support_counts"]
        for i in range(6):
            at = slice(start, start := start + int(parts[i]))
            support = view.dataset("target")[i].support
            np.testing.assert_array_equal(file["x"][file["support_index"][at]], support.x)
            np.testing.assert_array_equal(file["support_y"][at], support.y)
    assert about == {
        "domain": describe_object(view.domain), "split": "target", "seed": 5, "ways": [2, 4],
        "shots": [1, 3], "queries": [2, 4], "tlml": tlml.__version__, "format": FORMAT,
    }  # fmt: skip


def test_the_ways_of_a_pool_are_written_where_nothing_was_said(path: str) -> None:
    write_episodes(path, EpisodeView(Letters(), shots=1, queries=1, episodes=2))
    assert read_episodes(path).about.ways == 5


def test_training_and_validation_come_from_the_domain(path: str) -> None:
    view = EpisodeView(Letters(), **FIXED)
    write_episodes(path, view)
    again = EpisodeView(Letters(), file=path, episodes=6, seed=5)
    for name in ("train_dataloader", "val_dataloader"):
        one, other = (next(iter(getattr(v, name)())) for v in (view, again))
        assert same(one, other)
    assert again.spaces.y == Discrete(3)
    # Another split than the file's: options are chosen on validation tasks, not on the file's.
    tuning = EpisodeView(Letters(), file=path, split="validation", seed=5)
    assert same(tuning.dataset("validation")[0], view.dataset("validation")[0])


def test_the_turns_of_a_file_are_the_views(path: str) -> None:
    for domain in (Tables(number=6), Tables(number=2)):
        view = EpisodeView(domain, shots=2, queries=3, episodes=7)
        write_episodes(path, view)
        found, again = read_episodes(path), EpisodeView(domain, file=path)
        assert [found.turn(i)[:2] for i in range(7)] == [view.turn(i)[:2] for i in range(7)]
        assert again.turn(3) == found.turn(3)
        assert found.turn(7) is None
    changed(path, task=None, part=None)
    assert read_episodes(path).turn(0) is None


@pytest.mark.parametrize(
    "bad", [{"task": np.array(["a"])}, {"part": np.zeros(7)}, {"task": np.zeros(7)}]
)
def test_turns_are_one_for_each_episode(path: str, bad: dict[str, Any]) -> None:
    write_episodes(path, EpisodeView(Tables(number=2), shots=2, queries=3, episodes=7))
    changed(path, **bad)
    (name,) = bad
    with pytest.raises(TlmlError, match=f"not a file of episodes: {name} is not one for each"):
        read_episodes(path)


def test_a_path_is_kept_as_text(path: str) -> None:
    write_episodes(Path(path), EpisodeView(Letters(), **FIXED))
    assert describe_object(EpisodeView(Letters(), file=Path(path)))["options"]["file"] == path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 3}, "shots: 3 was asked for, and the episodes of tasks.npz have 2"),
        ({"ways": [2, 3]}, "ways: [2, 3] was asked for, and the episodes of tasks.npz have 3"),
        ({"episodes": 7}, "episodes: 7 were asked for, and tasks.npz has 6"),
    ],
)
def test_a_test_that_the_file_does_not_hold_is_refused(
    options: dict[str, Any], message: str, path: str
) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    view = EpisodeView(Letters(), file=path, **options)
    view.setup("fit")  # training may differ
    for test in (lambda: view.setup("test"), view.test_dataloader):
        with fails(message):
            test()


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (Letters(shape=(3,)), "inputs of shape [2], and Letters has [3]"),
        (Tables(), "classes as targets, and Tables has values"),
        (Tables(classes=2), "3 ways, and Tables has 2 target classes"),
    ],
)
def test_a_domain_that_cannot_have_the_episodes_is_refused(
    domain: Any, message: str, path: str
) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    with fails(f"tasks.npz: its episodes have {message}"):
        EpisodeView(domain, file=path)


def test_values_do_not_fit_classes_and_splits_must_agree(path: str) -> None:
    write_episodes(path, EpisodeView(Tables(), shots=2, queries=2, episodes=2, split="validation"))
    with fails("tasks.npz: its episodes have values as targets, and Tables has classes"):
        EpisodeView(Tables(classes=4), file=path)
    with fails("tasks.npz: holds validation episodes; take split='validation'"):
        EpisodeView(Tables(), file=path)


def _text(path: str) -> None:
    Path(path).write_text("episodes")


def _cut(path: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-200])


def _turned(path: str) -> None:
    data = bytearray(Path(path).read_bytes())
    data[150:200] = bytes(50)
    Path(path).write_bytes(data)


def _pickled(path: str) -> None:
    changed(path, x=np.array([{}], dtype=object))


def _array(path: str) -> None:
    with Path(path).open("wb") as file:
        np.save(file, np.zeros(3))


def _emptied(path: str) -> None:
    Path(path).write_bytes(b"")


def _header(path: str, text: str) -> None:
    """Put another head before the array x."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    head = text.encode().ljust(117) + b"\n"
    parts["x.npy"] = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)


def _boasting(path: str) -> None:
    _header(path, f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**12}, 64), }}")


def _chattering(path: str) -> None:
    _header(path, "{'descr': '<f8', 'fortran_order': [[[[, 'shape': (3L")


def _deep(path: str) -> None:
    changed(path, about=np.array("[" * 100_000 + "]" * 100_000))


def _split_in_a_list(path: str) -> None:
    changed(path, about=np.array('{"format": 1, "split": [["target"]], "ways": null}'))


def _half_said(path: str) -> None:
    changed(path, about=np.array("{"))


def _listed(path: str) -> None:
    changed(path, about=np.array("[]"))


DAMAGED = "it is damaged or something else"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_text, DAMAGED), (_cut, DAMAGED), (_turned, DAMAGED), (_pickled, DAMAGED),
        (_array, DAMAGED), (_emptied, DAMAGED), (_half_said, DAMAGED), (_listed, DAMAGED),
        (lambda p: changed(p, query_y=None), "it has no query_y"),
        (lambda p: changed(p, about=None), "it has no about"),
        (lambda p: changed(p, about=np.array('{"format": 1}')), "it has no split"),
        (lambda p: changed(p, x=np.full((3, 2), np.nan)), "x holds NaN, infinity or no numbers"),
        (lambda p: changed(p, query_y=np.zeros(72)),
         "support_y and query_y are not both classes or both values"),
        (lambda p: changed(p, query_y=np.zeros(5, int)),
         "query_counts, query_index and query_y don't fit each other"),
        (lambda p: changed(p, support_counts=np.array([36, 0])),
         "support_counts, support_index and support_y don't fit each other"),
        (lambda p: changed(p, support_counts=np.array([36])),
         "it has more supports than queries, or fewer"),
        (lambda p: changed(p, support_index=np.full(36, 99)),
         "support_index points to examples that x lacks"),
        (lambda p: changed(p, support_index=np.zeros(36)),
         "support_index or support_counts holds no flat whole numbers"),
        (lambda p: changed(p, support_y=np.full(36, -1)), "support_y holds no classes"),
        (lambda p: changed(p, support_y=np.full(36, np.nan), query_y=np.zeros(72)),
         "support_y holds NaN or infinity"),
        (lambda p: changed(p, support_y=np.zeros(36), query_y=np.full(72, np.inf)),
         "query_y holds NaN or infinity"),
        (_deep, DAMAGED), (_split_in_a_list, "its split is [['target']]"),
        (_boasting, DAMAGED), (_chattering, DAMAGED),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused_in_one_line(
    damage: Callable[[str], object], reason: str, path: str
) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    damage(path)
    message = f"tasks.npz: not a file of episodes: {reason} (tlml episodes export writes one)"
    with fails(message):
        read_episodes(path)


def test_a_missing_file_and_a_newer_form_are_named(path: str) -> None:
    with fails("tasks.npz: no such file"):
        EpisodeView(Letters(), file=path)
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    changed(path, about=np.array(json.dumps({"format": 2})))
    with fails(
        "tasks.npz: has the form 2, and this tlml reads form 1; write it again, or update tlml"
    ):
        read_episodes(path)


def test_a_failed_writing_leaves_the_old_file(path: str) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    before = Path(path).read_bytes()
    with fails("number: 9, and tasks.npz has 6 episodes"):
        write_episodes(path, EpisodeView(Letters(), file=path), number=9)
    with fails("number: must be greater than 0, is 0"):
        write_episodes(path, EpisodeView(Letters(), **FIXED), number=0)
    assert Path(path).read_bytes() == before
    assert [file.name for file in Path().iterdir()] == [path]
    with fails(".: is a folder; name a file in it, such as tasks.npz"):
        write_episodes(".", EpisodeView(Letters(), **FIXED))


@pytest.mark.parametrize("kind", [">f4", ">f8", "<f2", np.longdouble, ">u2", "<u4", "|u1", "?"])
def test_numbers_of_any_order_and_precision_are_read(path: str, kind: Any) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    with np.load(path) as file:
        x, y = np.abs(file["x"]).astype(kind), file["support_y"].astype(">i4")
    changed(path, x=x, support_y=y)
    found = read_episodes(path)
    assert torch.equal(found.x.double(), torch.from_numpy(x.astype(np.float64)))
    assert found[0].support.x.sum() >= 0 and found[0].support.y.dtype == torch.int64


def test_labels_beyond_the_ways_that_a_file_says_are_none_of_the_domain(path: str) -> None:
    write_episodes(path, EpisodeView(Letters(), **FIXED))
    changed(path, query_y=np.full(72, 9))
    with pytest.raises(TlmlError, match="its episodes have 10 ways, and Letters has 7 target"):
        EpisodeView(Letters(), file=path)
