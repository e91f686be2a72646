from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from trainers import quiet_trainer

import tlml
from tlml import EpisodeView, Learner, Strategy, TlmlError
from tlml.registry import default_registry


class Rates(Strategy):
    """Owns a parameter, as meta-learned rates do."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr=lr, steps=1)
        self.rate = nn.Parameter(torch.tensor(lr))


def saved(folder: Path, name: str = "maml", **options: Any) -> tuple[Learner, Path]:
    """Return a learner fitted for a batch, and its checkpoint."""
    options = {"strategy": "sgd", "network_options": {"hidden": [4]}} | options
    learner = tlml.learner(name, **options)
    view = learner.view(tlml.domain("sinusoid"), queries=3)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.fit(learner, view)
    path = folder / "learner.ckpt"
    trainer.save_checkpoint(path, weights_only=False)
    return learner, path


@pytest.fixture(scope="module")
def maml(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learner, Path]:
    return saved(tmp_path_factory.mktemp("maml"))


def altered(path: Path, folder: Path, part: str, **changes: Any) -> Path:
    """Write a checkpoint with other values in one of its parts."""
    content = torch.load(path, weights_only=True)
    content[part] = {**content[part], **changes}
    torch.save(content, folder / "altered.ckpt")
    return folder / "altered.ckpt"


def error_of(path: Path | str, **options: Any) -> str:
    with pytest.raises(TlmlError) as error:
        tlml.load(path, **options)
    return str(error.value)


def test_a_loaded_learner_predicts_as_the_saved_one(maml: tuple[Learner, Path]) -> None:
    learner, path = maml
    loaded = tlml.load(path)
    view = EpisodeView(tlml.domain("sinusoid"), shots=3, queries=5, seed=2)
    support, query = view.dataset("target")[0]
    assert type(loaded) is type(learner)
    assert torch.equal(loaded.predict(support, query.x), learner.predict(support, query.x))
    assert dict(loaded.hparams) == dict(learner.hparams)


def test_the_state_of_the_same_strategy_is_kept_and_of_another_dropped(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "supervised", strategy=Rates(0.5))
    content = torch.load(path, weights_only=True)
    content["state_dict"]["strategy.rate"] = torch.tensor(0.25)
    for written in (content["hyper_parameters"]["strategy"], default_registry().name_of(Rates)):
        content["hyper_parameters"]["strategy"] = written  # with its options, or by name alone
        torch.save(content, path)
        assert tlml.load(path, strategy=Rates(0.5)).strategy.rate.item() == 0.25
    assert list(tlml.load(path, strategy="sgd").strategy.parameters()) == []


def test_a_module_is_passed_again(tmp_path: Path) -> None:
    learner, path = saved(tmp_path, network=nn.Linear(1, 1), network_options=None)
    assert error_of(path) == (
        f"{path}: its network was given as a module (torch.nn.modules.linear.Linear), which no "
        "checkpoint holds; pass it again: tlml.load(path, network=net), or its class: "
        "--model.network package.Class"
    )
    network = nn.Linear(1, 1)
    loaded = tlml.load(path, network=network)
    assert loaded.network is network
    assert torch.equal(network.weight, learner.network.weight)


def test_a_network_of_another_shape_is_refused(maml: tuple[Learner, Path], tmp_path: Path) -> None:
    path = altered(maml[1], tmp_path, "hyper_parameters", network_options={"hidden": [5]})
    assert error_of(path) == (
        f"{path}: doesn't fit the network: size mismatch for "
        "network.blocks.hidden1.linear.weight: copying a param with shape torch.Size([4, 1]) "
        "from checkpoint, the shape in current model is torch.Size([5, 1])"
    )


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    maml: tuple[Learner, Path], tmp_path: Path, share: float
) -> None:
    whole = maml[1].read_bytes()
    path = tmp_path / "cut.ckpt"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert error_of(path) == (
        f"{path}: cannot be read as a checkpoint; it is damaged, cut short or something else"
    )


def test_weights_alone_are_no_checkpoint(maml: tuple[Learner, Path], tmp_path: Path) -> None:
    content = torch.load(maml[1], weights_only=True)
    del content["state_dict"]
    torch.save(content, tmp_path / "headless.ckpt")
    path = tmp_path / "headless.ckpt"
    assert error_of(path) == f"{path}: holds no state_dict; save the whole checkpoint"


def test_another_learner_than_expected_is_refused(maml: tuple[Learner, Path]) -> None:
    _, path = maml
    assert tlml.load(path, expected="maml")
    assert error_of(path, expected="supervised") == (
        f"{path}: a checkpoint of learner maml, not of supervised"
    )


def test_a_learner_without_its_plugin_is_named(maml: tuple[Learner, Path], tmp_path: Path) -> None:
    path = altered(maml[1], tmp_path, "tlml", learner="forgotten")
    assert error_of(path).startswith(
        f"{path}: of learner 'forgotten', which no installed plugin brings (no learner is called"
    )
    path = altered(maml[1], tmp_path, "tlml", learner="no_such_package.Learner")
    assert error_of(path) == (
        f"{path}: learner no_such_package.Learner is in a module that is not imported and belongs "
        "to no plugin; a file can't have code run: if you trust it, import its module first; on "
        "the command line, name it, as in --model NAME"
    )


def test_options_of_another_version_are_named(maml: tuple[Learner, Path], tmp_path: Path) -> None:
    path = altered(maml[1], tmp_path, "hyper_parameters", glow=3)
    assert error_of(path) == (
        f"{path}: its options don't fit learner maml as installed (GradientLearner.__init__() got "
        f"an unexpected keyword argument 'glow'); it was written by tlml {tlml.__version__}"
    )


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("tlml", {"learner": "subprocess.Popen"}),
        ("hyper_parameters", {"strategy": {"name": "subprocess.Popen", "options": {"args": "x"}}}),
        ("hyper_parameters", {"network": "os.mkdir", "network_options": {"path": "x"}}),
        ("hyper_parameters", {"network": "elsewhere.make_module"}),
        ("hyper_parameters", {"network": "no_such_package.Network"}),
    ],
)
def test_nothing_that_a_file_names_is_called_unless_it_is_of_the_right_kind(
    maml: tuple[Learner, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    changes: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    error_of(altered(maml[1], tmp_path, part, **changes))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("module", ["trap", "trap.__main__", "tlml.__main__"])
@pytest.mark.parametrize("where", ["learner", "network", "strategy", "inner", "nested"])
def test_nothing_that_a_file_names_is_imported(
    maml: tuple[Learner, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    where: str,
) -> None:
    """A module of the working folder, or one that runs a program, would run as it is imported."""
    (tmp_path / "trap").mkdir()
    for file in ("trap/__init__.py", "trap/__main__.py"):
        (tmp_path / file).write_text("import pathlib; pathlib.Path('ran').touch(); exit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    before, name = set(sys.modules), f"{module}.X"
    changes: dict[str, Any] = {
        "learner": {"learner": name},
        "network": {"network": name},
        "strategy": {"strategy": name},
        "inner": {"strategy": {"name": name, "options": {}}},
        "nested": {"strategy": {"name": "sgd", "options": {"parts": [{"class_path": name}]}}},
    }
    part = "tlml" if where == "learner" else "hyper_parameters"
    path = altered(maml[1], tmp_path, part, **changes[where])
    text = error_of(path)
    assert not (tmp_path / "ran").exists()
    assert {name for name in set(sys.modules) - before if "trap" in name} == set()
    assert text.startswith(f"{path}: ")
    assert "belongs to no plugin" in text
    if where != "learner":
        with pytest.raises((TlmlError, TypeError)):
            type(maml[0]).load_from_checkpoint(path)
        assert not (tmp_path / "ran").exists()


def test_what_is_imported_or_passed_may_be_named(
    maml: tuple[Learner, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quitting.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    path = altered(maml[1], tmp_path, "hyper_parameters", network="quitting.Net")
    assert "network quitting.Net is in a module that is not imported" in error_of(path)
    assert error_of(path, network="quitting.Net") == (
        "network quitting.Net: cannot be imported: SystemExit: 0"
    )
    assert tlml.load(path, network="mlp").network is not None
    path = altered(maml[1], tmp_path, "hyper_parameters", strategy="quitting.Sgd")
    assert "strategy quitting.Sgd is in a module that is not" in error_of(path)
    assert tlml.load(path, strategy="sgd").strategy.options["steps"]


def test_a_network_given_by_the_path_of_its_class_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n"
        "class Line(nn.Linear):\n"
        "    def __init__(self, inputs, outputs):\n"
        "        super().__init__(inputs, outputs)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    learner, path = saved(tmp_path, network="my_networks.Line", network_options=None)
    assert torch.equal(tlml.load(path).network.weight, learner.network.weight)
