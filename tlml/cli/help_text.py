"""What ``tlml fit --help`` and its like say: enough to begin, and where all options are."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from tlml.cli.describe import option_lines
from tlml.registry.options import options_of
from tlml.registry.recipes import recipes
from tlml.registry.source_options import read_options

WHAT = {
    "fit": "Train a learner on the source tasks of a domain.",
    "validate": "Measure a learner on the validation tasks of a domain.",
    "test": "Measure a learner on the target tasks of a domain.",
    "adapt": "Adapt a learner to one target task, however many steps it takes, and test it there.",
}
_EXAMPLES = {
    "fit": """\
  tlml fit --model maml --data.domain sinusoid --data.shots 10 --trainer.max_epochs 10
  tlml fit --model maml --model.lr 0.001 --model.strategy sgd --model.strategy.lr 0.1 \\
      --data.domain glyphs --data.domain.size 16 --data.ways 5 --data.shots 1
  tlml fit --recipe ppo_cartpole                          what comes with tlml
  tlml fit --config run.yaml --trainer.max_epochs 20      flags override the file
  tlml fit --config run.yaml --ckpt_path last             go on where runs/fit stopped
  tlml fit --config run.yaml --print_config               print all options and stop""",
    "validate": """\
  tlml validate --ckpt_path last --data.domain sinusoid --data.shots 10""",
    "test": """\
  tlml test --ckpt_path last --data.domain sinusoid --data.shots 10
  tlml test --ckpt_path last --data.domain glyphs --data.adapt full --data.adapt.lr 0.01
  tlml test --model supervised --data.domain glyphs --data.adapt scratch""",
    "adapt": """\
  tlml adapt --ckpt_path last --data.domain digits --data.shots 5 --strategy full \\
      --strategy.lr 0.01 --trainer.max_epochs 10
  tlml adapt --ckpt_path last --data.domain digits --data.shots 5 --head new""",
}
_IN = " " * 29
_TEXT = """\
usage: tlml {command} --model LEARNER --data.domain DOMAIN [options]

{what}

{examples}

  --model LEARNER            what learns (tlml list --kind learner){checkpoint}
  --model.OPTION             its options (tlml info LEARNER)
  --model.strategy STRATEGY  how it carries knowledge over (tlml list --kind strategy)
{extra}  --data.domain DOMAIN       the family of tasks (tlml list --kind domain)
  --data.OPTION              of the view: shots, queries, ways, seed, ...
  --data VIEW                EpisodeView, PairView, StreamView or EnvView; {view}
  --trainer.OPTION           of Lightning's Trainer: max_epochs, devices, accelerator, logger, ...
  --ckpt_path FILE           {ckpt}
  --config FILE              options in YAML, as --print_config prints them
  --recipe NAME              such a file that comes with tlml or a plugin:
{recipes}
  --seed_everything SEED     of all that has no seed of its own (dropout); 0 by default

Results go to runs/{command}/version_N: config.yaml, metrics.csv{kept}.
All options with their help: tlml {command} --model maml --data.domain glyphs --help"""


def help_text(command: str) -> str:
    """Return the text of ``tlml COMMAND --help``."""
    fits, adapts = command in ("fit", "adapt"), command == "adapt"
    return _TEXT.format(
        command=command,
        what=WHAT[command],
        examples=_EXAMPLES[command],
        checkpoint="" if command == "fit" else "; else the checkpoint's",
        extra=_ADAPTING if adapts else "" if command == "fit" else _TESTING,
        view=_VIEW.get(command, "EpisodeView by default"),
        ckpt=_CKPT.get(command, "a checkpoint, or last: that of the newest fit"),
        recipes=textwrap.fill(", ".join(recipes()), 100, initial_indent=_IN, subsequent_indent=_IN),
        kept=", checkpoints/last.ckpt" if fits else "",
    )


def options_text(command: str, filled: Mapping[str, str], classes: Mapping[str, type[Any]]) -> str:
    """Return all options of a command with their help: of what fills its slots, of the Trainer."""
    lines = [f"usage: tlml {command} [options]", "", WHAT[command]]
    for path, cls in classes.items():
        inner = {slot.removeprefix(f"{path}.") for slot in classes} | {"spaces"}
        own = [option for option in options_of(cls).known if option.name not in inner]
        lines += ["", f"--{path} {filled[path]}", *option_lines(own, f"--{path}.")]
    trainer = read_options("pytorch_lightning.trainer.trainer:Trainer").known
    lines += ["", "Lightning's Trainer", *option_lines(trainer, "--trainer.")]
    return "\n".join([*lines, "", f"Files, checkpoints and more: tlml {command} --help"])


_ADAPTING = """\
  --strategy STRATEGY        what adapts; the learner's own by default
  --head kept|new            keep the head, or begin with zeros; kept where labels mean the same
  --resume FILE              go on with an interrupted adaptation, or last
"""
_TESTING = """\
  --data.adapt STRATEGY      what adapts to each task; the learner's own by default
"""
_VIEW = {"fit": "the learner's by default", "adapt": "PairView by default"}
_CKPT = {"fit": "go on from it, or from last: that of the newest fit"}
