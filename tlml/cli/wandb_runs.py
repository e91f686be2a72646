"""Runs of Weights & Biases: what stands in their way is told before training, in a line."""

from __future__ import annotations

import os
import socket
import threading
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tlml.errors import TlmlError

if TYPE_CHECKING:
    from pytorch_lightning.loggers import WandbLogger

_SECONDS = 5.0  # for the host to answer; wandb itself tries for a minute and more
_OFFLINE = ("offline", "disabled", "dryrun")
_INSTEAD = "take --trainer.logger.offline true, and send the run later with wandb sync"


def begin_run(logger: WandbLogger) -> None:
    """Begin the run of a logger, as a Trainer would.

    Raises:
        TlmlError: Nobody is logged in, the host doesn't answer, or wandb refuses the run.
    """
    import wandb

    settings: Any = wandb.setup().settings
    try:
        if not _is_offline(logger, settings.mode):
            _reach(settings.base_url)  # first: to log in, wandb would try for long
            wandb.login()  # asks for a key where there is a terminal to ask in
        _ = logger.experiment
    except wandb.errors.Error as error:
        reason = " ".join(str(error).split())
        if "API key" in reason or "log in" in reason:
            raise TlmlError(f"wandb: not logged in; run wandb login, or {_INSTEAD}") from error
        raise TlmlError(f"wandb: {reason}; mend that, or {_INSTEAD}") from error


def _is_offline(logger: WandbLogger, mode: str) -> bool:
    given = getattr(logger, "_wandb_init", {}).get("mode")
    modes = (given, os.environ.get("WANDB_MODE"), mode)
    return getattr(logger, "_offline", False) or any(one in _OFFLINE for one in modes)


def _reach(url: str) -> None:
    """Raise where a host can't be connected to; who has a proxy is left to it."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    if urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    answers = list[str]()
    # A look-up of a name has no time limit of its own, so that it stands in a thread.
    thread = threading.Thread(target=lambda: answers.append(_connect(host, port)), daemon=True)
    thread.start()
    thread.join(_SECONDS)
    trouble = answers[0] if answers else f"no answer within {_SECONDS:g} seconds"
    if trouble:
        raise TlmlError(f"wandb: {host} can't be reached ({trouble}); {_INSTEAD}")


def _connect(host: str, port: int) -> str:
    """Return what stands in the way of a connection; "" if nothing does."""
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return ""
