"""Aligning the features of source and target in training."""
