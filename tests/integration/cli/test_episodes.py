"""``tlml episodes``: what is written, shown and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import tlml
from tlml import EpisodeView
from tlml.cli import main
from tlml.data import read_episodes


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_export_writes_what_a_test_draws(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--domain sinusoid --domain.noise 0.1 --domain.amplitude=[1.0,2.0] --shots [1,3]"
    words += " --queries 4 --number 3 --seed 2 --split validation new/tasks.npz"
    assert main(["episodes", "export", *words.split()]) == 0
    domain = tlml.domain("sinusoid", noise=0.1, amplitude=(1.0, 2.0))
    view = EpisodeView(domain, shots=[1, 3], queries=4, seed=2)
    file = read_episodes("new/tasks.npz")
    assert len(file) == 3
    for i in range(3):
        (x, y), (other, _) = file[i], view.dataset("validation")[i]
        assert torch.equal(x.x, other.x) and torch.equal(x.y, other.y) and len(y.y) == 4
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        f"new/tasks.npz: 3 validation episodes, written by tlml {tlml.__version__}",
        "  domain    sinusoid, amplitude [1.0, 2.0], phase [0.0, 3.141592653589793], noise 0.1",
        "  episodes  1 to 3 shots, 4 queries",
        f"  support   {_range(file)} examples",
        "  query     4 examples",
        f"  examples  {len(file.x)} different ones of shape [1]",
        "  seed      2",
    ]
    assert main(["episodes", "show", "new/tasks.npz"]) == 0
    assert capsys.readouterr().out == shown


def _range(file: object) -> str:
    sizes = {len(file[i].support.x) for i in range(3)}  # type: ignore[index]
    return str(*sizes) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"


def test_show_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--domain tiny.Letters --ways 3 --shots 1 --queries 2 --number 2 tasks.npz"
    assert main(["episodes", "export", *words.split()]) == 0
    capsys.readouterr()
    assert main(["episodes", "show", "tasks.npz", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.pop("domain")["name"] == "tiny.Letters" and 3 < said.pop("examples") <= 18
    assert said == {
        "split": "target", "seed": 0, "ways": 3, "shots": 1, "queries": 2,
        "tlml": tlml.__version__, "format": 1, "episodes": 2, "shape": [2],
        "support": [3, 3], "query": [6, 6], "targets": "classes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("exprt", "no command of tlml episodes is called 'exprt'; did you mean export?"),
        ("export --domain sinusoid", "episodes export: the following arguments are required: FILE "
                                     "(tlml episodes export --help)"),
        ("export --domain sinusoid --shot 3 t.npz",
         "episodes export: '--shot' is not understood; did you mean --shots?"),
        ("export t.npz --domain sinusoid --domain.noise", "episodes export: --domain.noise needs a "
                                                          "value"),
        ("export t.npz --domain sinusoid --domain.noise [1",
         "episodes export: --domain.noise: '[1' can't be read as YAML"),
        ("export t.npz --domain sinusoid --domain.nois 1",
         "domain sinusoid: no option is called 'nois'; did you mean noise?"),
        ("export t.npz --domain sinusoids", "no domain is called 'sinusoids'; did you mean "
                                            "sinusoid?"),
        ("export t.npz --domain sinusoid --shots [4,2]",
         "shots: [4, 2] has its lower end above its upper end"),
        ("export t.npz --domain sinusoid --shots few",
         "shots: must be a whole number, a pair [low, high] of them, a share such as 0.1, or all, "
         "is few"),
        ("export t.npz --domain sinusoid --ways 3",
         "ways: Sinusoid has no classes but values to predict; leave ways out"),
        ("export t.npz --domain sinusoid --number 0", "episodes: must be greater than 0, is 0"),
        ("show t.npz", "t.npz: no such file"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    words: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["episodes", *words.split()]) == 2
    assert capsys.readouterr().err == f"tlml: {message}\n"
    assert not [*folder.iterdir()]
