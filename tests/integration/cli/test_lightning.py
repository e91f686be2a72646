from __future__ import annotations

import json
import signal
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pytorch_lightning import Callback, Trainer

import tlml
from tlml.cli import main
from tlml.cli.commands import main as heavy_main

QUICK = (
    "--trainer.accelerator cpu --trainer.enable_progress_bar false "
    "--trainer.enable_model_summary false --trainer.log_every_n_steps 1"
).split()


MAML = [*"--model maml --data.domain sinusoid --data.shots 3 --data.queries 3".split()]


FIT = [
    "fit", *MAML, *QUICK, "--data.episodes", "8", "--data.val_episodes", "4",
    "--model.network_options", '{"hidden": [4]}', "--trainer.max_epochs", "1",
]  # fmt: skip


SGD = {
    "name": "sgd", "lr": 0.01, "steps": 5, "batchnorm": None, "learn_lr": False, "test_steps": None
}  # fmt: skip


LAST = "runs/fit/version_0/checkpoints/last.ckpt"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of maml."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(FIT) == 0
    return folder


@pytest.fixture
def in_fitted(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(fitted)
    return fitted


def config_of(*words: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what ``--print_config`` prints."""
    capsys.readouterr()
    assert main([*words, "--print_config"]) == 0, capsys.readouterr().err
    printed: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return printed


def error_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a wrong command line ends with."""
    capsys.readouterr()
    assert main(list(words)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tlml: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("tlml: ")


def test_a_fit_leaves_configuration_metrics_and_the_last_checkpoint(fitted: Path) -> None:
    run = fitted / "runs/fit/version_0"
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files == {"config.yaml", "metrics.csv", "hparams.yaml", "checkpoints/last.ckpt"}
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"] | {"strategy": None} == {
        "name": "maml", "network": "auto", "network_options": {"hidden": [4]}, "lr": 0.001,
        "first_order": False, "optimizer": "adam", "weight_decay": 0.0, "momentum": 0.9,
        "fused": False, "loss": None,
        "batchnorm": "batch", "vectorize": "auto", "chunk_size": None, "compile": False,
        "memory": "normal", "channels_last": None, "seed": 0, "strategy": None,
    }  # fmt: skip
    assert config["model"]["strategy"]["name"] == "sgd"
    assert config["data"]["domain"]["name"] == "sinusoid"
    assert yaml.safe_load((run / "hparams.yaml").read_text())["model"] == config["model"]
    header = (run / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train_loss", "val_loss", "val_mse"} <= set(header)


def test_a_saved_configuration_runs_again_and_overwrites_nothing(in_fitted: Path) -> None:
    before = (in_fitted / LAST).read_bytes()
    assert main(["fit", "--config", "runs/fit/version_0/config.yaml"]) == 0
    assert (in_fitted / LAST).read_bytes() == before
    again = tlml.load("runs/fit/version_1/checkpoints/last.ckpt")
    for name, value in tlml.load(LAST).state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_test_takes_learner_and_options_from_the_checkpoint(
    in_fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--data.domain sinusoid --data.shots 3 --data.episodes 4 --data.adapt full".split()
    assert main(["test", "--ckpt_path", LAST, *words, *QUICK, "--data.adapt.steps", "2"]) == 0
    assert "test_mse" in capsys.readouterr().out
    config = yaml.safe_load(Path("runs/test/version_0/config.yaml").read_text())
    assert config["model"]["network_options"] == {"hidden": [4]}
    assert config["data"]["adapt"]["name"] == "full"
    assert not Path("runs/test/version_0/checkpoints").exists()


def test_validate_measures_the_newest_fit(
    in_fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--data.domain sinusoid --data.episodes 4".split()
    assert main(["validate", "--ckpt_path", "last", *words, *QUICK]) == 0
    assert "val_mse" in capsys.readouterr().out


def test_adapting_leaves_the_adapted_learner(
    in_fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--data.domain sinusoid --data.shots 3 --strategy full --strategy.steps 3".split()
    assert main(["adapt", "--ckpt_path", LAST, *words, *QUICK]) == 0
    assert "test_mse" in capsys.readouterr().out
    run = Path("runs/adapt/version_0")
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3  # the strategy's steps, where the Trainer has no end
    adapted = tlml.load(run / "checkpoints/last.ckpt", expected="maml")
    source = tlml.load(LAST)
    assert not torch.equal(adapted.network.head.weight, source.network.head.weight)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["strategy"]["name"] == "full"
    assert (config["data"]["name"], config["data"]["source"]) == ("PairView", False)
    assert main(["adapt", "--ckpt_path", LAST, *words, *QUICK, "--resume", "last",
                 "--trainer.max_steps", "5"]) == 0  # fmt: skip


def test_a_resumed_fit_ends_where_the_uninterrupted_one_does() -> None:
    assert main([*FIT, "--trainer.max_epochs", "2"]) == 0
    whole = tlml.load(LAST)
    assert main(FIT) == 0
    options = [*QUICK, "--data.domain", "sinusoid", "--data.shots", "3", "--data.queries", "3"]
    options += ["--data.episodes", "8", "--data.val_episodes", "4", "--trainer.max_epochs", "2"]
    assert main(["fit", "--ckpt_path", "last", *options]) == 0  # learner and options as saved
    resumed = tlml.load("runs/fit/version_2/checkpoints/last.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


class StopsAt(Callback):
    """Interrupts a fit in its third batch, as Ctrl-C does."""

    def on_before_optimizer_step(self, trainer: Trainer, *args: object) -> None:
        if trainer.global_step == 2:
            signal.raise_signal(signal.SIGINT)


def test_a_fit_that_is_interrupted_goes_on_from_that_batch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*QUICK, "--data.domain", "sinusoid", "--data.shots", "3", "--data.queries", "3"]
    options += ["--data.episodes", "12", "--data.val_episodes", "4", "--trainer.max_epochs", "2"]
    options += ["--data.tasks_per_batch", "2"]
    assert main(["fit", "--model", "maml", *options]) == 0
    whole = tlml.load(LAST)
    stopping = ["--trainer.callbacks", f"{__name__}.StopsAt"]
    moved = ["--trainer.default_root_dir", "elsewhere"]
    assert main(["fit", "--model", "maml", *options, *stopping, *moved]) == 130
    assert "interrupted" in capsys.readouterr().err
    kept = Path("elsewhere/fit/version_0/checkpoints/last.ckpt")
    assert torch.load(kept, weights_only=True)["global_step"] == 3
    assert main(["fit", "--ckpt_path", "last", *options]) == 0
    assert f"ckpt_path last: {kept}" in capsys.readouterr().err
    resumed = tlml.load("runs/fit/version_1/checkpoints/last.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_an_adaptation_that_is_interrupted_goes_on_from_that_step(
    in_fitted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = "--data.domain sinusoid --data.shots 3 --strategy full --strategy.steps 5".split()
    command = ["adapt", "--ckpt_path", str(in_fitted / LAST), *words, *QUICK]
    assert main(command) == 0
    whole = tlml.load("runs/adapt/version_0/checkpoints/last.ckpt")
    assert main([*command, "--trainer.callbacks", f"{__name__}.StopsAt"]) == 130
    stopped = torch.load("runs/adapt/version_1/checkpoints/last.ckpt", weights_only=True)
    assert stopped["global_step"] == 3
    assert main([*command, "--resume", "last"]) == 0
    resumed = tlml.load("runs/adapt/version_2/checkpoints/last.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_the_users_logger_and_checkpoints_take_the_place_of_ours() -> None:
    assert main([*FIT, "--trainer.logger", "false", "--trainer.enable_checkpointing", "false"]) == 0
    assert list(Path().rglob("*")) == []
    own = "--trainer.callbacks ModelCheckpoint --trainer.callbacks.filename mine".split()
    assert main([*FIT, "--trainer.default_root_dir", "here", *own]) == 0
    assert [p.name for p in Path("here/fit/version_0/checkpoints").iterdir()] == ["mine.ckpt"]


def test_weights_and_biases_gets_the_whole_nested_configuration(tmp_path: Path) -> None:
    # wandb remembers the folder of its first run in a process, so that a relative one won't do.
    logger = "--trainer.logger WandbLogger --trainer.logger.offline true".split()
    logger += ["--trainer.logger.project", "p", "--trainer.logger.save_dir", str(tmp_path)]
    assert main([*FIT, *logger]) == 0
    (file,) = Path().glob("wandb/offline-run-*/run-*.wandb")
    config = wandb_config(file)
    for _ in range(200):  # another process writes the file, and ends after ours
        if "model" in config:
            break
        time.sleep(0.1)
        config = wandb_config(file)
    assert config["model"]["strategy"] == SGD
    assert config["data"]["domain"]["amplitude"] == [0.1, 5.0]
    assert config["trainer"]["logger"]["class_path"].endswith("WandbLogger")
    (run,) = Path("p").iterdir()
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["name"] == "maml"


def wandb_config(file: Path) -> dict[str, Any]:
    """Read the configuration back from the file of an offline run."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Any] = {}
    for data in leveldb_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        for part in (record.config, record.run.config):
            for item in part.update:
                node = found
                *outer, last = item.nested_key or [item.key]
                for key in outer:
                    node = node.setdefault(key, {})
                node[last] = json.loads(item.value_json)
    return found


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a LevelDB log, which W&B writes after a header of seven bytes."""
    place, parts, block = 7, b"", 1 << 15
    while place + 7 <= len(content):
        if block - place % block < 7:  # too short for a header: padding
            place += block - place % block
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the end of one
            yield parts
            parts = b""


FILE = """\
model:
  name: maml
  lr: 0.01
  strategy: {name: sgd, steps: 2}
data:
  domain: {name: sinusoid, noise: 0.1}
  shots: 10
trainer: {max_epochs: 3}
"""


LIGHTNINGS = """\
model:
  class_path: tlml.names.learner.maml
  init_args:
    lr: 0.01
    strategy: {class_path: tlml.names.strategy.sgd, init_args: {steps: 2}}
data:
  class_path: tlml.EpisodeView
  init_args:
    domain: {class_path: sinusoid, init_args: {noise: 0.1}}
    shots: 10
trainer: {max_epochs: 3}
"""


FLAGS = (
    "--model maml --model.lr 0.01 --model.strategy sgd --model.strategy.steps 2 --data.domain "
    "sinusoid --data.domain.noise 0.1 --data.shots=10 --trainer.max_epochs 3"
).split()


LONG_FLAGS = (
    "--model.class_path tlml.names.learner.maml --model.init_args.lr 0.01 "
    "--model.init_args.strategy.class_path sgd --model.init_args.strategy.init_args.steps 2 "
    "--data tlml.views.EpisodeView --data.init_args.domain sinusoid "
    "--data.domain.init_args.noise 0.1 --data.init_args.shots 10 --trainer.max_epochs 3"
).split()


def test_flags_files_and_lightnings_class_paths_say_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("run.yaml").write_text(FILE)
    Path("lightning.yaml").write_text(LIGHTNINGS)
    Path("model.yaml").write_text(yaml.safe_dump(yaml.safe_load(FILE)["model"]))
    expected = config_of("fit", *FLAGS, capsys=capsys)
    assert expected["model"]["strategy"] == {
        "name": "sgd",
        "steps": 2,
        "lr": 0.01,
        "batchnorm": None,
        "learn_lr": False,
        "test_steps": None,
    }
    for words in (
        ["--config", "run.yaml"],
        ["-c", "lightning.yaml"],
        LONG_FLAGS,
        ["--model", "model.yaml", *FLAGS[8:]],
        ["--model", '{"name": "maml", "lr": 0.01, "strategy": {"name": "sgd", "options": '
         '{"steps": 2}}}', *FLAGS[8:]],
    ):  # fmt: skip
        assert config_of("fit", *words, capsys=capsys) == expected


@pytest.mark.parametrize("command", ["fit", "validate", "test", "adapt"])
def test_a_printed_configuration_reads_back_as_it_is(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"adapt": ["--strategy", "full", "--data.shots", "2", "--model", "supervised"]}
    first = words.get(command, [*FLAGS, "--data.adapt", "scratch"])
    if command == "adapt":
        first += ["--data.domain", "sinusoid"]
    config = config_of(command, *first, capsys=capsys)
    Path("printed.yaml").write_text(yaml.safe_dump(config))
    assert config_of(command, "--config", "printed.yaml", capsys=capsys) == config


def test_of_a_printed_configuration_only_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *FLAGS, "--print_config=skip_default"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# tlml==")
    assert yaml.safe_load(text) == {
        "model": {"name": "maml", "lr": 0.01, "strategy": {"name": "sgd", "steps": 2}},
        "data": {
            "name": "EpisodeView", "shots": 10, "domain": {"name": "sinusoid", "noise": 0.1},
        },
        "trainer": {"max_epochs": 3},
    }  # fmt: skip
    assert error_of("fit", *FLAGS, "--print_config=all", capsys=capsys) == (
        "print_config: 'all' is not understood; it takes nothing or skip_default"
    )


def test_flags_override_files_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(FILE)
    words = ["--model.lr", "0.5", "--config", "run.yaml", "--model.strategy.lr", "0.25"]
    config = config_of("fit", *words, capsys=capsys)
    assert config["model"]["lr"] == 0.5
    assert config["model"]["strategy"] == SGD | {"steps": 2, "lr": 0.25}


def test_another_learner_takes_the_options_of_the_former_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("run.yaml").write_text(FILE)
    words = ["--model.weight_decay", "0.5", "--model", "supervised", "--config", "run.yaml"]
    config = config_of("fit", *words, capsys=capsys)
    assert config["model"]["lr"] == tlml.learner("supervised").lr
    assert config["model"]["weight_decay"] == 0.5
    assert config["model"]["strategy"]["name"] == "full"
    assert config["data"]["shots"] == 10


def test_the_view_follows_from_learner_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    def view(command: str, *words: str) -> str:
        words = (command, "--data.domain", "sinusoid", "--data.shots", "2", *words)
        name: str = config_of(*words, capsys=capsys)["data"]["name"]
        return name

    assert view("fit", "--model", "maml") == "EpisodeView"
    assert view("fit", "--model", "supervised") == "PairView"
    assert view("test", "--model", "supervised") == "EpisodeView"
    assert view("validate", "--model", "supervised", "--data", "PairView") == "PairView"
    assert view("adapt", "--model", "supervised") == "PairView"


def test_a_strategy_can_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", "supervised", "--data.domain", "sinusoid", "--model.strategy", "null"]
    assert config_of("fit", *words, capsys=capsys)["model"]["strategy"] is None


def test_the_path_of_a_class_stands_for_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", "tlml_transfer.supervised.Supervised", "--model.lr", "0.5"]
    config = config_of("fit", *words, "--data.domain", "sinusoid", capsys=capsys)
    assert config["model"]["name"] == "tlml_transfer.supervised.Supervised"
    assert config["model"]["lr"] == 0.5


def test_an_option_called_name_keeps_apart_from_the_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("named.py").write_text(
        "from tlml_synthetic.sinusoid import Sinusoid\n"
        "class Named(Sinusoid):\n"
        "    def __init__(self, name: str = 'wave'):\n"
        "        super().__init__()\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    words = ["fit", "--model", "maml", "--data.domain", "named.Named", "--data.domain.name", "x"]
    config = config_of(*words, capsys=capsys)
    assert config["data"]["domain"] == {"class_path": "named.Named", "init_args": {"name": "x"}}
    Path("printed.yaml").write_text(yaml.safe_dump(config))
    assert config_of("fit", "--config", "printed.yaml", capsys=capsys) == config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model.lrr 3", "model.lrr: no such option of maml; did you mean lr? (tlml info maml)"),
        (
            "--model.strategy.stps 3",
            "model.strategy.stps: no such option of sgd; did you mean steps? (tlml info sgd)",
        ),
        (
            "--data.domain.noize 3",
            "data.domain.noize: no such option of sinusoid; did you mean noise? "
            "(tlml info sinusoid)",
        ),
        ("--model.spaces 3", "model.spaces: no such option of maml"),
        ("--data.shts 3", "data.shts: no such option of EpisodeView; did you mean shots?"),
        ("--trainer.max_epoch 1", "trainer.max_epoch: no such option; did you mean max_epochs?"),
        ("--model.lr abc", "model.lr: must be float, is 'abc'"),
        ("--model.strategy.lr abc", "model.strategy.lr: must be float, is 'abc'"),
        ("--model.optimizer adm", "model.optimizer: must be one of adam, adamw, sgd, is 'adm'"),
        ("--trainer.max_epochs x", "trainer.max_epochs: must be int or null, is 'x'"),
        ("--trainer.max_epochs", "trainer.max_epochs: expected one argument"),
        ("--data.shots -1", "data.shots: must be greater than 0, is -1"),
        (
            "--data.shots 1.5",
            "data.shots: must be a whole number, a pair [low, high] of them, a share such as 0.1, "
            "or all, is 1.5",
        ),
        ("--model.lr -1", "model.lr: must be greater than 0, is -1.0"),
        ("--model.strategy.lr=-1", "model.strategy.lr: must be greater than 0, is -1.0"),
        ("--model.network conv5", "no network is called 'conv5'; did you mean conv4?"),
        ("--model mamml", "model: no learner is called 'mamml'; did you mean maml?"),
        (
            "--model.strategy sgdd",
            "model.strategy: no strategy is called 'sgdd'; did you mean sgd?",
        ),
        ("--data.domain sinus", "data.domain: no domain is called 'sinus'; did you mean sinusoid?"),
        ("--data PairVew", "data: no view is called 'PairVew'; did you mean PairView?"),
        ("--data", "data: a value is missing after --data"),
        (
            "--trainer.logger WandbLoger",
            "trainer.logger: no class is called 'WandbLoger'; did you mean WandbLogger?",
        ),
        (
            "--trainer.logger WandbLogger --trainer.logger.offlin true",
            "trainer.logger.offlin: no such option; did you mean offline?",
        ),
        ("--trainer.accelerator gpuu", "trainer: You selected an invalid accelerator name"),
        ("glyphs", "'glyphs' is not an option; write options as --data.shots 5"),
        ("--config missing.yaml", "missing.yaml: cannot be read (No such file or directory)"),
        ("--ckpt_path missing.ckpt", "missing.ckpt: cannot be read (No such file or directory)"),
        (
            "--ckpt_path last",
            "ckpt_path: tlml fit has left no checkpoint here; give the path of one",
        ),
        (
            "--data.ways 3",
            "data.ways: Sinusoid has no classes but values to predict; leave ways out",
        ),
        (
            "--model.strategy full",
            "sinusoid, maml and full do not go together: learner maml needs differentiable",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_started(
    words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "_run", lambda *_, **__: pytest.fail("a Trainer ran"))
    error = error_of(*FIT, *words.split(), capsys=capsys)
    assert error.startswith(message), error
    assert not list(Path().rglob("version_*"))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit", "model is missing: name a learner, --model maml (tlml list --kind learner)"),
        (
            "fit --model maml",
            "data.domain is missing: name a domain, --data.domain glyphs (tlml list --kind domain)",
        ),
        (
            "adapt --model supervised --data.domain sinusoid",
            "data.shots: 0 labelled target examples, no unlabelled ones and no source leave "
            "nothing to fit",
        ),
        (
            "adapt --model supervised --data.domain sinusoid --data.adapt full",
            "data: no option is called 'adapt'; say --strategy full",
        ),
    ],
)
def test_what_is_missing_is_named(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert error_of(*command.split(), capsys=capsys) == message


def test_a_mistake_in_a_file_is_named_by_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(FILE.replace("noise", "noize"))
    assert error_of("fit", "--config", "run.yaml", capsys=capsys) == (
        "run.yaml:6: data.domain.noize: no such option of sinusoid; did you mean noise? "
        "(tlml info sinusoid)"
    )
    Path("run.yaml").write_text(LIGHTNINGS.replace("    lr:", "    lrr:"))
    assert error_of("fit", "--config", "run.yaml", capsys=capsys).startswith(
        "run.yaml:4: model.lrr"
    )
    Path("run.yaml").write_text(FILE + "trainer: {max_epochs: 4}\n")
    assert error_of("fit", "--config", "run.yaml", capsys=capsys) == (
        "run.yaml:9: duplicate key 'trainer' (first on line 8)"
    )
    Path("run.yaml").write_text("just text")
    assert error_of("fit", "--config", "run.yaml", capsys=capsys) == (
        "run.yaml: must hold options such as model, data and trainer"
    )
    Path("run.yaml").write_text(FILE.replace("max_epochs", "max_epoch"))
    assert error_of("fit", "--config", "run.yaml", capsys=capsys) == (
        "trainer.max_epoch: no such option; did you mean max_epochs?"
    )
    Path("run.yaml").write_text(FILE.replace("model:", "modle:"))
    assert error_of("fit", "--config", "run.yaml", "--model", "maml", capsys=capsys).startswith(
        "modle: no such option; did you mean model?"
    )


def test_checkpoints_of_others_and_broken_ones_are_refused(
    in_fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = ["test", "--data.domain", "sinusoid"]
    assert error_of(*test, "--model", "supervised", "--ckpt_path", LAST, capsys=capsys) == (
        f"{LAST}: a checkpoint of learner maml, not of supervised"
    )
    whole = (in_fitted / LAST).read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    assert error_of(*test, "--ckpt_path", str(tmp_path / "cut.ckpt"), capsys=capsys) == (
        f"{tmp_path}/cut.ckpt: cannot be read as a checkpoint; it is damaged, cut short or "
        "something else"
    )
    words = ["--model", "maml", "--ckpt_path", LAST, *QUICK]
    assert error_of(*test, *words, capsys=capsys).startswith(
        f"{LAST}: doesn't fit the network: Missing key(s) in state_dict: \"network.blocks.hidden2"
    )


def test_an_error_in_the_middle_of_training_is_one_line(
    in_fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--data.domain sinusoid --data.shots 3 --strategy full --strategy.lr 1e30".split()
    error = error_of(
        "adapt", "--ckpt_path", LAST, *words, "--strategy.optimizer", "sgd", *QUICK, capsys=capsys
    )
    assert error.startswith("adapting by Full diverged")


def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").write_text("a file in the way")
    assert error_of(*FIT, capsys=capsys) == (
        "runs: cannot be written (File exists); choose another path"
    )


@pytest.mark.parametrize("command", ["fit", "validate", "test", "adapt"])
def test_help_teaches_in_one_screen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: tlml {command} ")
    assert f"\n  tlml {command} --" in text
    assert len(text.splitlines()) < 40
    assert max(map(len, text.splitlines())) <= 100


def test_help_on_a_learner_shows_its_options_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model", "maml", "-h"]) == 0
    text = capsys.readouterr().out
    assert text.index("--model.first_order") < text.index("--data.shots") < text.index("--trainer.")
    assert "Inner step size" in text
    assert "torch.nn.Bilinear" not in text


def test_the_arguments_of_the_process_are_read_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tlml", "test", "--help"]
    monkeypatch.setattr(sys, "argv", words)
    assert heavy_main() == 0
    assert "usage: tlml test" in capsys.readouterr().out
    assert heavy_main(FIT) == 0
    assert sys.argv is words
    assert words == ["tlml", "test", "--help"]
