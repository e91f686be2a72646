"""Families of environments: one physics or one map is a task."""
