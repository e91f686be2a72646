"""The classes of the registered strategies as attributes, imported when they are asked for."""

from tlml.names import attributes

__getattr__, __dir__ = attributes("strategy")
