"""Lightning's notes are kept out, and come back afterwards."""

from __future__ import annotations

import logging
import warnings

import pytest

from tlml.lightning_notes import quiet

LOGGER = logging.getLogger("pytorch_lightning")


def test_notes_are_dropped_inside_and_errors_are_not(caplog: pytest.LogCaptureFixture) -> None:
    before = LOGGER.level
    with quiet():
        LOGGER.warning("GPU available: False")
        LOGGER.error("broken")
    assert LOGGER.level == before
    assert [record.getMessage() for record in caplog.records] == ["broken"]


def test_warnings_of_lightning_are_dropped_and_those_of_others_stay() -> None:
    def warn(module: str) -> None:
        warnings.warn_explicit("few workers", UserWarning, "file.py", 1, module=module)

    with quiet(), pytest.warns(UserWarning) as seen:
        warn("somebodys.module")
    assert len(seen) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            warn("pytorch_lightning.trainer.connectors.data_connector")
            warn("torch.utils.data.dataloader")
    assert caught == []


def test_levels_come_back_after_an_error() -> None:
    before = LOGGER.level
    with pytest.raises(KeyError), quiet():
        raise KeyError
    assert LOGGER.level == before
