"""The ``tlml`` command: its subcommands, imported when they run, and one line for each error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from tlml.cli.stops import Stopped, stopping_at_sigterm
from tlml.errors import TlmlError, unknown
from tlml.version import tlml_version


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand.

    Args:
        module: Its ``main(argv)`` runs the command.
        purpose: What ``tlml --help`` says.
        example: One line of use.
        goes_on: How what was stopped goes on.
    """

    module: str
    purpose: str
    example: str
    goes_on: str = ""


_AGAIN = "the same command goes on"
_LIGHT, _TRAINER, _BENCH = "tlml.cli.light", "tlml.cli.commands", "tlml.cli.bench"
COMMANDS = {
    "list": Command(_LIGHT, "show what is registered", "tlml list --kind learner"),
    "info": Command(_LIGHT, "show a name: options, paper, partners", "tlml info maml"),
    "plugins": Command(_LIGHT, "show plugins, their cost and errors", "tlml plugins"),
    "check": Command(_LIGHT, "say whether three names go together", "tlml check glyphs maml sgd"),
    "fit": Command(
        _TRAINER,
        "train a learner on source tasks",
        "tlml fit --model maml --data.domain glyphs",
        f"{_AGAIN} with --ckpt_path last",
    ),
    "validate": Command(
        _TRAINER, "measure it on validation tasks", "tlml validate --config run.yaml --ckpt_path C"
    ),
    "test": Command(
        _TRAINER, "measure it on target tasks", "tlml test --config run.yaml --ckpt_path C"
    ),
    "adapt": Command(
        _TRAINER,
        "carry it to one target task",
        "tlml adapt --config run.yaml --ckpt_path C",
        f"{_AGAIN} with --resume last",
    ),
    "episodes": Command(
        "tlml.cli.episodes", "write test episodes to a file", "tlml episodes show tasks.npz"
    ),
    "bench": Command(_BENCH, "run a suite, or what is left of it", "tlml bench quickstart", _AGAIN),
    "report": Command(_BENCH, "table and plots of the results", "tlml report runs/quickstart"),
}

USAGE = """\
usage: tlml [-p no:PLUGIN] COMMAND ...

Which way of carrying knowledge over works best: transfer, meta-, continual and
reinforcement learning on the same tasks, compared in one run.

{commands}

  -p no:PLUGIN   leave a plugin out; may be repeated
  --version      print the version
  -h, --help     print this; tlml COMMAND --help explains one command"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status: 2 for what the user can mend.

    It is 130 after Ctrl-C and 143 after SIGTERM, which other programs send to end it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except TlmlError as error:
        print(f"tlml: {error}", file=sys.stderr)
        return 2
    except Stopped as stop:
        print(f"tlml: {stop}{_how_to_go_on(words)}", file=sys.stderr)
        return stop.status
    except BrokenPipeError:
        # Python flushes once more at its exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _how_to_go_on(words: Sequence[str]) -> str:
    command = next((COMMANDS[word] for word in words if word in COMMANDS), None)
    if command is None or not command.goes_on:
        return ""
    anew = [flag for flag in ("--fresh", "--rerun") if flag in words]
    return f"; {command.goes_on}{' without ' + ' and '.join(anew) if anew else ''}"


def _run(argv: list[str]) -> int:
    left_out: list[str] = []
    while argv and argv[0].startswith("-"):
        flag = argv.pop(0)
        if flag in ("-h", "--help"):
            return _say(usage())
        if flag == "--version":
            return _say(f"tlml {tlml_version()}")
        if not flag.startswith("-p"):
            raise TlmlError(f"'{flag}' is not understood before a command (tlml --help)")
        left_out.append(_left_out(flag[2:] or (argv.pop(0) if argv else "")))
    if left_out:
        # The environment reaches the processes that a command starts, too.
        os.environ["TLML_BLOCK"] = ",".join([*left_out, os.environ.get("TLML_BLOCK", "")])
    return _dispatch(argv) if argv else _say(usage())


def usage() -> str:
    """Return the text of ``tlml --help``."""
    return USAGE.format(
        commands="\n".join(
            f"  {name:<9} {command.purpose:<38} {command.example}"
            for name, command in COMMANDS.items()
        )
    )


def _dispatch(argv: list[str]) -> int:
    if argv[0] not in COMMANDS:
        raise unknown("command", argv[0], COMMANDS)
    try:
        with stopping_at_sigterm():
            return import_module(COMMANDS[argv[0]].module).main(argv) or 0
    except SystemExit as stop:  # argparse ends so after --help
        if isinstance(stop.code, str):
            raise
        return stop.code or 0
    except Exception as error:
        _explain_metadata(error)
        raise


def _explain_metadata(error: BaseException) -> None:
    """Raise in one line where Python can't read what is installed: torch, too, asks for it."""
    from tlml.registry.installed import malformed

    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__") != "importlib.metadata":
        frame = frame.tb_next
    if frame is not None and (found := malformed()):
        raise TlmlError(
            f"entry_points.txt of {', '.join(found)} is malformed, and torch and Lightning read "
            "those of all packages: install it anew, or remove it"
        ) from error


def _left_out(value: str) -> str:
    from tlml.registry.installed import CORE, installed_plugins

    if not value.startswith("no:"):
        raise TlmlError(f"-p: '{value}' is not no:PLUGIN, such as -p no:maml")
    name = value.removeprefix("no:")
    if name == CORE:
        raise TlmlError(f"-p: plugin {CORE} cannot be left out")
    if name not in installed_plugins():
        raise unknown("plugin", name, installed_plugins())
    return name


def _say(text: str) -> int:
    print(text)
    return 0
