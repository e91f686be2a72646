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
        _features(
            "dann",
            "dann:Dann",
            "trains on features that a discriminator cannot tell the side of",
            "Ganin et al. 2016, arXiv 1505.07818",
        ),
        _features(
            "cdan",
            "cdan:Cdan",
            "trains on features that a discriminator cannot tell the side of, class by class",
            "Long, Cao, Wang & Jordan 2018, arXiv 1705.10667",
            "classification",
        ),
        _features(
            "mcc",
            "mcc:Mcc",
            "trains on target inputs to be of one class or another, not of two at once",
            "Jin, Wang, Long & Wang 2020, arXiv 1912.03699",
            "classification",
        ),
        _features(
            "jdot",
            "jdot:Jdot",
            "trains target inputs to be like the source examples that they are transported to",
            "Damodaran et al. 2018, arXiv 1803.10081",
        ),
        _inputs(
            "coral_map",
            "coral_map:CoralMap",
            "whitens the source's inputs and recolours them as the target's",
            "Sun, Feng & Saenko 2016, arXiv 1511.05547",
        ),
        _inputs(
            "subspace_alignment",
            "subspace_alignment:SubspaceAlignment",
            "turns the source's principal axes into the target's",
            "Fernando, Habrard, Sebban & Tuytelaars 2013, doi 10.1109/ICCV.2013.368",
        ),
        _inputs(
            "tca",
            "tca:Tca",
            "maps both sides to components of a kernel along which their means agree",
            "Pan, Tsang, Kwok & Yang 2011, doi 10.1109/TNN.2010.2091281",
        ),
        _inputs(
            "optimal_transport",
            "optimal_transport:OptimalTransport",
            "carries the source's inputs to the target's at the least cost",
            "Courty, Flamary, Tuia & Rakotomamonjy 2017, arXiv 1507.00504",
        ),
        _instances(
            "kmm",
            "kmm:Kmm",
            "weighs the source so that its mean under a kernel is the target's",
            "Huang et al. 2006, NeurIPS 19",
        ),
        _instances(
            "kliep",
            "kliep:Kliep",
            "weighs the source by the density ratio nearest to the target's",
            "Sugiyama et al. 2008, doi 10.1007/s10463-008-0197-x",
        ),
        _instances(
            "domain_classifier",
            "domain_classifier:DomainClassifier",
            "weighs the source by the odds of a classifier of the domains",
            "Bickel, Brückner & Scheffer 2009, JMLR 10:2137–2155",
        ),
        Spec(
            "balanced",
            "tlml_transfer.balanced:Balanced",
            "weighs the source so that its classes count equally",
            paper="King & Zeng 2001, doi 10.1093/oxfordjournals.pan.a004868",
            approach="instance-transfer",
            gives=frozenset({"weighs"}),
            needs=("pair", "features|estimates"),
        ),
        Spec(
            "tradaboost",
            "tlml_transfer.tradaboost:Tradaboost",
            "boosts a model on source and target, and drops the source examples that mislead",
            paper="Dai et al. 2007, doi 10.1145/1273496.1273521; Pardoe & Stone 2010",
            approach="instance-transfer",
            gives=frozenset({"estimates"}),
            needs=("pair", "regression|classification", "estimates"),
        ),
        Spec(
            "relational_rules",
            "tlml_transfer.relational_rules:RelationalRules",
            "tells links of a graph by rules of another, between relations that play the same part",
            paper="Mihalkova, Huynh & Mooney 2007, AAAI (TAMAR)",
            approach="relational-knowledge-transfer",
            gives=frozenset({"relates", "estimates"}),
            needs=("pair", "estimates", "triples"),
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


def _features(name: str, target: str, summary: str, paper: str, *needs: str) -> Spec:
    """Declare a strategy that aligns features in training."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="feature-representation-transfer",
        gives=frozenset({"aligns"}),
        needs=("pair", "features", *needs),
    )


def _inputs(name: str, target: str, summary: str, paper: str) -> Spec:
    """Declare a strategy that maps inputs, without a network."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="feature-representation-transfer",
        gives=frozenset({"maps", "unlabelled"}),
        needs=("pair", "estimates"),
    )


def _instances(name: str, target: str, summary: str, paper: str) -> Spec:
    """Declare a strategy that weighs source examples by target inputs."""
    return Spec(
        name,
        f"tlml_transfer.{target}",
        summary,
        paper=paper,
        approach="instance-transfer",
        gives=frozenset({"weighs", "unlabelled"}),
        needs=("pair", "features|estimates"),
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
