"""Checkpoints of a Trainer, written whole or not at all."""

from __future__ import annotations

import io
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from tlml.files import replacing


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its file, then puts it in place.

    Lightning's own goes through the temporary folder, from where a file system that is full gets
    a part of it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Save a checkpoint into a folder that is there.

        Raises:
            TlmlError: The folder is not writable, or the disk is full.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with replacing(path) as temporary:
            temporary.write_bytes(content.getbuffer())
