"""Transfer: pretraining on pooled source tasks, and ways to carry the model to a target task."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

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
    """Return the ways to carry knowledge over."""
    return [
        *_without_transfer(),
        *_model_transfer(),
        *_alignment(),
        *_maps(),
        *_instance_transfer(),
        *_relational_transfer(),
        *_unsupervised(),
    ]


def _without_transfer() -> list[Spec]:
    """Return what the others are compared with."""
    strategy = partial(_strategy, folder="finetune", approach="none", needs=("loss",))
    return [
        strategy(
            "scratch",
            "Scratch",
            "no transfer: a fresh network trained on the target's support alone",
        ),
        strategy(
            "as_trained",
            "AsTrained",
            "adapts nothing: what training found predicts as it is",
        ),
    ]


def _model_transfer() -> list[Spec]:
    """Return what adapts a trained network."""
    strategy = partial(_strategy, folder="finetune", approach="model-transfer", needs=("loss",))
    return [
        strategy(
            "full",
            "Full",
            "fine-tunes every parameter on the target's support",
            "Yosinski et al. 2014, arXiv 1411.1792",
        ),
        strategy(
            "linear_probe",
            "LinearProbe",
            "keeps the features and trains the head on the target's support",
            "Kumar et al. 2022, arXiv 2202.10054",
        ),
        strategy(
            "lp_ft",
            "LpFt",
            "trains the head, then fine-tunes everything from there",
            "Kumar et al. 2022, arXiv 2202.10054",
        ),
        strategy(
            "gradual_unfreeze",
            "GradualUnfreeze",
            "fine-tunes the head first, and one more layer at a time",
            "Howard & Ruder 2018, arXiv 1801.06146",
        ),
        strategy(
            "freeze_generic",
            "FreezeGeneric",
            "freezes the first, generic layers and fine-tunes the specific ones",
            "Yosinski et al. 2014, arXiv 1411.1792",
        ),
        strategy(
            "discriminative_lr",
            "DiscriminativeLr",
            "fine-tunes every layer, the more generic the slower",
            "Howard & Ruder 2018, arXiv 1801.06146",
        ),
        strategy(
            "l2_sp",
            "L2Sp",
            "fine-tunes every parameter, pulled back to where it started",
            "Li, Grandvalet & Davoine 2018, arXiv 1802.01483",
        ),
        strategy(
            "bss",
            "Bss",
            "fine-tunes every parameter, shrinking the features that transfer least",
            "Chen et al. 2019, NeurIPS (batch spectral shrinkage)",
        ),
        strategy(
            "lora",
            "Lora",
            "keeps the weights and learns changes of low rank, and the head",
            "Hu et al. 2021, arXiv 2106.09685",
        ),
        strategy(
            "batchnorm",
            "AdaBn",
            "replaces BatchNorm's statistics by those of the target's inputs",
            "Li et al. 2016, arXiv 1603.04779",
            gives=("unlabelled",),
        ),
        strategy(
            "tent",
            "Tent",
            "makes predictions on the target's inputs certain, by scales and shifts",
            "Wang et al. 2021, arXiv 2006.10726",
            gives=("unlabelled",),
            needs=("loss", "classification"),
        ),
    ]


def _alignment() -> list[Spec]:
    """Return what aligns features in training."""
    strategy = partial(
        _strategy,
        folder="align",
        approach="feature-representation-transfer",
        gives=("aligns",),
        needs=("pair", "features"),
    )
    return [
        strategy(
            "coral",
            "Coral",
            "trains on features whose covariance is the target's",
            "Sun & Saenko 2016, arXiv 1607.01719",
        ),
        strategy(
            "mmd",
            "Mmd",
            "trains on features whose distribution is the target's, by kernels",
            "Long, Cao, Wang & Jordan 2015, arXiv 1502.02791",
        ),
        strategy(
            "dann",
            "Dann",
            "trains on features that a discriminator cannot tell the side of",
            "Ganin et al. 2016, arXiv 1505.07818",
        ),
        strategy(
            "cdan",
            "Cdan",
            "trains on features that a discriminator cannot tell the side of, class by class",
            "Long, Cao, Wang & Jordan 2018, arXiv 1705.10667",
            needs=("pair", "features", "classification"),
        ),
        strategy(
            "mcc",
            "Mcc",
            "trains on target inputs to be of one class or another, not of two at once",
            "Jin, Wang, Long & Wang 2020, arXiv 1912.03699",
            needs=("pair", "features", "classification"),
        ),
        strategy(
            "jdot",
            "Jdot",
            "trains target inputs to be like the source examples that they are transported to",
            "Damodaran et al. 2018, arXiv 1803.10081",
        ),
    ]


def _maps() -> list[Spec]:
    """Return what maps inputs, without a network."""
    strategy = partial(
        _strategy,
        folder="maps",
        approach="feature-representation-transfer",
        gives=("maps", "unlabelled"),
        needs=("pair", "regression|classification", "estimates"),
    )
    return [
        strategy(
            "coral_map",
            "CoralMap",
            "whitens the source's inputs and recolours them as the target's",
            "Sun, Feng & Saenko 2016, arXiv 1511.05547",
        ),
        strategy(
            "subspace_alignment",
            "SubspaceAlignment",
            "turns the source's principal axes into the target's",
            "Fernando, Habrard, Sebban & Tuytelaars 2013, doi 10.1109/ICCV.2013.368",
        ),
        strategy(
            "tca",
            "Tca",
            "maps both sides to components of a kernel along which their means agree",
            "Pan, Tsang, Kwok & Yang 2011, doi 10.1109/TNN.2010.2091281",
        ),
        strategy(
            "optimal_transport",
            "OptimalTransport",
            "carries the source's inputs to the target's at the least cost",
            "Courty, Flamary, Tuia & Rakotomamonjy 2017, arXiv 1507.00504",
        ),
    ]


def _instance_transfer() -> list[Spec]:
    """Return what weighs source examples, or drops them."""
    strategy = partial(
        _strategy,
        folder="weigh",
        approach="instance-transfer",
        gives=("weighs", "unlabelled"),
        needs=("pair", "regression|classification", "features|estimates"),
    )
    return [
        strategy(
            "kmm",
            "Kmm",
            "weighs the source so that its mean under a kernel is the target's",
            "Huang et al. 2006, NeurIPS 19",
        ),
        strategy(
            "kliep",
            "Kliep",
            "weighs the source by the density ratio nearest to the target's",
            "Sugiyama et al. 2008, doi 10.1007/s10463-008-0197-x",
        ),
        strategy(
            "domain_classifier",
            "DomainClassifier",
            "weighs the source by the odds of a classifier of the domains",
            "Bickel, Brückner & Scheffer 2009, JMLR 10:2137–2155",
        ),
        strategy(
            "balanced",
            "Balanced",
            "weighs the source so that its classes count equally",
            "King & Zeng 2001, doi 10.1093/oxfordjournals.pan.a004868",
            gives=("weighs",),
        ),
        strategy(
            "tradaboost",
            "Tradaboost",
            "boosts a model on source and target, and drops the source examples that mislead",
            "Dai et al. 2007, doi 10.1145/1273496.1273521; Pardoe & Stone 2010",
            gives=("estimates",),
            needs=("pair", "regression|classification", "estimates"),
        ),
    ]


def _relational_transfer() -> list[Spec]:
    """Return what carries over how things are related."""
    strategy = partial(_strategy, folder="relational", approach="relational-knowledge-transfer")
    return [
        strategy(
            "relational_rules",
            "RelationalRules",
            "tells links of a graph by rules of another, between relations that play the same part",
            "Mihalkova, Huynh & Mooney 2007, AAAI (TAMAR)",
            gives=("estimates", "relates"),
            needs=("pair", "estimates", "triples"),
        ),
        strategy(
            "rkd",
            "Rkd",
            "fine-tunes every parameter, keeping how examples lie to each other",
            "Park et al. 2019, arXiv 1904.05068",
            needs=("loss",),
        ),
    ]


def _unsupervised() -> list[Spec]:
    """Return what learns from inputs without labels."""
    strategy = partial(
        _strategy,
        folder="unsupervised",
        approach="unsupervised",
        gives=("estimates", "maps"),
        needs=("estimates", "reconstruction"),
    )
    return [
        strategy(
            "transfer_pca",
            "TransferPca",
            "principal components of few target samples, with the source's covariance as prior",
        ),
        strategy(
            "transfer_kmeans",
            "TransferKmeans",
            "clusters of few target samples, with the source's centres as prior",
        ),
        strategy(
            "transfer_autoencoder",
            "TransferAutoencoder",
            "an autoencoder for few target samples, drawn to the source's weights",
            "Li, Grandvalet & Davoine 2018, arXiv 1802.01483 (the pull)",
        ),
    ]


def _strategy(
    name: str,
    kind: str,
    summary: str,
    paper: str = "",
    *,
    folder: str,
    approach: str,
    gives: Collection[str] = (),
    needs: tuple[str, ...] = (),
) -> Spec:
    """Declare a strategy whose class `kind` is in the module of its name, in `folder`."""
    target = f"tlml_transfer.{folder}.{name}:{kind}"
    return Spec(
        name, target, summary, paper=paper, approach=approach, gives=frozenset(gives), needs=needs
    )
