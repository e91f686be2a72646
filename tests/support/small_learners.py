"""Small learners, and the text of an error."""

from __future__ import annotations

from tiny import Tables

SMALL = {"network": "mlp", "network_options": {"hidden": [4]}}


FOUR = Tables(classes=4, train=24)
