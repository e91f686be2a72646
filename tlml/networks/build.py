"""Networks from names, class paths and spaces."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from tlml.data.spaces import KINDS, outputs
from tlml.errors import TlmlError, did_you_mean, unknown
from tlml.networks.image import BLOCKS, conv4, nature_cnn, resnet12
from tlml.networks.network import Network
from tlml.networks.sequence import gru, transformer
from tlml.networks.vector import mlp
from tlml.registry.plugins import one_line

if TYPE_CHECKING:
    from gymnasium.spaces import Space

NETWORKS: Mapping[str, Callable[..., Network]] = MappingProxyType(
    {
        "conv4": conv4,
        "gru": gru,
        "mlp": mlp,
        "nature_cnn": nature_cnn,
        "resnet12": resnet12,
        "transformer": transformer,
    }
)
_BY_RANK = ("mlp", "mlp", "gru", "conv4")


def build_network(
    name: str,
    x_space: Space[Any],
    y_space: Space[Any],
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a network whose inputs and outputs fit the spaces.

    Its parameters are a function of `seed` only, on every device; the global random state stays
    as it is.

    Args:
        name: ``auto`` (images: conv4, of fewer blocks where they are small; sequences: gru; else
            mlp), a name of `NETWORKS`, or the path of a class, ``package.module.Class``. Of a
            class's arguments, ``input_shape``, ``inputs`` and ``outputs`` (sizes) are filled in.
        x_space: A Box.
        y_space: Discrete(n) makes n outputs; a Box as many as it has entries, of its shape.
        options: Of the named network or class.

    Raises:
        TlmlError: An unknown name or option, or a network that does not fit the space.
    """
    sizes = _sizes(x_space, y_space)
    options = dict(options or {})
    if name == "auto":
        name = _automatic(sizes["input_shape"])
        options = _fitting(name, sizes["input_shape"]) | options
    with seeded_draws(seed):
        builder = import_network(name) if "." in name else _named(name)
        network = _call(name, builder, sizes, options)
    if isinstance(network, Network) and isinstance(y_space, Box) and len(y_space.shape) != 1:
        network.output_shape = tuple(y_space.shape)
    return network


@contextmanager
def seeded_draws(seed: int) -> Iterator[None]:
    """Draw from a generator seeded by `seed`, on the CPU, and leave the global ones alone.

    A trainer may have set another default device; drawing on the CPU gives the same parameters
    everywhere. (`torch.manual_seed` would also seed the accelerators.)
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        yield


def zeros(space: Space[Any], network: nn.Module) -> Tensor:
    """Return two inputs of zeros, of the network's precision where they are floats."""
    like = next(network.parameters())
    x = torch.from_numpy(np.zeros((2, *(space.shape or ())), space.dtype)).to(like.device)
    return x.to(like.dtype) if x.is_floating_point() else x


def _sizes(x_space: Space[Any], y_space: Space[Any]) -> dict[str, Any]:
    if not isinstance(x_space, Box):
        raise TlmlError(f"network: inputs must be a Box, the space is {x_space}; encode them")
    shape = tuple(int(side) for side in x_space.shape)
    if not isinstance(y_space, KINDS):
        kinds = ", ".join(kind.__name__ for kind in KINDS)
        raise TlmlError(f"network: targets must be of {kinds}, the space is {y_space}")
    return {"input_shape": shape, "inputs": math.prod(shape), "outputs": outputs(y_space)}


def _automatic(input_shape: tuple[int, ...]) -> str:
    if len(input_shape) >= len(_BY_RANK):
        raise TlmlError(
            f"network auto: knows no network for inputs {list(input_shape)}; "
            "use mlp, which flattens any input, or a class path"
        )
    return _BY_RANK[len(input_shape)]


def _fitting(name: str, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """Return as many blocks as small images can be halved for, where conv4's four are too many."""
    halvings = min(input_shape[1:]).bit_length() - 1 if name == "conv4" else BLOCKS
    return {"blocks": halvings} if 0 < halvings < BLOCKS else {}


def _named(name: str) -> Callable[..., Network]:
    if name not in NETWORKS:
        raise unknown("network", name, [*NETWORKS, "auto"])
    return NETWORKS[name]


def import_network(path: str) -> Callable[..., Any]:
    """Return the class of networks that a path ``package.module.Class`` names.

    Raises:
        TlmlError: It can't be imported, or is something else.
    """
    module_name, _, attribute = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except ImportError as error:
        raise TlmlError(f"network {path}: cannot be imported: {error}") from error
    except ValueError as error:
        raise TlmlError(f"network {path}: not of the form package.module.Class") from error
    except BaseException as error:  # whatever a stranger's module raises at its import
        raise TlmlError(f"network {path}: cannot be imported: {one_line(error)}") from error
    if not hasattr(module, attribute):
        near = did_you_mean(attribute, [n for n in dir(module) if not n.startswith("_")])
        raise TlmlError(f"network {path}: {module_name} has no '{attribute}'{near}")
    builder = getattr(module, attribute)
    # Checkpoints name networks too: nothing but a class of networks may be called for them.
    if not (isinstance(builder, type) and issubclass(builder, nn.Module)):
        raise TlmlError(f"network {path}: not a subclass of nn.Module; pass the module itself")
    return builder


def _call(
    name: str, builder: Callable[..., Any], sizes: dict[str, Any], options: dict[str, Any]
) -> nn.Module:
    """Call a builder with its options and those sizes that it takes."""
    signature = inspect.signature(builder)
    own = dict(signature.parameters)
    if name in NETWORKS:
        own = {key: value for key, value in own.items() if key not in sizes}
    if not any(p.kind is p.VAR_KEYWORD for p in own.values()):
        for key in options:
            if key not in own:
                raise TlmlError(f"network {name}: has no option '{key}'{did_you_mean(key, own)}")
    arguments = {k: v for k, v in sizes.items() if k in signature.parameters} | options
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise TlmlError(f"network {name}: {error}; give it in the network's options") from error
    network = builder(**arguments)
    if not isinstance(network, nn.Module):
        raise TlmlError(f"network {name}: makes a {type(network).__name__}, not an nn.Module")
    return network
