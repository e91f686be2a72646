"""Knowledge graphs: families of entities and relations between which facts carry over."""

from __future__ import annotations

from tlml import Spec, hookimpl

_LINKS = frozenset({"pair", "episodes", "triples", "finite"})


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the graphs."""
    return [
        Spec(
            "knowledge_graph",
            "tlml_graphs.knowledge_graph:KnowledgeGraph",
            "Links of a graph in a folder of triples, or of two: entities of the target are new",
            gives=_LINKS,
        ),
        Spec(
            "kinships",
            "tlml_graphs.known:Kinships",
            "Kinship terms of the Alyawarra: one half of the people as source, the other as target",
            paper="Denham 1973; Kemp et al. 2006, AAAI",
            gives=_LINKS,
        ),
        Spec(
            "umls",
            "tlml_graphs.known:Umls",
            "Relations of medical concepts, one half of which is the target",
            paper="McCray 2003, doi.org/10.1002/cfg.255; Kemp et al. 2006, AAAI",
            gives=_LINKS,
        ),
        Spec(
            "nations",
            "tlml_graphs.known:Nations",
            "Facts about 14 countries, one half of which is the target; comes with tlml",
            paper="Rummel 1972; Kemp et al. 2006, AAAI",
            gives=_LINKS,
        ),
    ]
