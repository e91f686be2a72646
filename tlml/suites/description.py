"""What a protocol says about itself in ``plan.json``, so that reports need no plugin."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from tlml.presentation.numbers import percent

Value = int | float | str
Point = dict[str, Value]


class Description(BaseModel):
    """How a protocol's records are to be shown.

    Args:
        axis: The key of a record's point, such as ``shots``.
        unit: What its values count, for an axis: ``labelled target examples (shots)``.
        one: What one of them is called, for titles: ``shot``.
        many: What several are called: ``shots``.
        share: What a value between 0 and 1 is a share of: ``of the examples``; "": of nothing.
        paired: What one paired unit is, such as ``target episode``.
        columns: What tables show beside the score: headings, by the name of a record's metric or
            cost.
        pictures: What is drawn, by name; see `tlml.reports`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    axis: str
    unit: str
    one: str
    many: str
    paired: str
    share: str = ""
    columns: Mapping[str, str] = {}
    pictures: tuple[str, ...] = ("scores",)

    def said(self, value: object) -> str:
        """Say a value of the axis: ``1 shot``, ``5 shots``, ``10% of the examples``."""
        if self._is_share(value):
            return f"{self.tick(value)} {self.share}"
        return f"{value} {self.one if value == 1 else self.many}"

    def tick(self, value: object) -> str:
        """Say a value of the axis in short: ``5``, ``10%``."""
        return percent(value) if self._is_share(value) else str(value)  # type: ignore[arg-type]

    def order(self, value: Value) -> tuple[int, Value]:
        """Return what sorts values: numbers, then shares, then words."""
        return 2 if isinstance(value, str) else int(self._is_share(value)), value

    def _is_share(self, value: object) -> bool:
        return bool(self.share) and isinstance(value, float) and 0 < value < 1


# Here, and not with the protocol, because folders of earlier versions do not say it themselves.
EPISODES = Description(
    axis="shots",
    unit="labelled target examples (shots)",
    one="shot",
    many="shots",
    share="of the examples",
    paired="target episode",
    columns={
        "fit_seconds": "fit s",
        "adapt_seconds": "adapt s",
        "gradient_steps": "steps",
        "labels": "labels",
    },
    pictures=("scores", "features", "sizes", "options"),
)
