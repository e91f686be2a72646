from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, declare, site_on_path
from light import SEA, WAVES

from tlml.cli import COMMANDS, main
from tlml.registry import installed_plugins


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        site.install("sea", SEA)
        site.write("sea_waves.py", WAVES)
        yield site


@pytest.fixture
def alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The sea without our own plugins, so that the output is known."""
    monkeypatch.setenv(
        "TLML_BLOCK", ",".join(name for name in installed_plugins() if name != "sea")
    )
    return site


def test_list_groups_by_kind_and_approach(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert (
        captured.out
        == """\
domain
  waves      sea   water that moves

learner
  estimator  core  predicts without a network: in closed form, or by a model on source examples

learner: meta-learning
  climber    sea   goes up

strategy
  climber    sea   also up

strategy: model-transfer
  jump       sea   no step
  step       sea   one step

protocol
  control    core  act in target environments after some steps in them; env_steps: [0, 10000]
  episodes   core  adapt to target episodes; in a suite: shots: [1, 5]
  stream     core  learn tasks one after another, retain them; in a suite: stream: {tasks: 20}
"""
    )


def test_list_takes_a_kind(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--kind", "domain"]) == 0
    assert capsys.readouterr().out == "domain\n  waves  sea  water that moves\n"


def test_an_empty_list_says_so(
    alone: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TLML_BLOCK", ",".join(installed_plugins()))
    assert main(["list", "--kind", "domain"]) == 0
    assert capsys.readouterr().out == "nothing of this kind is registered (tlml plugins)\n"
    assert main(["list", "--kind", "domain", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_list_as_json_is_a_list_of_objects(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {
        "name": "waves",
        "kind": "domain",
        "plugin": "sea",
        "summary": "water that moves",
        "paper": "Newton 1687",
        "approach": "",
        "gives": ["episodes", "pair", "regression"],
        "needs": [],
    }
    assert [(entry["kind"], entry["name"]) for entry in found[1:]] == [
        ("learner", "estimator"),
        ("learner", "climber"),
        ("strategy", "climber"),
        ("strategy", "jump"),
        ("strategy", "step"),
    ]


def test_what_is_registered_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    listed = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert {"sinusoid", "glyphs", "digits", "supervised", "maml"} <= listed
    assert {"scratch", "full", "linear_probe", "sgd"} <= listed


def test_info_shows_all_of_a_domain(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "waves"]) == 0
    assert (
        capsys.readouterr().out
        == """\
waves (domain, plugin sea)
water that moves

  paper       Newton 1687
  settings    inductive (target labels), transductive (no target labels)
  gives       episodes, pair, regression
  learners    climber, estimator
  strategies  step

options
  height: float (required)
      How high they are, which may take a sentence that is longer than one line of a
      terminal has room for.
  period: int = 12

example
  tlml fit --model climber --data.domain waves --data.domain.height HEIGHT --model.strategy step
"""
    )
    assert "sea_waves" not in sys.modules


def test_info_shows_both_kinds_of_a_name(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "climber"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("climber (learner, plugin sea)\ngoes up\n")
    assert "\n\nclimber (strategy, plugin sea)\nalso up\n" in shown
    assert main(["info", "climber", "--kind", "strategy"]) == 0
    assert capsys.readouterr().out.startswith("climber (strategy, plugin sea)\n")


def test_the_example_of_info_suits_the_name(
    alone: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.install(
        "lake",
        declare("learner", "plain", extra=", gives={'loss'}")
        + declare("strategy", "tide", extra=", gives={'estimates'}"),
    )
    examples = {}
    for name in ("jump", "step", "plain", "estimator", "tide"):
        assert main(["info", name, "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        examples[name] = found["example"]
    assert examples == {
        "jump": 'tlml.EpisodeView(tlml.domain("waves"), adapt=tlml.strategy("jump"))',
        "step": "tlml fit --model climber --data.domain waves --model.strategy step",
        "plain": "tlml fit --model plain --data.domain waves --model.strategy climber",
        "estimator": 'tlml.learner("estimator", strategy="tide")',
        "tide": 'tlml.learner("estimator", strategy="tide")',
    }


def test_info_says_where_options_are_not_all(
    alone: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "step"]) == 0
    assert (
        "options\n  none\n  (and those that its source doesn't show: tlml info step --import)"
        in capsys.readouterr().out
    )
    assert main(["info", "jump", "--json"]) == 0
    (jump,) = json.loads(capsys.readouterr().out)
    text = "sea_waves:Jump: the source of this class was not found (try tlml info --import)"
    assert (jump["options"], jump["note"]) == ([], text)
    assert jump["settings"] == []


def test_info_as_json_holds_the_options(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "waves", "--json"]) == 0
    (waves,) = json.loads(capsys.readouterr().out)
    assert waves["options"][1] == {
        "name": "period",
        "type": "int",
        "default": "12",
        "required": False,
        "help": "",
    }
    assert waves["options"][0]["required"]
    assert waves["goes_with"] == {"learner": ["climber", "estimator"], "strategy": ["step"]}
    assert waves["target"] == "sea_waves:Waves"
    assert waves["note"] == ""


def test_info_imports_where_it_is_asked_to(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    alone.write(
        "sea_waves.py",
        "def make(height: float): ...\nWaves = type('Waves', (), "
        "{'__init__': lambda self, height=2: None})\n",
    )
    assert main(["info", "waves", "--import"]) == 0
    assert "\noptions\n  height = 2\n" in capsys.readouterr().out
    assert main(["info", "jump", "--import"]) == 2
    error = capsys.readouterr().err
    assert error == (
        "tlml: strategy jump (plugin sea, target sea_waves:Jump): "
        "sea_waves has no class Jump; choose from Waves\n"
    )


def test_plugins_shows_the_broken_ones_and_exits_with_1(
    alone: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins"]) == 0
    assert "BROKEN" not in capsys.readouterr().out
    alone.install("hole", "import no_such", version="2.5")
    assert main(["plugins"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["plugin", "distribution", "load", "brings"]
    (hole,) = (line for line in lines if line.startswith("hole "))
    assert "hole 2.5" in hole
    assert hole.endswith("BROKEN: ModuleNotFoundError: No module named 'no_such'")
    (sea,) = (line for line in lines if line.startswith("sea "))
    assert sea.endswith(
        "domain waves, learner climber, strategy step, strategy jump, strategy climber"
    )


def test_plugins_as_json_is_a_list_of_objects(
    alone: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.write("timm.py", "")
    alone.install("hole", f"import timm\n{declare('domain', 'waves')}", version="2.5")
    assert main(["plugins", "--json"]) == 1
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    hole, sea = found["hole"], found["sea"]
    assert {key: sea[key] for key in ("kind", "plugin", "distribution", "version", "error")} == {
        "kind": "plugin",
        "plugin": "sea",
        "distribution": "sea",
        "version": "1.0",
        "error": "domain 'waves' is declared by plugin hole and by plugin sea",
    }
    assert sea["provides"] == {"domain": [], "learner": [], "strategy": []}
    assert hole["provides"] == {"domain": ["waves"], "learner": [], "strategy": []}
    assert hole["heavy"] == ["timm"]
    assert hole["load_ms"] >= 0


def test_our_own_plugins_are_in_order_and_light(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--json"]) == 0
    for entry in json.loads(capsys.readouterr().out):
        assert (entry["error"], entry["distribution"]) == ("", "tlml")
        assert entry["heavy"] == []


@pytest.mark.parametrize(
    "argv", [["list"], ["info", "waves"], ["check", "waves", "climber", "step"]]
)
def test_a_broken_plugin_stops_no_command(
    alone: Site, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    before = capsys.readouterr().out
    alone.install("hole", "raise RuntimeError('deep')")
    assert main(argv) == 0
    after = capsys.readouterr()
    assert after.out == before
    if argv == ["list"]:
        assert after.err == "tlml: left out as broken: hole (tlml plugins)\n"


def test_strict_makes_a_broken_plugin_an_error(
    alone: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.install("hole", "raise RuntimeError('deep')")
    monkeypatch.setenv("TLML_STRICT", "1")
    assert main(["list"]) == 2
    assert capsys.readouterr() == ("", "tlml: plugin hole: RuntimeError: deep\n")


def test_check_accepts_what_goes_together(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "waves", "climber", "step"]) == 0
    assert capsys.readouterr() == ("waves, climber and step go together\n", "")


def test_check_refuses_what_does_not(alone: Site, capsys: pytest.CaptureFixture[str]) -> None:
    error = (
        "tlml: waves, climber and jump do not go together: learner climber needs "
        "differentiable, which neither domain waves nor strategy jump gives; "
        "these do: waves climber step\n"
    )
    assert main(["check", "waves", "climber", "jump"]) == 2
    assert capsys.readouterr() == ("", error)
    assert main(["check", "waves", "climber", "jump", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == error
    assert json.loads(captured.out) == {
        "works": False,
        "trio": ["waves", "climber", "jump"],
        "lacks": [{"kind": "learner", "name": "climber", "need": "differentiable"}],
        "instead": [["waves", "climber", "step"]],
    }


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["lsit"], "no command is called 'lsit'; did you mean list?"),
        (["--jsn"], "'--jsn' is not understood before a command (tlml --help)"),
        (["list", "--jsn"], "list: '--jsn' is not understood; did you mean --json?"),
        (["list", "--js"], "list: '--js' is not understood; did you mean --json?"),
        (["list", "waves"], "list: 'waves' is not understood"),
        (["list", "--kind"], "list: argument --kind: expected one argument (tlml list --help)"),
        (["list", "--kind", "domian"], "no kind is called 'domian'; did you mean domain?"),
        (
            ["info"],
            "info: the following arguments are required: NAME (tlml info --help)",
        ),
        (
            ["info", "wave"],
            "no domain, learner, strategy or protocol is called 'wave'; did you mean waves?",
        ),
        (
            ["info", "waves", "--kind", "strategy"],
            "no strategy is called 'waves'; choose from climber, jump, step",
        ),
        (["check", "wave", "climber", "step"], "no domain is called 'wave'; did you mean waves?"),
        (["-p", "sea", "list"], "-p: 'sea' is not no:PLUGIN, such as -p no:maml"),
        (["-p"], "-p: '' is not no:PLUGIN, such as -p no:maml"),
        (["-p", "no:core", "list"], "-p: plugin core cannot be left out"),
        (["-p", "no:see", "list"], "no plugin is called 'see'; did you mean sea?"),
    ],
)
def test_each_mistake_is_one_line_and_exit_status_2(
    alone: Site, argv: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert capsys.readouterr() == ("", f"tlml: {error}\n")


@pytest.mark.parametrize("option", [["-p", "no:sea"], ["-pno:sea"]])
def test_a_plugin_is_left_out(
    alone: Site, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*option, "list", "--kind", "domain", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert os.environ["TLML_BLOCK"].startswith("sea,")


def test_help_names_each_command_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == shown
    for name, command in COMMANDS.items():
        (line,) = (line for line in shown.splitlines() if line.startswith(f"  {name} "))
        assert command.purpose in line
        assert line.endswith(command.example)
        assert command.example.startswith(f"tlml {name} ") or command.example == f"tlml {name}"
        assert len(line) <= 100


@pytest.mark.parametrize("name", ["list", "info", "plugins", "check"])
def test_each_light_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: tlml {name} ")


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    import tlml

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tlml {tlml.__version__}\n"


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *((name, "tlml.cli.commands") for name in ("fit", "validate", "test", "adapt")),
        *((name, "tlml.cli.bench") for name in ("bench", "report")),
    ],
)
def test_heavy_commands_get_their_arguments_untouched(
    site: Site, command: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    fake = types.ModuleType(module)
    vars(fake)["main"] = seen.append
    monkeypatch.setitem(sys.modules, module, fake)
    assert main(["-p", "no:sea", command, "-p", "--help", "--model", "climber"]) == 0
    assert seen == [[command, "-p", "--help", "--model", "climber"]]
    assert os.environ["TLML_BLOCK"].split(",")[0] == "sea"


@pytest.mark.parametrize(
    ("raised", "status", "printed"),
    [
        (SystemExit(3), 3, ""),
        (SystemExit(None), 0, ""),
        (KeyboardInterrupt(), 130, "tlml: interrupted; the same command goes on\n"),
    ],
)
def test_the_exit_status_says_how_a_command_ended(
    raised: BaseException,
    status: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def end(argv: list[str]) -> int:
        raise raised

    fake = types.ModuleType("tlml.cli.bench")
    vars(fake)["main"] = end
    monkeypatch.setitem(sys.modules, "tlml.cli.bench", fake)
    assert main(["bench", "quickstart"]) == status
    assert capsys.readouterr() == ("", printed)


def test_the_example_of_a_domain_holds_what_it_requires(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from tlml.cli import main as installed_plugins

    assert installed_plugins(["info", "image_folder"]) == 0
    *_, example = capsys.readouterr().out.strip().splitlines()
    assert "--data.domain.source SOURCE --data.domain.target TARGET" in example


@pytest.mark.parametrize("command", [["list"], ["info", "waves"], ["plugins"]])
def test_json_stays_json_whatever_a_plugin_prints_at_its_import(
    alone: Site, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    alone.write("sea_module.py", f"print('splash')\n{SEA}")
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)
    assert "splash" in captured.err


def test_info_reads_options_off_a_class_that_prints(
    alone: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.write("sea_waves.py", f"print('splash')\n{WAVES}")
    assert main(["info", "waves", "--kind", "domain", "--import", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_malformed_entry_points_of_a_package_are_told_in_one_line(
    alone: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch and Lightning read those of all packages, and so can't be imported."""
    alone.write("aaa-1.0.dist-info/METADATA", "Name: aaa\nVersion: 1\n")
    alone.write("aaa-1.0.dist-info/entry_points.txt", "nonsense\n[x]\ny")
    assert main(["list"]) == 0
    capsys.readouterr()

    def heavy(argv: list[str]) -> int:
        return len(importlib.metadata.entry_points(group="torch.backends"))

    monkeypatch.setattr("tlml.cli.light.main", heavy)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == (
        "tlml: entry_points.txt of aaa is malformed, and torch and Lightning read those of all "
        "packages: install it anew, or remove it\n"
    )
