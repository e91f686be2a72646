"""The cases: where an option means the same to both libraries, it has the same value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scipy.spatial.distance import cdist

from benchmarks.transfer.arrays import Arrays, digits, gaussians
from benchmarks.transfer.deep import FEATURES, our_network, their_network
from benchmarks.transfer.sides import (
    SKADA,
    TLML,
    Case,
    Side,
    our_map,
    our_weights,
    their_map,
    their_weights,
)
from tlml.registry import default_registry

COMPONENTS = {"digits": 30, "Gaussians": 10}


def cases() -> Iterator[Case]:
    """Yield all cases of methods that are registered.

    Raises:
        SystemExit: skada is not installed.
    """
    skada = _skada()
    registered = {spec.name for spec in default_registry().specs("strategy")}
    for arrays in (digits(), gaussians()):
        for name, ours, theirs in _shallow(arrays, skada):
            if name.split()[0] in registered:
                yield Case(name, arrays, {TLML: ours, SKADA: theirs})
    for name, ours, theirs in _deep(digits(), skada, registered):
        yield Case(name, digits(), {TLML: ours, SKADA: theirs}, seeds=5)


def _shallow(arrays: Arrays, skada: Any) -> Iterator[tuple[str, Side, Side]]:
    count, gamma = COMPONENTS[arrays.name], 1 / arrays.source_x.shape[1]
    yield (
        # A shrinkage of one half adds the mean variance to the covariance, but for a factor.
        "coral_map",
        our_map(arrays, "coral_map", reg=1.0),
        their_map(arrays, lambda: skada.CORALAdapter(reg=0.5)),
    )
    yield (
        "subspace_alignment",
        our_map(arrays, "subspace_alignment", components=count),
        their_map(arrays, lambda: skada.SubspaceAlignmentAdapter(n_components=count)),
    )
    yield (
        "tca",
        our_map(arrays, "tca", components=count, gamma=gamma, mu=0.1),
        their_map(
            arrays, lambda: skada.TransferComponentAnalysisAdapter(n_components=count, mu=10.0)
        ),
    )
    yield (
        "optimal_transport exact",
        our_map(arrays, "optimal_transport", reg=0.0),
        their_map(arrays, skada.OTMappingAdapter),
    )
    cost = float(cdist(arrays.source_x, arrays.target_x, "sqeuclidean").mean())
    yield (
        "optimal_transport",
        our_map(arrays, "optimal_transport", reg=0.05, tolerance=1e-6),
        their_map(arrays, lambda: skada.EntropicOTMappingAdapter(reg_e=0.05 * cost)),
    )
    yield (
        "kmm",
        our_weights(arrays, "kmm", gamma=gamma, bound=10.0),
        their_weights(arrays, lambda: skada.KMMReweightAdapter(gamma=gamma, B=10.0)),
    )


def _deep(arrays: Arrays, skada: Any, registered: set[str]) -> Iterator[tuple[str, Side, Side]]:
    from skada import deep

    if "coral" in registered:
        yield (
            "coral",
            our_network(arrays, "coral", weight=1.0),
            their_network(arrays, deep.DeepCoral, reg=1.0),
        )
    if "dann" in registered:
        yield (
            "dann",
            our_network(arrays, "dann"),
            their_network(arrays, deep.DANN, reg=1.0, num_features=FEATURES),
        )


def _skada() -> Any:
    try:
        import skada
    except ImportError:
        raise SystemExit(
            "skada is not installed: pip install -c constraints.txt -r "
            "benchmarks/transfer/requirements.txt"
        ) from None
    return skada
