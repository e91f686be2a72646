"""Executors: where the cells of a suite are run."""
