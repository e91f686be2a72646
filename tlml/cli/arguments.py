"""The options of a heavy command: parsed by jsonargparse, and written back as YAML.

Only its public interface is used, so that any version of the range in ``pyproject.toml`` will do;
the two names that changed within the range are looked up here.
"""

from __future__ import annotations

import argparse
import json
from importlib import metadata
from typing import Any

import jsonargparse
import torch
from jsonargparse import ArgumentParser, Namespace

from tlml.cli.parse_errors import check_known, parse_error
from tlml.cli.slots import CommandLine
from tlml.version import tlml_version
from tlml.yaml_lines import write_yaml

Content = dict[str, Any]

# What tlml itself gives to the Trainer's methods.
_OURS = {
    "model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders", "strategy",
    "weights_only",
}  # fmt: skip
_VERSION = tuple(int(part) for part in jsonargparse.__version__.split(".")[:2])
_NULLS = {"skip_unset" if _VERSION >= (4, 53) else "skip_none": False}  # write them too


class Arguments:
    """The parser of one command, with the options of just what fills its slots.

    Args:
        line: The command line, names taken out and checked.
        classes: What fills each slot.
        trainer: The class of the Trainer, whose method is called like the command.
        defaults: Options of the Trainer that have another default here.

    Attributes:
        of_method: The names of the options of the Trainer's method.
    """

    def __init__(
        self,
        line: CommandLine,
        classes: dict[str, type[Any]],
        trainer: type[Any],
        defaults: Content,
    ) -> None:
        self.line = line
        self.parser = ArgumentParser(exit_on_error=False, allow_abbrev=False, print_config=None)
        add = self.parser.add_class_arguments
        reader: type[argparse.Action] = jsonargparse.ActionConfigFile  # type: ignore[attr-defined]
        self.parser.add_argument("--config", action=reader)
        self.parser.add_argument("--seed_everything", type=bool | int, default=0)
        for path, cls in classes.items():
            filled = {name for name in line.inner(path) if f"{path}.{name}" in classes}
            add(cls, path, skip={*filled, "spaces"}, instantiate=False, fail_untyped=False)
        add(trainer, "trainer", instantiate=False, fail_untyped=False, sub_configs=True)
        self.parser.set_defaults({f"trainer.{name}": value for name, value in defaults.items()})
        self.of_method = self.parser.add_method_arguments(trainer, line.command, skip={*_OURS})
        # Torch's functions don't say where they live.
        jsonargparse.register_unresolvable_import_paths(torch)

    def parse(self) -> Namespace:
        """Parse the command line.

        Raises:
            TlmlError: An option is unknown or missing, or its value is wrong.
        """
        known = set(self.parser.get_defaults().keys())
        check_known(self.line.given(known), known, self.line.filled)
        try:
            return self.parser.parse_args(self.line.arguments())
        except argparse.ArgumentError as error:
            raise parse_error(str(error)) from error

    def instantiate(self, config: Namespace) -> Namespace:
        """Build what is given as ``class_path`` with ``init_args``, such as loggers."""
        method = getattr(self.parser, "instantiate", None) or self.parser.instantiate_classes
        built: Namespace = method(config)
        return built

    def plain(self, config: Namespace, skip_default: bool = False) -> Content:
        """Return a configuration as plain data, each name beside the options of what it fills."""
        text = self.parser.dump(config, format="json", skip_default=skip_default, **_NULLS)
        content = {key: value for key, value in json.loads(text).items() if key != "config"}
        return with_names(content, self.line)


def as_yaml(content: Content) -> str:
    """Return a configuration as YAML that reads back as it is, below the versions it is of."""
    lightning = metadata.version("pytorch_lightning")
    return f"# tlml=={tlml_version()}\n# pytorch_lightning=={lightning}\n{write_yaml(content)}"


def with_names(config: Content, line: CommandLine) -> Content:
    """Return a configuration whose slots hold the names that fill them, beside their options."""
    for path in sorted(line.filled, key=len, reverse=True):  # inner slots first
        *outer, last = path.split(".")
        node = config
        for key in outer:
            node = node.setdefault(key, {})
        options = node.pop(last, None) or {}
        name = line.filled[path]
        if "name" in options:
            node[last] = {"class_path": name, "init_args": options}
        else:
            node[last] = {"name": name, **options}
    return config
