"""Cells side by side in processes, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tlml.suites.executors.ray import use_ray


@contextmanager
def parallel(workers: int, backend: str) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """Give what runs delayed calls side by side and yields their results as they end."""
    from joblib import Parallel, parallel_config
    from joblib.externals.loky import get_reusable_executor

    if backend == "ray":
        use_ray()
    # Small networks lose by threads; a cell has one.
    threads = {"inner_max_num_threads": 1} if backend == "loky" else {}
    try:
        with parallel_config(backend=backend, n_jobs=workers, **threads):
            yield Parallel(return_as="generator_unordered", batch_size=1)
    finally:
        # Workers that outlive the run would know the next one's plugins as they were in this one.
        if backend == "loky" and workers > 1:
            get_reusable_executor().shutdown(wait=True)
