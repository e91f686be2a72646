"""Networks as ordered blocks and a head, built by name from the spaces of a view."""

from tlml.networks.batchnorm import Policy, has_batchnorm, statistics, uses_batch_statistics
from tlml.networks.build import NETWORKS, build_network, seeded_draws
from tlml.networks.calls import call_with, renamed
from tlml.networks.heads import (
    check_head,
    head_for,
    head_inputs,
    head_name,
    head_parameters,
    head_patterns,
)
from tlml.networks.image import conv4, nature_cnn, resnet12
from tlml.networks.layers import layers_of
from tlml.networks.modes import evaluating
from tlml.networks.named_tensors import NamedBuffers, NamedParameters
from tlml.networks.network import Flat, Network, flat, size_option, sizes_option
from tlml.networks.parameters import fresh_parameters, frozen_parameters
from tlml.networks.sequence import gru, transformer
from tlml.networks.vector import mlp

__all__ = [
    "NETWORKS",
    "Flat",
    "NamedBuffers",
    "NamedParameters",
    "Network",
    "Policy",
    "build_network",
    "call_with",
    "check_head",
    "conv4",
    "evaluating",
    "flat",
    "fresh_parameters",
    "frozen_parameters",
    "gru",
    "has_batchnorm",
    "head_for",
    "head_inputs",
    "head_name",
    "head_parameters",
    "head_patterns",
    "layers_of",
    "mlp",
    "nature_cnn",
    "renamed",
    "resnet12",
    "seeded_draws",
    "size_option",
    "sizes_option",
    "statistics",
    "transformer",
    "uses_batch_statistics",
]
