"""Memories: room for examples of a stream, and which of them stay."""
