"""BatchNorm with statistics of each domain (Chang et al. 2019, arXiv 1906.03950)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlml import TlmlError


class SourceStatistics(nn.Module):
    """What BatchNorm stores of the source, where the network itself stores that of the target.

    Args:
        network: Whose BatchNorm layers have two sets of statistics from now on.

    Raises:
        TlmlError: There is none that stores statistics.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        norms = _norms(network)
        if not norms:
            raise TlmlError(
                f"separate_batchnorm: {type(network).__name__} has no BatchNorm that stores "
                "statistics; take a network that has, such as conv4, or leave the option out"
            )
        self.norms = nn.ModuleList(_Statistics(norm) for norm in norms)

    @contextmanager
    def of(self, network: nn.Module) -> Iterator[None]:
        """Let the network use and update these inside the block, and its own ones again after."""
        norms = _norms(network)
        own = [dict(norm._buffers) for norm in norms]
        try:
            for norm, source in zip(norms, self.norms, strict=True):
                norm._buffers.update(source._buffers)
            yield
        finally:
            for norm, buffers in zip(norms, own, strict=True):
                norm._buffers.update(buffers)


class _Statistics(nn.Module):
    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        for name, value in norm.named_buffers():
            self.register_buffer(name, value.clone())


def _norms(network: nn.Module) -> list[_BatchNorm]:
    modules = (module for module in network.modules() if isinstance(module, _BatchNorm))
    return [module for module in modules if isinstance(module.running_mean, Tensor)]
