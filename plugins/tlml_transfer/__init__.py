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
        _model(
            "l2_sp",
            "l2_sp:L2Sp",
            "fine-tunes every parameter, pulled back to where it started",
            "Li, Grandvalet & Davoine 2018, arXiv 1802.01483",
        ),
        _model(
            "bss",
            "bss:Bss",
            "fine-tunes every parameter, shrinking the features that transfer least",
            "Chen et al. 2019, NeurIPS (batch spectral shrinkage)",
        ),
        _model(
            "lora",
            "lora:Lora",
            "keeps the weights and learns changes of low rank, and the head",
            "Hu et al. 2021, arXiv 2106.09685",
        ),
        _model(
            "rkd",
            "rkd:Rkd",
            "fine-tunes every parameter, keeping how examples lie to each other",
            "Park et al. 2019, arXiv 1904.05068",
            approach="relational-knowledge-transfer",
        ),
        _model(
            "batchnorm",
            "batchnorm:AdaBn",
            "replaces BatchNorm's statistics by those of the target's inputs",
            "Li et al. 2016, arXiv 1603.04779",
            gives=frozenset({"unlabelled"}),
        ),
        _model(
            "tent",
            "tent:Tent",
            "makes predictions on the target's inputs certain, by scales and shifts",
            "Wang et al. 2021, arXiv 2006.10726",
            gives=frozenset({"unlabelled"}),
            needs=("loss", "classification"),
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
    ]


def _model(
    name: str,
    target: str,
    summary: str,
    paper: str,
    *,
    approach: str = "model-transfer",
    gives: frozenset[str] = frozenset(),
    needs: tuple[str, ...] = ("loss",),
) -> Spec:
    """Declare a strategy that adapts a trained model."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach=approach,
        gives=gives,
        needs=needs,
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
