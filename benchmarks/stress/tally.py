"""What was tried and what held."""

from __future__ import annotations

from collections import Counter


class Tally:
    """Counts tries by name, and says at once what did not hold."""

    def __init__(self) -> None:
        self.tried, self.held = Counter[str](), Counter[str]()
        self.skipped: dict[str, str] = {}

    def count(self, name: str, wrong: str, say: bool = False) -> None:
        """Count a try; `wrong` is "" where it held, which long ones `say`."""
        self.tried[name] += 1
        self.held[name] += not wrong
        if say and not wrong:
            print(f"held: {name}", flush=True)
        if wrong:
            print(f"NOT HELD: {name}: {wrong}", flush=True)

    def skip(self, name: str, reason: str) -> None:
        """Note what cannot be tried here."""
        self.skipped[name] = reason

    @property
    def all_held(self) -> bool:
        """Whether everything that was tried held."""
        return self.tried == self.held

    def lines(self) -> list[str]:
        """Return the table."""
        rows = [*self.tried] + ["all"] * (len(self.tried) > 1)
        tried = {**self.tried, "all": self.tried.total()}
        held = {**self.held, "all": self.held.total()}
        table = [f"{name:<26} {tried[name]:>5} tried {held.get(name, 0):>5} held" for name in rows]
        return table + [f"{name:<26} skipped: {why}" for name, why in self.skipped.items()]
