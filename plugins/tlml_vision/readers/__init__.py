"""Readers of the data sets of others."""
