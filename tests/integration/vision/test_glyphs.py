"""Letters drawn from fonts: the whole of the default pools."""

from __future__ import annotations

from collections import Counter

import pytest

import tlml
from tlml.data import SPLITS
from tlml_vision.drawn.characters import alphabet


def test_the_default_pools_are_those_of_the_documentation():
    domain = tlml.domain("glyphs")
    pools = {split: domain.classes(split) for split in SPLITS}
    alphabets = {split: Counter(map(alphabet, pool)) for split, pool in pools.items()}
    # FreeType's versions differ in single pixels, hence the margins.
    assert len(pools["source"]) == pytest.approx(331, abs=5)
    assert len(pools["validation"]) == pytest.approx(50, abs=2)
    assert len(pools["target"]) == pytest.approx(105, abs=3)
    assert alphabets["source"].keys() == {"Latin", "Cyrillic"}
    assert alphabets["validation"].keys() == {"Greek"}
    assert alphabets["target"].keys() == {"Armenian", "Georgian"}
    assert all(len(samples) >= 30 for pool in pools.values() for samples in pool.values())
