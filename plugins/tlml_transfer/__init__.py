"""Transfer: pretraining on pooled source tasks, and ways to carry the model to a target task."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the learners of transfer."""
    return [
        Spec(
            "supervised",
            "tlml_transfer.supervised:Supervised",
            "pretrains on all source tasks pooled, with target examples beside them if given",
            paper="Pan & Yang 2010, doi 10.1109/TKDE.2009.191",
            gives=frozenset({"loss", "features"}),
            needs=("pair", "regression|classification"),
        )
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Return the ways to carry a model over."""
    return [
        Spec(
            "scratch",
            "tlml_transfer.scratch:Scratch",
            "no transfer: a fresh network trained on the target's support alone",
            approach="none",
            needs=("loss",),
        ),
        Spec(
            "as_trained",
            "tlml_transfer.as_trained:AsTrained",
            "adapts nothing: what training found predicts as it is",
            approach="none",
            needs=("loss",),
        ),
        _model(
            "full",
            "full:Full",
            "fine-tunes every parameter on the target's support",
            "Yosinski et al. 2014, arXiv 1411.1792",
        ),
        _model(
            "linear_probe",
            "linear_probe:LinearProbe",
            "keeps the features and trains the head on the target's support",
            "Kumar et al. 2022, arXiv 2202.10054",
        ),
        _model(
            "lp_ft",
            "lp_ft:LpFt",
            "trains the head, then fine-tunes everything from there",
            "Kumar et al. 2022, arXiv 2202.10054",
        ),
        _model(
            "gradual_unfreeze",
            "gradual_unfreeze:GradualUnfreeze",
            "fine-tunes the head first, and one more layer at a time",
            "Howard & Ruder 2018, arXiv 1801.06146",
        ),
        _model(
            "freeze_generic",
            "freeze_generic:FreezeGeneric",
            "freezes the first, generic layers and fine-tunes the specific ones",
            "Yosinski et al. 2014, arXiv 1411.1792",
        ),
        _model(
            "discriminative_lr",
            "discriminative_lr:DiscriminativeLr",
            "fine-tunes every layer, the more generic the slower",
            "Howard & Ruder 2018, arXiv 1801.06146",
        ),
        _features(
            "coral",
            "coral:Coral",
            "trains on features whose covariance is the target's",
            "Sun & Saenko 2016, arXiv 1607.01719",
        ),
        _features(
            "mmd",
            "mmd:Mmd",
            "trains on features whose distribution is the target's, by kernels",
            "Long, Cao, Wang & Jordan 2015, arXiv 1502.02791",
        ),
        _unsupervised(
            "transfer_pca",
            "transfer_pca:TransferPca",
            "principal components of few target samples, with the source's covariance as prior",
        ),
        _unsupervised(
            "transfer_kmeans",
            "transfer_kmeans:TransferKmeans",
            "clusters of few target samples, with the source's centres as prior",
        ),
        _unsupervised(
            "transfer_autoencoder",
            "transfer_autoencoder:TransferAutoencoder",
            "an autoencoder for few target samples, drawn to the source's weights",
            "Li, Grandvalet & Davoine 2018, arXiv 1802.01483 (the pull)",
        ),
    ]


def _model(name: str, target: str, summary: str, paper: str) -> Spec:
    """Declare a strategy that adapts a trained model."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="model-transfer",
        needs=("loss",),
    )


def _features(name: str, target: str, summary: str, paper: str) -> Spec:
    """Declare a strategy that aligns features in training."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="feature-representation-transfer",
        gives=frozenset({"aligns"}),
        needs=("pair", "features"),
    )


def _unsupervised(name: str, target: str, summary: str, paper: str = "") -> Spec:
    """Declare a strategy that learns from inputs without labels."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="unsupervised",
        gives=frozenset({"estimates", "maps"}),
        needs=("estimates", "reconstruction"),
    )
