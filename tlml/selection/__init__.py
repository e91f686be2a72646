"""Criteria that choose a model without target labels."""

from tlml.selection.criteria import CRITERIA, Evidence, risk

__all__ = ["CRITERIA", "Evidence", "risk"]
