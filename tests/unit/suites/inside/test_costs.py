"""What cells cost: seconds of fits, of episodes, and of trainings that were resumed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tlml.suites.inside.costs import ProcessorTimer, costs_of_adapting, costs_of_fits


def fit(folder: Path, **cost: float) -> Path:
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"cost": cost}))
    return folder / "last.ckpt"


def test_what_earlier_fits_did_not_tell_is_left_out(tmp_path: Path) -> None:
    new = [fit(tmp_path / f"{n}", fit_seconds=n + 0.5, fit_cpu_seconds=n) for n in (1.0, 2.0)]
    assert costs_of_fits(new) == {"fit_seconds": 4.0, "fit_cpu_seconds": 3.0}
    old = fit(tmp_path / "old", fit_seconds=1.0)
    assert costs_of_fits([*new, old]) == {"fit_seconds": 5.0}
    assert costs_of_fits([]) == {"fit_seconds": 0.0, "fit_cpu_seconds": 0.0}


def test_episodes_add_up() -> None:
    records = [{"seconds": 0.5, "cpu_seconds": 0.25}, {"seconds": 1.0, "cpu_seconds": 0.5}]
    assert costs_of_adapting(records) == {"adapt_seconds": 1.5, "adapt_cpu_seconds": 0.75}
    records[0].pop("cpu_seconds")  # of a learner that makes its own
    assert costs_of_adapting(records) == {"adapt_seconds": 1.5}
    assert costs_of_adapting([]) == {"adapt_seconds": 0.0, "adapt_cpu_seconds": 0.0}


def test_a_timer_goes_on_where_a_training_was_stopped() -> None:
    def work(timer: Any, seconds: float) -> None:
        timer.on_train_start(None, None)
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    first, second = ProcessorTimer(), ProcessorTimer()
    assert first.elapsed == 0
    work(first, 0.03)
    second.load_state_dict(first.state_dict())
    work(second, 0.02)
    second.on_train_end(None, None)  # type: ignore[arg-type]
    found = second.elapsed
    assert 0.05 <= found < 0.5
    work(ProcessorTimer(), 0.01)
    assert second.elapsed == found  # it stands
