"""Everything that tlml registers passes the checks that strangers' plugins are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graph_data
import image_data
import pytest
import stations

import tlml
import tlml.testing
import tlml_graphs
from tlml.registry import Registry
from tlml.registry.installed import CORE, OURS
from tlml.spec import KINDS, Spec
from tlml.testing import check_domain, check_learner, check_plugin, check_strategy
from tlml.testing import domain as domain_checks

CHECKS = {"domain": check_domain, "learner": check_learner, "strategy": check_strategy}
# What makes a check small; a name without an entry is checked as it is.
SMALL: dict[str, dict[str, Any]] = {
    "agem": {"options": {"memory_size": 20}},
    "der": {"options": {"memory_size": 20}},
    "gdumb": {"options": {"memory_size": 20, "epochs_on_memory": 2}},
    "icarl": {"options": {"memory_size": 20}},
    "mer": {"options": {"memory_size": 20, "s": 2}},
    "ranpac": {"options": {"projection": 20}},
    "er": {"options": {"memory_size": 20}},
    "gem": {"options": {"memory_size": 20}},
    "lamaml": {"options": {"memory_size": 20}},
    "sync_lamaml": {"options": {"memory_size": 20}},
    "cmaml": {"options": {"memory_size": 20}},
    "digits": {"options": {"size": 8, "variants": 8}},
    "digits_three": {"options": {"size": 8}},
    "digit_vectors": {"options": {"variants": 8}},
    "glyphs": {"options": {"size": 14, "variants": 1}},
    "knowledge_graph": {"options": {"root": str(Path(tlml_graphs.__file__).parent / "nations")}},
    "image_folder": {"options": {"source": "photo", "target": "art", "size": 12}},
    "mini_imagenet": {"options": {"size": 12}},
    "omniglot": {"options": {"size": 14, "partial": True}},
    "office31": {"options": {"size": 12}},
    "visda": {"options": {"size": 12}},
    "rotated_digits": {"options": {"size": 8}},
    "split_cifar100": {"options": {"size": 8}},
    "split_glyphs": {"options": {"size": 14, "variants": 1}},
    "split_tinyimagenet": {"options": {"size": 8}},
    "table": {
        "options": {"path": "stations.csv", "target": "temp", "group": "site", "order": "day"}
    },
    "tiered_imagenet": {"options": {"size": 12}},
    "transfer_autoencoder": {"options": {"iterations": 5}},
    "transfer_kmeans": {"options": {"n_clusters": 2}},
    "cub": {"options": {"size": 12}},
}
OWN = [plugin for plugin in Registry().plugins if plugin.distribution == OURS]
NAMES = [(kind, name) for plugin in OWN for kind in KINDS for name in plugin.names(kind)]


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little of each data set of images, and of graphs, in its layout."""
    root = tmp_path_factory.mktemp("images")
    image_data.write_all(root)
    graph_data.write_all(root)
    stations.write_stations(root)
    return root


@pytest.fixture(autouse=True)
def data(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let data sets be found where the environment says that data lies, and tables here."""
    monkeypatch.chdir(images)
    monkeypatch.setenv("TLML_DATA", str(images))


@pytest.mark.parametrize(("kind", "name"), NAMES, ids=[f"{kind}-{name}" for kind, name in NAMES])
def test_what_is_registered_keeps_its_word(kind: str, name: str) -> None:
    CHECKS[kind](name, **SMALL.get(name, {}))


def test_nothing_is_left_out() -> None:
    known = "continual maml transfer graphs rl synthetic tabular vision".split()
    assert {CORE, *known} <= {plugin.name for plugin in OWN}
    assert [plugin.name for plugin in OWN if plugin.error] == []
    assert set(SMALL) <= {name for _, name in NAMES}


@pytest.mark.parametrize("options", [{"first_order": True}, {"batchnorm": "stored"}], ids=str)
def test_maml_keeps_its_word_with_other_options(options: dict[str, Any]) -> None:
    check_learner("maml", options=options)


@pytest.mark.parametrize(
    ("learner", "domain", "network", "network_options"),
    [
        ("maml", "glyphs", "conv4", {"channels": 4, "blocks": 2}),
        ("maml", "digits", "resnet12", {"channels": [2, 2, 2]}),
        ("supervised", "digits", "conv4", {"channels": 4, "blocks": 2}),
    ],
)
def test_learners_of_images_keep_their_word(
    learner: str, domain: str, network: str, network_options: dict[str, Any]
) -> None:
    check_learner(
        learner,
        options={"network": network, "network_options": network_options},
        domain=tlml.domain(domain, **SMALL[domain]["options"]),
    )


def test_a_whole_plugin_is_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The domains themselves are checked above; here is what they are given to."""
    given: dict[str, dict[str, Any]] = {}

    def note(cls: type, spec: Spec, **own: Any) -> None:
        given[spec.name] = own

    monkeypatch.setattr(domain_checks, "check_domain", note)
    (vision,) = (plugin for plugin in OWN if plugin.name == "vision")
    small = {name: SMALL[name] for name in vision.names("domain") if name in SMALL}
    found = check_plugin("vision", small)
    assert {"domain glyphs", "domain digits", "domain omniglot"} <= set(found)
    assert set(given) == set(vision.names("domain"))
    assert {name: own for name, own in given.items() if own} == small
