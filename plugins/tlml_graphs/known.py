"""Known graphs, by name: they are looked for in the usual places."""

from __future__ import annotations

from typing import ClassVar

from tlml_graphs.finding import find_folder
from tlml_graphs.knowledge_graph import KnowledgeGraph


class KnownLinks(KnowledgeGraph):
    """A graph whose files are found by its name."""

    name: ClassVar[str]

    def __init__(self, root: str | None = None, validation: float = 0.1, division: int = 0) -> None:
        super().__init__(
            str(find_folder(self.name, root)), validation=validation, division=division
        )


class Kinships(KnownLinks):
    """Kinship terms among 104 people of the Alyawarra (Denham 1973): 10,686 triples, 25 terms.

    Nearly every pair of people has one term, and what follows from what is the same everywhere.

    Args:
        root: The folder of the files; where None, ``$TLML_DATA/graphs/kinships`` or a PyKEEN.
        validation: Share of the people that is for validation.
        division: The key of the division of the people.

    Raises:
        TlmlError: As of `tlml_graphs.knowledge_graph.KnowledgeGraph`, or the files are nowhere.
    """

    name = "kinships"


class Umls(KnownLinks):
    """Relations of medical concepts (McCray 2003): 6,529 triples, 135 concepts, 46 relations.

    Args:
        root: The folder of the files; where None, ``$TLML_DATA/graphs/umls`` or a PyKEEN.
        validation: Share of the concepts that is for validation.
        division: The key of the division of the concepts.

    Raises:
        TlmlError: As of `tlml_graphs.knowledge_graph.KnowledgeGraph`, or the files are nowhere.
    """

    name = "umls"


class Nations(KnownLinks):
    """Facts about 14 countries (Rummel 1972): 1,992 triples, 55 relations; comes with the plugin.

    Args:
        root: The folder of the files; where None, as for the others, else those of this plugin.
        validation: Share of the countries that is for validation.
        division: The key of the division of the countries.

    Raises:
        TlmlError: As of `tlml_graphs.knowledge_graph.KnowledgeGraph`.
    """

    name = "nations"
