"""Letters of many alphabets that come some at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tlml.data import SPLITS, Split
from tlml_vision.drawn.glyphs import Glyphs

_TEST = 5  # every fifth print of a letter tests the stream


class SplitGlyphs(Glyphs):
    """Printed letters as a pool of classes, some of which make a task; the target's are new.

    The images are those of `glyphs`. Of the prints of a letter of source or validation every fifth
    tests what is retained of it, in all its variants: no print is learned in one font and tested in
    the same one. Letters of the target have all their prints, for episodes after the stream.

    Options are those of `glyphs`.
    """

    def classes(self, split: Split) -> Mapping[str, Tensor]:
        """Map each letter of a split to its samples ``[n, 1, size, size]`` to learn from.

        Raises:
            TlmlError: The fonts hold no letters of the split.
        """
        own = super().classes(split)
        return own if split == "target" else {n: x[: self._learned(x)] for n, x in own.items()}

    def test_samples(self, split: Split) -> Mapping[str, Tensor]:
        """Map each letter of source or validation to its samples to test on."""
        own = super().classes(split)
        return {} if split == "target" else {n: x[self._learned(x) :] for n, x in own.items()}

    def _load(self) -> dict[Split, dict[str, Tensor]]:
        found = super()._load()
        for split in SPLITS:
            if split != "target":
                found[split] = {name: x[self._order(len(x))] for name, x in found[split].items()}
        return found

    def _order(self, samples: int) -> Tensor:
        """Return an order in which the prints that test come last."""
        return self._tests(samples).to(torch.uint8).argsort(stable=True)

    def _learned(self, x: Tensor) -> int:
        return len(x) - int(self._tests(len(x)).sum())

    def _tests(self, samples: int) -> Tensor:
        prints = torch.div(torch.arange(samples), self.variants, rounding_mode="floor")
        return prints % _TEST == _TEST - 1
