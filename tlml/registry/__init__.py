"""What is registered: plugins, names, and which go together. No torch."""

from tlml.registry.installed import installed_plugins
from tlml.registry.registry import Registry, default_registry

__all__ = ["Registry", "default_registry", "installed_plugins"]
