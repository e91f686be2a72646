"""Protocols: how methods meet a domain in a suite."""
