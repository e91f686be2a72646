"""Transfer: pretraining on pooled source tasks, and ways to carry the model to a target task."""

from __future__ import annotations

from tlml import Spec, hookimpl

_MODEL, _FEATURES = "model-transfer", "feature-representation-transfer"


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
            "full",
            "tlml_transfer.full:Full",
            "fine-tunes every parameter on the target's support",
            paper="Yosinski et al. 2014, arXiv 1411.1792",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "linear_probe",
            "tlml_transfer.linear_probe:LinearProbe",
            "keeps the features and trains the head on the target's support",
            paper="Kumar et al. 2022, arXiv 2202.10054",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "lp_ft",
            "tlml_transfer.lp_ft:LpFt",
            "trains the head, then fine-tunes everything from there",
            paper="Kumar et al. 2022, arXiv 2202.10054",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "gradual_unfreeze",
            "tlml_transfer.gradual_unfreeze:GradualUnfreeze",
            "fine-tunes the head first, and one more layer at a time",
            paper="Howard & Ruder 2018, arXiv 1801.06146",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "freeze_generic",
            "tlml_transfer.freeze_generic:FreezeGeneric",
            "freezes the first, generic layers and fine-tunes the specific ones",
            paper="Yosinski et al. 2014, arXiv 1411.1792",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "discriminative_lr",
            "tlml_transfer.discriminative_lr:DiscriminativeLr",
            "fine-tunes every layer, the more generic the slower",
            paper="Howard & Ruder 2018, arXiv 1801.06146",
            approach=_MODEL,
            needs=("loss",),
        ),
        Spec(
            "coral",
            "tlml_transfer.coral:Coral",
            "trains on features whose covariance is the target's",
            paper="Sun & Saenko 2016, arXiv 1607.01719",
            approach=_FEATURES,
            gives=frozenset({"aligns"}),
            needs=("pair", "features"),
        ),
        Spec(
            "mmd",
            "tlml_transfer.mmd:Mmd",
            "trains on features whose distribution is the target's, by kernels",
            paper="Long, Cao, Wang & Jordan 2015, arXiv 1502.02791",
            approach=_FEATURES,
            gives=frozenset({"aligns"}),
            needs=("pair", "features"),
        ),
    ]
