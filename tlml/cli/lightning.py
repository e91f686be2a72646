"""A run of Lightning's Trainer from the command line, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.callbacks import Checkpoint, ProgressBar
from pytorch_lightning.loggers import CSVLogger, WandbLogger

from tlml.cli.arguments import Arguments, Content, as_yaml
from tlml.cli.keeping import LastCheckpoint, NoteFolders, RunFiles, best_of_returns
from tlml.cli.newest import RUNS
from tlml.cli.slots import CommandLine
from tlml.cli.wandb_runs import begin_run
from tlml.errors import TlmlError
from tlml.files import make_folder, write_atomic
from tlml.finetuning.module import Adaptation
from tlml.learners.acting import Acting
from tlml.learners.checkpoints import check_learner, meet_saved, read_checkpoint, restore
from tlml.learners.env_steps_bar import EnvStepsBar
from tlml.learners.learner import Learner
from tlml.registry.instances import build
from tlml.registry.options import check_options, options_of
from tlml.registry.registry import default_registry
from tlml.strategies.strategy import Strategy
from tlml.views.pair import PairView

_CONFIG = "config.yaml"


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


class SaveConfig(pl.Callback):
    """Writes the configuration into the run's folder and sends it, nested, to every logger."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.saved = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Do so once, on the first process."""
        if self.saved or not trainer.is_global_zero:
            return
        self.saved = True
        for logger in trainer.loggers:
            logger.log_hyperparams(self.content)
        if trainer.loggers:
            folder = make_folder(run_folder(trainer.loggers[0]))
            write_atomic(folder / _CONFIG, as_yaml(self.content))


def run_folder(logger: Any) -> Path:
    """Return where Lightning puts a run's checkpoints, and we its configuration."""
    version = logger.version
    version = version if isinstance(version, str) else f"version_{version}"
    return Path(logger.save_dir or ".") / str(logger.name) / version


class Run:
    """One command, built in this order: what fills the slots, its network, the Trainer.

    Errors of options so come before a Trainer makes folders.

    Args:
        line: The command line, checked.
        classes: What fills each slot.
        checkpoint: The content of ``--ckpt_path``, where that is given.
    """

    def __init__(
        self, line: CommandLine, classes: dict[str, type[Any]], checkpoint: Content | None
    ) -> None:
        self.line, self.classes, self.checkpoint = line, classes, checkpoint
        # The whole configuration is logged instead of hyperparameters.
        defaults: Content = {"enable_autolog_hparams": False}
        if line.command == "adapt":
            defaults["log_every_n_steps"] = 1
        self.arguments = Arguments(line, classes, Trainer, defaults)
        self.config = self.arguments.parse()

    def config_text(self, skip_default: bool) -> str:
        """Return the whole configuration as YAML, or what differs from the defaults."""
        return as_yaml(self.arguments.plain(self.config, skip_default))

    def run(self) -> None:
        """Build everything and call the Trainer's method."""
        self._seed()
        options = vars(self.arguments.instantiate(self.config))
        strategy = self._build("strategy", options.get("strategy"))
        datamodule = self._build("data", options.get("data"))
        model = self._build("model", options.get("model"))
        self._build_network(model, datamodule)
        trainer = self._trainer(vars(options["trainer"]), strategy or model.strategy)
        given = {name: options[name] for name in self.arguments.of_method}
        given |= {"strategy": strategy} if self.line.command == "adapt" else {"weights_only": True}
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, WandbLogger):
                begin_run(logger)
        getattr(trainer, self.line.command)(model, datamodule=datamodule, **given)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):  # it would stay open in this process
                logger.experiment.finish()

    def _seed(self) -> None:
        seed = self.config["seed_everything"]
        if seed is not False:
            chosen = pl.seed_everything(None if seed is True else seed, workers=True)
            self.config["seed_everything"] = chosen

    def _trainer(self, options: Content, strategy: Strategy | None) -> Trainer:
        """Make the Trainer; unless told else it logs to ``runs/COMMAND`` and keeps last.ckpt."""
        options = {**options, "callbacks": self._callbacks(options)}
        fits = self.line.command in ("fit", "adapt")
        if options["logger"] in (None, True) and not options["barebones"]:
            root = make_folder(options["default_root_dir"] or RUNS)
            options["logger"] = CSVLogger(root, name=self.line.command)
        if not fits and not any(isinstance(c, Checkpoint) for c in options["callbacks"]):
            options["enable_checkpointing"] = False
        if options["plugins"] is None and options["strategy"] in ("auto", "ddp"):
            options["plugins"] = [RunFiles()]
        endless = options["max_epochs"] is None and options["max_steps"] < 0
        if self.line.command == "adapt" and endless and strategy is not None:
            options["max_steps"] = strategy.max_steps
        if self.line.command == "fit" and endless and self._acts():
            options["max_epochs"] = -1  # an agent ends after its steps in environments
        try:
            return Trainer(**options)
        except (TypeError, ValueError) as error:
            raise TlmlError(f"trainer: {' '.join(str(error).split())}") from error

    def _callbacks(self, options: Content) -> list[pl.Callback]:
        given = options["callbacks"] or []
        callbacks = list(given) if isinstance(given, list) else [given]
        kept = any(isinstance(callback, Checkpoint) for callback in callbacks)
        wanted = options["enable_checkpointing"] is not False and not options["barebones"]
        if self.line.command in ("fit", "adapt") and wanted and not kept:
            callbacks.append(LastCheckpoint())
            if self._acts() and options["limit_val_batches"] != 0:
                callbacks.append(best_of_returns())
        shown = options["enable_progress_bar"] is not False and not options["barebones"]
        if self._acts() and shown and not any(isinstance(one, ProgressBar) for one in callbacks):
            callbacks.append(EnvStepsBar())
        if not options["fast_dev_run"]:
            callbacks.append(SaveConfig(self.arguments.plain(self.config)))
            callbacks.append(NoteFolders(self.line.command))
        return callbacks

    def _acts(self) -> bool:
        return issubclass(self.classes["model"], Acting)

    def _build_network(self, model: Learner, datamodule: Any) -> None:
        """Build the network now: a Trainer would, but after it has made folders for a run."""
        if self.checkpoint is not None:
            meet_saved(model, self.checkpoint)
        if model.view_spaces is None:
            adapts = self.line.command == "adapt" and isinstance(datamodule, PairView)
            model.meet(datamodule.target_spaces if adapts else datamodule.spaces)

    def _build(self, path: str, node: Namespace | None) -> Any:
        """Build what fills a slot, after what fills the slots inside it."""
        if path not in self.classes:
            return None
        options = dict(vars(node)) if node else {}
        for name in self.line.inner(path):
            if f"{path}.{name}" in self.classes:
                options[name] = self._build(f"{path}.{name}", options.get(name))
        kind, name = self.line.slots[path].kind, self.line.filled[path]
        try:
            if kind == "view":
                check_options(name, options_of(self.classes[path]), options)
                return self.classes[path](**options)
            return build(kind, name, options)
        except TlmlError as error:
            option = str(error).partition(":")[0]
            raise TlmlError(f"{path}.{error}" if option in options else str(error)) from error
