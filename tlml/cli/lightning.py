"""Lightning's command line for tlml: the parser, the Trainer and what a run leaves behind."""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import yaml
from jsonargparse import Namespace
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, WandbLogger

from tlml.cli.help_text import WHAT
from tlml.cli.parse_errors import parse_error
from tlml.cli.slots import CommandLine
from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.finetuning.module import Adaptation
from tlml.learners.checkpoints import check_learner, meet_saved, read_checkpoint, restore
from tlml.learners.learner import Learner
from tlml.registry.instances import build
from tlml.registry.options import check_options, options_of
from tlml.registry.registry import default_registry
from tlml.strategies.strategy import Strategy
from tlml.version import tlml_version
from tlml.views.base import View
from tlml.views.pair import PairView

RUNS = "runs"
_DEFAULTS = {"enable_autolog_hparams": False}  # the whole configuration is logged instead
Content = dict[str, Any]


class Trainer(pl.Trainer):
    """Lightning's Trainer, which can also adapt a learner to one target task."""

    def adapt(
        self,
        model: Learner,
        datamodule: PairView,
        strategy: Strategy | None = None,
        head: Literal["kept", "new"] | None = None,
        ckpt_path: str | None = None,
        resume: str | None = None,
    ) -> Learner:
        """Adapt a learner to one target task, test it on the query, and return it.

        Args:
            model: What is adapted, in place.
            datamodule: The target task.
            strategy: What adapts; the learner's own where None.
            head: Keep the learner's head or begin with a new one of zeros; kept where None and the
                target's labels mean what they meant in training.
            ckpt_path: The checkpoint to take the learner's state from.
            resume: The checkpoint of an interrupted adaptation to go on from.
        """
        if ckpt_path is not None:
            checkpoint = read_checkpoint(ckpt_path)
            check_learner(ckpt_path, checkpoint, default_registry().name_of(type(model)))
            restore(model, checkpoint, ckpt_path)
        adaptation = Adaptation(model, strategy, head)
        self.fit(adaptation, datamodule=datamodule, ckpt_path=resume, weights_only=True)
        self.test(adaptation, datamodule=datamodule)
        return model


class Parser(LightningArgumentParser):
    """A parser that writes the names of a command line back into configurations."""

    line: CommandLine | None = None

    def dump(self, namespace: Namespace, *args: Any, **kwargs: Any) -> str:
        """Return a configuration as YAML that reads back as it is."""
        text: str = super().dump(namespace, *args, **kwargs)
        if self.line is None:
            return text
        lightning = metadata.version("pytorch_lightning")
        versions = f"# tlml=={tlml_version()}\n# pytorch_lightning=={lightning}\n"
        config = with_names(yaml.safe_load(text), self.line)
        return versions + yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


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


class SaveConfig(SaveConfigCallback):
    """Writes the configuration into the run's folder and sends it, nested, to every logger."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Do so once, on the first process."""
        if self.already_saved or not trainer.is_global_zero:
            return
        self.already_saved = True
        text = self.parser.dump(self.config, skip_unset=False)
        for logger in trainer.loggers:
            logger.log_hyperparams(yaml.safe_load(text))
        if trainer.loggers:
            folder = make_folder(run_folder(trainer.loggers[0]))
            write_atomic(folder / self.config_filename, text)


def run_folder(logger: Any) -> Path:
    """Return where Lightning puts a run's checkpoints, and we its configuration."""
    version = logger.version
    version = version if isinstance(version, str) else f"version_{version}"
    return Path(logger.save_dir or ".") / str(logger.name) / version


class TlmlCLI(LightningCLI):
    """One subcommand of Lightning's command line, with parsers for just what fills the slots.

    Args:
        line: The command line, checked.
        classes: What fills each slot.
        checkpoint: The content of ``--ckpt_path``, where that is given.
    """

    def __init__(
        self, line: CommandLine, classes: dict[str, type[Any]], checkpoint: Content | None
    ) -> None:
        self.line, self.classes, self.checkpoint = line, classes, checkpoint
        super().__init__(
            Learner,
            View,
            save_config_callback=SaveConfig,
            trainer_class=Trainer,
            trainer_defaults=_DEFAULTS
            | ({"log_every_n_steps": 1} if line.command == "adapt" else {}),
            seed_everything_default=0,
            parser_kwargs={
                "exit_on_error": False,
                "allow_abbrev": False,
                "prog": "tlml",
                line.command: {"description": WHAT[line.command]},
            },
            parser_class=Parser,
            args=line.arguments(),
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """Return the one that was asked for: a parser for each takes time."""
        loaders = {"model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
        return {self.line.command: {*loaders, "strategy", "weights_only"}}

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of the class in each slot, and of the Trainer."""
        assert isinstance(parser, Parser)
        parser.line = self.line
        for path, cls in self.classes.items():
            skip: set[str | int] = {
                name for name in self.line.inner(path) if f"{path}.{name}" in self.classes
            }
            parser.add_class_arguments(
                cls, path, skip={*skip, "spaces"}, instantiate=False, fail_untyped=False
            )
            self._say_what_fills(parser, path)
        parser.add_lightning_class_args(Trainer, "trainer")
        parser.set_defaults({f"trainer.{k}": v for k, v in self.trainer_defaults.items()})

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, with errors in one line."""
        try:
            self.config = parser.parse_args(args)
        except argparse.ArgumentError as error:
            parsers = self._subcommand_parsers.values()
            flags = [flag for each in parsers for flag in each._option_string_actions]
            known = [flag.removeprefix("--") for flag in flags if flag.startswith("--")]
            raise parse_error(str(error), known, self.line.filled) from error

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        super()._add_subcommands(parser, **kwargs)
        for name, each in self._subcommand_parsers.items():
            each.usage = f"tlml {name} [options]"  # Lightning's own is a page long

    def _say_what_fills(self, parser: LightningArgumentParser, path: str) -> None:
        kind, name = self.line.slots[path].kind, self.line.filled[path]
        for action in parser._actions:
            if action.option_strings == [f"--{path}"]:
                action.metavar = kind.upper()
                action.help = f"Here {name}, whose options follow."
            if hasattr(action, "extra_help") and action.dest.startswith(f"{path}."):
                action.extra_help = str  # it lists all subclasses: of nn.Module, hundreds

    def _parse_ckpt_path(self) -> None:
        """Do nothing: the options of a checkpoint were read with the names."""

    def instantiate_classes(self) -> None:
        """Build what fills the slots, then the Trainer: errors of options come before it."""
        self.config_init = self.parser.instantiate(self.config)
        options = self.config_init[self.subcommand]
        self.strategy = self._built("strategy", options.get("strategy"))
        self.datamodule = self._built("data", options.get("data"))
        self.model = self._built("model", options.get("model"))
        self._build_network()
        self.trainer = self.instantiate_trainer()

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Make the Trainer; unless told else it logs to ``runs/COMMAND`` and keeps last.ckpt."""
        config = self._get(self.config_init, "trainer")
        if config["logger"] in (None, True) and not config["barebones"]:
            root = make_folder(config["default_root_dir"] or RUNS)
            kwargs["logger"] = CSVLogger(root, name=str(self.subcommand))
        callbacks = config["callbacks"] or []
        callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
        kept = any(isinstance(callback, Checkpoint) for callback in callbacks)
        if not kept and not config["barebones"]:
            if self.subcommand not in ("fit", "adapt"):
                kwargs["enable_checkpointing"] = False
            elif config["enable_checkpointing"] is not False:
                callbacks = [*callbacks, ModelCheckpoint(save_top_k=0, save_last=True)]
        if self.subcommand == "adapt" and config["max_epochs"] is None and config["max_steps"] < 0:
            kwargs["max_steps"] = (self.strategy or self.model.strategy).max_steps
        try:
            made: pl.Trainer = super().instantiate_trainer(callbacks=callbacks, **kwargs)
        except (TypeError, ValueError) as error:
            raise TlmlError(f"trainer: {' '.join(str(error).split())}") from error
        return made

    def _prepare_subcommand_kwargs(self, subcommand: str) -> Content:
        arguments: Content = super()._prepare_subcommand_kwargs(subcommand)
        own = {"strategy": self.strategy} if subcommand == "adapt" else {"weights_only": True}
        return arguments | own

    def finish(self) -> None:
        """End the runs of Weights & Biases, which would otherwise stay open in this process."""
        for logger in self.trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()

    def _build_network(self) -> None:
        """Build the network now: a Trainer would, but after it has made folders for a run."""
        if self.checkpoint is not None:
            meet_saved(self.model, self.checkpoint)
        if self.model.view_spaces is None:
            adapts = self.subcommand == "adapt" and isinstance(self.datamodule, PairView)
            spaces = self.datamodule.target_spaces if adapts else self.datamodule.spaces
            self.model.meet(spaces)

    def _built(self, path: str, node: Namespace | None) -> Any:
        """Build what fills a slot, after what fills the slots inside it."""
        if path not in self.classes:
            return None
        options = dict(node.items(branches=True, nested=False)) if node else {}
        for name in self.line.inner(path):
            if f"{path}.{name}" in self.classes:
                options[name] = self._built(f"{path}.{name}", options.get(name))
        kind = self.line.slots[path].kind
        try:
            if kind == "view":
                name, cls = self.line.filled[path], self.classes[path]
                check_options(name, options_of(cls), options)
                return cls(**options)
            return build(kind, self.line.filled[path], options)
        except TlmlError as error:
            option = str(error).partition(":")[0]
            raise TlmlError(f"{path}.{error}" if option in options else str(error)) from error
