"""What every test starts from: one thread, an environment without the developer's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Torch reads these once, when it is imported; two tests on two cores would fight for eight threads.
os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
if "torch" in sys.modules:
    sys.modules["torch"].set_num_threads(1)

hypothesis.settings.register_profile("tlml", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if "CI" in os.environ else "tlml")


@pytest.fixture(scope="session")
def tlml_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what domains render or parse once, shared by all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tlml_cache: Path) -> Iterator[None]:
    """Remove the developer's settings, for fixtures of all scopes and for processes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("TLML_", "WANDB_")):
                patch.delenv(name)
        patch.setenv("TLML_CACHE", str(tlml_cache))
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("MPLBACKEND", "Agg")
        yield


@pytest.fixture(autouse=True)
def restored_environment(clean_environment: None) -> Iterator[None]:
    """Undo what a test leaves in the environment: ``tlml -p no:x`` sets TLML_BLOCK for good."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
