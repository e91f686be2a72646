"""Networks as ordered blocks and a head, built by name from the spaces of a view."""

from tlml.networks.build import NETWORKS, build_network
from tlml.networks.image import conv4, resnet12
from tlml.networks.network import Network
from tlml.networks.parameters import (
    fresh_parameters,
    head_for,
    head_inputs,
    head_name,
    head_parameters,
)
from tlml.networks.sequence import gru, transformer
from tlml.networks.vector import mlp

__all__ = [
    "NETWORKS",
    "Network",
    "build_network",
    "conv4",
    "fresh_parameters",
    "gru",
    "head_for",
    "head_inputs",
    "head_name",
    "head_parameters",
    "mlp",
    "resnet12",
    "transformer",
]
