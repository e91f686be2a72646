"""Blocks of scores, and the size of a picture."""

from __future__ import annotations

import struct

from tlml.presentation import Block, Interval, Row, draw_scores

Blocks = tuple[Block, ...]


def made_blocks(shots: list[int], methods: list[str], domain: str = "d") -> Blocks:
    return tuple(
        Block(domain, "episodes", {"shots": number}, "accuracy", True, said="", rows=tuple(
            Row(method, 1, 1, score=Interval(0.5 + 0.1 * i, 0.4 + 0.1 * i, 0.6 + 0.1 * i))
            for i, method in enumerate(methods)
        ))
        for number in shots
    )  # fmt: skip


def plot(blocks: Blocks) -> bytes:
    methods = [row.method for row in blocks[0].rows]
    return draw_scores(blocks, methods, methods[0], "labelled target examples (shots)")


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height
