"""Files of test episodes, which numpy alone reads: equal tasks for different libraries."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tlml.data.counts import Amounts, Counts, as_amounts, as_counts, highest
from tlml.data.domains import Domain
from tlml.data.parts import Turn
from tlml.data.tasks import SPLITS, Batch, Episode, Split
from tlml.errors import TlmlError
from tlml.files import replacing

FORMAT = 1
_SIDES = ("support", "query")
_TASK, _PART = "task", "part"  # of each episode, where tasks are met in turn
_ARRAYS = ("x", *(f"{side}_{part}" for side in _SIDES for part in ("index", "counts", "y")))


@dataclass(frozen=True)
class About:
    """What a file says of its episodes.

    Args:
        domain: Name and options of the domain that they were drawn from.
        split: The tasks that they were drawn from.
        seed: The key of the draws.
        ways: Classes of an episode; None for all of the domain, or for values.
        shots: Support examples, per class where targets are classes.
        queries: Query examples, likewise.
        tlml: The version that wrote the file.
        format: Of the file.
    """

    domain: Mapping[str, Any]
    split: Split
    seed: int
    ways: Counts | None
    shots: Amounts
    queries: Amounts
    tlml: str
    format: int = FORMAT


class _NoSuchEpisode(TlmlError, IndexError):
    """A number beyond the last, which ends a loop over a file."""


@dataclass(frozen=True)
class EpisodeFile(Dataset[Episode]):
    """The episodes of a file, in its order.

    Args:
        path: Where it lies.
        about: What it says of itself.
        x: All examples, each once: ``[N, ...]``.
        index: For support and query, the places in `x`, one episode after the other.
        y: For support and query, the targets, likewise.
        ends: For support and query, where each episode ends, after a 0.
        tasks: The task of each episode, where tasks are met in turn; else none.
        parts: The part of its examples that each query is from, where there are parts; else none.
    """

    path: str
    about: About
    x: Tensor
    index: tuple[Tensor, Tensor]
    y: tuple[Tensor, Tensor]
    ends: tuple[tuple[int, ...], tuple[int, ...]]
    tasks: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ends[0]) - 1

    def __getitem__(self, number: int) -> Episode:
        if not 0 <= number < len(self):
            raise _NoSuchEpisode(
                f"{self.path}: has {len(self)} episodes, and none has the number {number}"
            )
        return Episode(self._side(0, number), self._side(1, number))

    def turn(self, number: int) -> Turn | None:
        """Return whose turn an episode is; None where the file doesn't say."""
        if number >= len(self.tasks):
            return None
        return Turn(self.tasks[number], self.parts[number] if self.parts else None)

    def _side(self, side: int, number: int) -> Batch:
        at = slice(*self.ends[side][number : number + 2])
        return Batch(self.x[self.index[side][at]], self.y[side][at])

    @property
    def classes(self) -> bool:
        """Whether targets are classes, not values."""
        return not self.y[0].is_floating_point()


def pack(
    path: str | os.PathLike[str],
    episodes: Iterable[Episode],
    about: About,
    turns: Sequence[Turn] = (),
) -> None:
    """Write episodes one by one; only their different examples are held in memory.

    Args:
        path: The file.
        episodes: What to write.
        about: What the file says of them.
        turns: Of all episodes, or of none.
    """
    pool, sides = _Pool(), (_Side(), _Side())
    for episode in episodes:
        for side, batch in zip(sides, episode, strict=True):
            side.index.append(pool.places(batch.x))
            side.y.append(batch.y.numpy())
    arrays = {"x": np.stack(pool.examples)}
    for name, side in zip(_SIDES, sides, strict=True):
        arrays[f"{name}_index"] = np.concatenate(side.index)
        arrays[f"{name}_counts"] = np.array([len(index) for index in side.index])
        arrays[f"{name}_y"] = np.concatenate(side.y)
    arrays |= _of_turns(turns)
    arrays["about"] = np.array(json.dumps(vars(about)))
    with replacing(os.fspath(path)) as temporary, temporary.open("xb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_episodes(path: str | os.PathLike[str]) -> EpisodeFile:
    """Read a file that `write_episodes` wrote, or another library in the same form.

    Raises:
        TlmlError: It is not there, damaged, something else, or of a newer form.
    """
    name = os.fspath(path)
    try:
        # Of a file that is cut numpy would leave its own handle open.
        with Path(name).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = _read_about(name, file)
            arrays = {key: file[key] for key in _ARRAYS}
            turns = {key: file[key] for key in (_TASK, _PART) if key in file.files}
    except FileNotFoundError:
        raise TlmlError(f"{name}: no such file") from None
    except KeyError as error:
        raise _foreign(name, f"it has no {str(error.args[0]).split()[0]}") from error
    except TlmlError:
        raise
    except Exception as error:  # numpy, zipfile, zlib and json each have errors of their own
        raise _foreign(name, "it is damaged or something else") from error
    _check_arrays(name, arrays)
    _check_turns(name, turns, len(arrays["support_counts"]))
    return replace(
        _made(name, about, arrays),
        tasks=tuple(map(str, turns.get(_TASK, ()))), parts=tuple(map(int, turns.get(_PART, ()))),
    )  # fmt: skip


def check_fits(file: EpisodeFile, domain: Domain[Any]) -> None:
    """Raise where the episodes of a file are none that this domain could have.

    Raises:
        TlmlError: Shape, kind of target or classes differ.
    """
    whose, (x, y) = type(domain).__name__, domain.spaces(file.about.split)
    if tuple(file.x.shape[1:]) != x.shape:
        raise _misfit(file, f"inputs of shape {[*file.x.shape[1:]]}", whose, [*(x.shape or ())])
    if file.classes != isinstance(y, Discrete):
        has = "classes" if file.classes else "values"
        raise _misfit(file, f"{has} as targets", whose, "values" if file.classes else "classes")
    if isinstance(y, Discrete):
        ways = file.about.ways
        found = max(int(labels.max()) for labels in file.y) + 1
        most = max(found, 0 if ways is None else highest(ways))
        if most > y.n:
            raise _misfit(file, f"{most} ways", whose, f"{y.n} {file.about.split} classes")
    elif file.y[0].shape[1:] != y.shape:
        raise _misfit(file, f"targets of shape {[*file.y[0].shape[1:]]}", whose, [*(y.shape or ())])


def _of_turns(turns: Sequence[Turn]) -> dict[str, NDArray[Any]]:
    found = {_TASK: np.array([turn.task for turn in turns])} if turns else {}
    parts = [turn.part for turn in turns if turn.part is not None]
    return found | ({_PART: np.array(parts)} if parts else {})


class _Pool:
    """Different examples, each with its place. What was seen is known by its hash."""

    def __init__(self) -> None:
        self.examples: list[NDArray[Any]] = []
        self.known: dict[bytes, int] = {}

    def places(self, x: Tensor) -> NDArray[np.int64]:
        return np.array([self._place(example) for example in x.numpy()], dtype=np.int64)

    def _place(self, example: NDArray[Any]) -> int:
        key = hashlib.blake2b(example.tobytes(), digest_size=16).digest()
        if key not in self.known:
            self.known[key] = len(self.examples)
            self.examples.append(example.copy())  # else it would hold its whole episode
        return self.known[key]


class _Side:
    """What is known of the supports, or of the queries, so far."""

    def __init__(self) -> None:
        self.index: list[NDArray[np.int64]] = []
        self.y: list[NDArray[Any]] = []


def _read_about(name: str, file: Mapping[str, NDArray[Any]]) -> About:
    said = json.loads(str(file["about"]))
    if said["format"] != FORMAT:
        raise TlmlError(
            f"{name}: has the form {said['format']}, and this tlml reads form {FORMAT}; "
            "write it again, or update tlml"
        )
    if said["split"] not in SPLITS:
        raise _foreign(name, f"its split is {said['split']}")
    ways = said["ways"]
    return About(
        domain=said["domain"],
        split=said["split"],
        seed=int(said["seed"]),
        ways=ways if ways is None else as_counts("ways", ways),
        shots=as_amounts("shots", said["shots"]),
        queries=as_amounts("queries", said["queries"]),
        tlml=str(said["tlml"]),
    )


def _check_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    x = arrays["x"]
    if x.ndim < 1 or x.dtype.kind not in "fiub" or not np.isfinite(x).all():
        raise _foreign(name, "x holds NaN, infinity or no numbers")
    kinds = {arrays[f"{side}_y"].dtype.kind for side in _SIDES}
    if len(kinds) > 1 or not kinds <= {"f", "i"}:
        raise _foreign(name, "support_y and query_y are not both classes or both values")
    for side in _SIDES:
        index, parts, y = (arrays[f"{side}_{part}"] for part in ("index", "counts", "y"))
        if any(values.dtype.kind not in "iu" or values.ndim != 1 for values in (index, parts)):
            raise _foreign(name, f"{side}_index or {side}_counts holds no flat whole numbers")
        if not len(parts) or parts.min() < 1 or not parts.sum() == len(index) == len(y):
            raise _foreign(name, f"{side}_counts, {side}_index and {side}_y don't fit each other")
        if index.min() < 0 or index.max() >= len(x):
            raise _foreign(name, f"{side}_index points to examples that x lacks")
        if y.dtype.kind == "i" and (y.ndim != 1 or y.min() < 0):
            raise _foreign(name, f"{side}_y holds no classes")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise _foreign(name, f"{side}_y holds NaN or infinity")
    if len(arrays["support_counts"]) != len(arrays["query_counts"]):
        raise _foreign(name, "it has more supports than queries, or fewer")


def _check_turns(name: str, turns: Mapping[str, NDArray[Any]], number: int) -> None:
    for key, kinds in ((_TASK, "U"), (_PART, "iu")):
        found = turns.get(key)
        if found is not None and (found.shape != (number,) or found.dtype.kind not in kinds):
            raise _foreign(name, f"{key} is not one for each episode")


def _made(name: str, about: About, arrays: Mapping[str, NDArray[Any]]) -> EpisodeFile:
    def both(part: str) -> tuple[NDArray[Any], NDArray[Any]]:
        return arrays[f"support_{part}"], arrays[f"query_{part}"]

    def tensors(part: str) -> tuple[Tensor, Tensor]:
        one, other = both(part)
        return _tensor(one, whole=np.int64), _tensor(other, whole=np.int64)

    one, other = ((0, *np.cumsum(parts).tolist()) for parts in both("counts"))
    return EpisodeFile(
        name, about, _tensor(arrays["x"]), tensors("index"), tensors("y"), (one, other)
    )


def _tensor(values: NDArray[Any], whole: Any = None) -> Tensor:
    """Return an array as a tensor, in the nearest of the kinds that both know.

    Args:
        values: Of any byte order and precision.
        whole: The kind of whole numbers; their own, or int64 for those that torch doesn't count in,
            where None.
    """
    kind = values.dtype.newbyteorder("=")
    if kind.kind == "f" and kind.itemsize > np.dtype(np.float64).itemsize:
        kind = np.dtype(np.float64)
    elif kind.kind != "f" and whole is not None:
        kind = np.dtype(whole)
    elif kind.kind == "u" and kind.itemsize > 1:
        kind = np.dtype(np.int64)
    return torch.from_numpy(values.astype(kind, copy=False))


def _foreign(name: str, reason: str) -> TlmlError:
    return TlmlError(f"{name}: not a file of episodes: {reason} (tlml episodes export writes one)")


def _misfit(file: EpisodeFile, has: str, whose: str, other: object) -> TlmlError:
    return TlmlError(f"{file.path}: its episodes have {has}, and {whose} has {other}")
