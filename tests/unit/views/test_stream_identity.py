from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from refusals import fails
from tiny import Letters, Tables

from tlml import StreamView
from tlml.views.stream_identity import check_same_stream, stream_identity


def identity(**options: Any) -> dict[str, Any]:
    return stream_identity(StreamView(Tables(), **options))


def test_it_says_what_decides_which_batches_come() -> None:
    assert identity(samples=4) == {
        "domain": "tiny.Tables", "domain's classes": 0, "domain's number": 3,
        "domain's train": 12, "domain's test": 0, "domain's shared": True,
        "tasks": 3, "samples": 4, "ways": 5, "batch_size": 10, "epochs": 1, "order": "domain",
        "scenario": None, "joint": False, "split": "source", "seed": 0,
    }  # fmt: skip


def test_what_is_said_and_what_is_left_out_are_the_same_stream() -> None:
    check_same_stream(identity(), StreamView(Tables(), tasks=3, samples=10, num_workers=2))


@pytest.mark.parametrize(
    "options",
    [
        {"tasks": 2}, {"samples": 3}, {"batch_size": 5}, {"epochs": 2}, {"order": "shuffled"},
        {"joint": True}, {"split": "validation"}, {"seed": 1},
    ],
    ids=str,
)  # fmt: skip
def test_each_option_makes_another_stream(options: dict[str, Any]) -> None:
    (name,) = options
    was = identity()[name]
    with fails(
        f"stream: the checkpoint's has {name}={was} (here {options[name]}), so that other batches "
        "would follow than those that it was on the way to; take that stream, or fit without "
        "ckpt_path"
    ):
        check_same_stream(identity(), StreamView(Tables(), **options))


def test_another_domain_is_another_stream() -> None:
    view = StreamView(Tables(train=13, test=2))
    with pytest.raises(ValueError, match=r"has domain's train=12 \(here 13\), domain's test=0"):
        check_same_stream(identity(), view)
    with pytest.raises(ValueError, match=r"has domain=tiny.Tables \(here tiny.Letters\), "):
        check_same_stream(identity(), StreamView(Letters()))


class Stored(Tables):
    """Tables that are read from somewhere."""

    def __init__(self, folder: Path | str, named: str = "digits") -> None:
        self.folder, self.named = folder, named
        super().__init__()


def test_data_may_lie_elsewhere() -> None:
    saved = stream_identity(StreamView(Stored("/here/data")))
    check_same_stream(saved, StreamView(Stored(Path("there"))))
    with pytest.raises(ValueError, match=r"has domain's named=digits \(here letters\)"):
        check_same_stream(saved, StreamView(Stored("/here/data", "letters")))
