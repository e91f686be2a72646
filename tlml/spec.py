"""What a plugin declares about a domain, learner, strategy or protocol, without importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from tlml.errors import TlmlError, did_you_mean

Kind = Literal["domain", "learner", "strategy", "protocol"]
# What must go together in a run; a protocol says how runs are compared.
KINDS: tuple[Kind, ...] = ("domain", "learner", "strategy")
ALL_KINDS: tuple[Kind, ...] = (*KINDS, "protocol")

# Every view, by the word with which a domain gives it and a learner needs it. From this table the
# vocabulary, the command line, suites and the conformance kit take what views there are.
VIEWS: dict[str, str] = {
    "pair": "tlml.views.pair:PairView",
    "episodes": "tlml.views.episode:EpisodeView",
    "stream": "tlml.views.stream:StreamView",
    "env": "tlml.views.env:EnvView",
}

# The closed vocabulary of `gives`, by kind. Strangers add words as "vendor:word".
VOCABULARY: dict[Kind, frozenset[str]] = {
    "domain": frozenset(
        {*VIEWS, "finite"}
        | {"regression", "classification", "reconstruction", "control", "triples"}
        # Of environments: their actions, whether all they show can be listed, and is known.
        | {"discrete_actions", "continuous_actions", "multi_actions", "tabular", "model"}
    ),
    "learner": frozenset({"loss", "rollouts", "policy", "features", "estimates"}),
    "strategy": frozenset(
        {"differentiable", "weighs", "aligns", "maps", "relates", "estimates", "unlabelled"}
    ),
    "protocol": frozenset(),
}
WORDS = frozenset().union(*VOCABULARY.values())

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_VENDOR_WORD = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Spec:
    """One registered name.

    Args:
        name: What users write: lower case letters, digits and underscores.
        target: Where the class is, as ``"module:Class"``; imported only when it is used.
        summary: One line for ``tlml list``.
        paper: The source of the method or of the data.
        approach: The row of the table that it belongs to, such as ``"model-transfer"``.
        gives: What it offers to the other two, words of `VOCABULARY` or ``"vendor:word"``.
        needs: What the other two must give: all of these, each a word or ``"one|another"``.

    Raises:
        TlmlError: A field is malformed or a word is unknown.
    """

    name: str
    target: str
    summary: str
    paper: str = field(default="", kw_only=True)
    approach: str = field(default="", kw_only=True)
    gives: frozenset[str] = field(default=frozenset(), kw_only=True)
    needs: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise TlmlError(
                f"spec '{self.name}': a name is lower case letters, digits and underscores, "
                "starting with a letter"
            )
        if not _TARGET.fullmatch(self.target):
            raise TlmlError(f"spec {self.name}: target '{self.target}' is not 'module:Class'")
        if not self.summary or "\n" in self.summary:
            raise TlmlError(f"spec {self.name}: summary must be one line of text")
        if isinstance(self.gives, str) or isinstance(self.needs, str):
            raise TlmlError(f"spec {self.name}: gives and needs are collections, not strings")
        object.__setattr__(self, "gives", frozenset(self.gives))
        object.__setattr__(self, "needs", tuple(self.needs))
        for word in self.gives:
            _check_word(self.name, "gives", word)
        for need in self.needs:
            for word in need.split("|"):
                _check_word(self.name, "needs", word)

    def check_kind(self, kind: Kind) -> None:
        """Raise where `gives` holds a word that belongs to another kind."""
        for word in sorted(self.gives):
            if ":" not in word and word not in VOCABULARY[kind]:
                raise TlmlError(
                    f"{kind} {self.name}: gives '{word}', which is not a word for a {kind}"
                    f"{did_you_mean(word, VOCABULARY[kind])}"
                )


def unmet(spec: Spec, others: frozenset[str]) -> list[str]:
    """Return the needs of `spec` that `others` (what the other two give) do not meet."""
    return [need for need in spec.needs if others.isdisjoint(need.split("|"))]


def _check_word(name: str, where: str, word: str) -> None:
    if word not in WORDS and not _VENDOR_WORD.fullmatch(word):
        raise TlmlError(
            f"spec {name}: {where} '{word}', which is not a known word{did_you_mean(word, WORDS)} "
            "(your own words are written vendor:word)"
        )
