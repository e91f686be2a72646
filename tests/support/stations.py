"""A table of weather stations: text, missing values, dates, and a scale that needs mending."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


def stations(number: int = 10, days: int = 20, seed: int = 0) -> pd.DataFrame:
    """Return rows of `number` stations, day by day."""
    rng, rows = np.random.default_rng(seed), []
    for place in range(number):
        mean = rng.normal(9, 4)
        for day in range(days):
            pressure, wind = rng.normal(1013, 8), rng.gamma(2.0, 2.0)
            degrees = mean + 0.1 * (pressure - 1013) - 0.5 * wind + rng.normal()
            rows.append(
                {
                    "site": f"S{place:02d}",
                    "day": str(np.datetime64("2024-01-01") + day),
                    "soil": ("clay", "sand", "peat")[place % 3],
                    "pressure": pressure,
                    "wind": wind if rng.random() > 0.1 else None,
                    "temp": degrees,
                    "rain": rng.gamma(1.0, 2.0),
                }
            )
    return pd.DataFrame(rows)


def write_stations(folder: Path) -> Path:
    """Write the table as CSV, and return where it is."""
    path = folder / "stations.csv"
    stations().to_csv(path, index=False)
    return path
