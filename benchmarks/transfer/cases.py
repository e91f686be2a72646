"""The cases: where an option means the same to both libraries, it has the same value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from benchmarks.transfer.arrays import Arrays, covariate_shift, digits, gaussians
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

SEEDS = 5  # of networks
COMPONENTS = {"digits": 30, "Gaussians": 4}
REG = 0.05  # of the entropy, in units of the mean cost


def cases() -> Iterator[Case]:
    """Yield all cases.

    Raises:
        SystemExit: skada is not installed.
    """
    skada = _skada()
    for draws in (digits(), gaussians()):
        for name, ours, theirs in _maps(draws[0], skada):
            yield Case(name, draws, {TLML: ours, SKADA: theirs})
    for draws in (digits(), covariate_shift()):
        gamma = 1 / draws[0].source_x.shape[1]
        ours, theirs = _kernel_mean_matching(skada, gamma)
        yield Case("kmm", draws, {TLML: ours, SKADA: theirs})
    for name, ours, theirs in _networks():
        yield Case(name, digits(), {TLML: ours, SKADA: theirs}, SEEDS)


def _maps(arrays: Arrays, skada: Any) -> Iterator[tuple[str, Side, Side]]:
    count, gamma = COMPONENTS[arrays.name], 1 / arrays.source_x.shape[1]
    yield (
        # A shrinkage of one half adds the mean variance to the covariance, but for a factor.
        "coral_map",
        our_map("coral_map", reg=1.0),
        their_map(lambda arrays: skada.CORALAdapter(reg=0.5)),
    )
    yield (
        "subspace_alignment",
        our_map("subspace_alignment", components=count),
        their_map(lambda arrays: skada.SubspaceAlignmentAdapter(n_components=count)),
    )
    yield (
        "tca",
        our_map("tca", components=count, gamma=gamma, mu=0.1),
        their_map(lambda arrays: skada.TransferComponentAnalysisAdapter("rbf", count, mu=10.0)),
    )
    yield (
        "optimal_transport, exact",
        our_map("optimal_transport", reg=0.0),
        their_map(lambda arrays: skada.OTMappingAdapter()),
    )
    yield (
        "optimal_transport, entropy",
        our_map("optimal_transport", reg=REG),
        their_map(lambda arrays: skada.EntropicOTMappingAdapter(REG * arrays.mean_cost)),
    )


def _kernel_mean_matching(skada: Any, gamma: float) -> tuple[Side, Side]:
    bound = 1000.0  # above all weights: skada's solver passes a bound that would hold
    return (
        our_weights("kmm", gamma=gamma, bound=bound),
        their_weights(lambda arrays: skada.KMMReweightAdapter(gamma=gamma, B=bound)),
    )


def _networks() -> Iterator[tuple[str, Side, Side]]:
    from skada import deep

    def dann(network: nn.Module, **options: Any) -> Any:
        return deep.DANN(network, domain_classifier=_discriminator(), **options)

    yield "coral", our_network("coral"), their_network(deep.DeepCoral)
    yield "dann", our_network("dann"), their_network(dann)


def _discriminator() -> nn.Module:
    """Return skada's, mended: its own ends in a softmax over one class, which learns nothing."""
    from skada.deep.modules import DomainClassifier

    made: nn.Module = DomainClassifier(FEATURES)
    made.classifier[-1] = nn.Sigmoid()  # type: ignore[index, operator]
    return made


def _skada() -> Any:
    try:
        import skada
    except ImportError:
        raise SystemExit(
            "skada is not installed; make bench-transfer installs it beside, from "
            "benchmarks/transfer/requirements.txt"
        ) from None
    return skada
