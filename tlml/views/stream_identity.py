"""Which stream it is: what decides which batches come when, as checkpoints hold it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tlml.errors import TlmlError, shorten
from tlml.recorded import describe_object, plain
from tlml.views.stream import StreamView

_OPTIONS = ("ways", "batch_size", "epochs", "order", "scenario", "joint", "split", "seed")


def stream_identity(view: StreamView) -> dict[str, Any]:
    """Return by name, as plain data, all that decides which batches of a stream come when.

    Options of the domain that are paths are left out, for data may lie elsewhere on another
    machine.
    """
    domain = describe_object(view.domain)
    options = {
        f"domain's {name}": plain(value)
        for name, value in view.domain.options.items()
        if not _is_path(value)
    }
    sizes = {"tasks": view.number_of_tasks, "samples": view.samples_of_a_task}
    own = {name: getattr(view, name) for name in _OPTIONS}
    return {"domain": domain["name"], **options, **sizes, **own}


def check_same_stream(saved: Mapping[str, Any], view: StreamView) -> None:
    """Raise where a checkpoint was saved in another stream.

    Args:
        saved: The `stream_identity` of the checkpoint's.
        view: The stream to go on with.

    Raises:
        TlmlError: It is another one.
    """
    here = stream_identity(view)
    names = [*here, *(name for name in saved if name not in here)]
    other = [
        f"{name}={shorten(saved.get(name))} (here {shorten(here.get(name))})"
        for name in names
        if saved.get(name) != here.get(name)
    ]
    if other:
        raise TlmlError(
            f"stream: the checkpoint's has {', '.join(other)}, so that other batches would follow "
            "than those that it was on the way to; take that stream, or fit without ckpt_path"
        )


def _is_path(value: Any) -> bool:
    return isinstance(value, os.PathLike) or (isinstance(value, str) and os.sep in value)
