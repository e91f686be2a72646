"""Carrying over how things are related."""
