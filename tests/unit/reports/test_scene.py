"""A scene holds what belongs to one domain under one protocol."""

from __future__ import annotations

from presented import (
    EPISODES,
    PNG,
    STREAM,
    block,
    report,
    row,
    scene,
    score,
    stream_block,
    stream_score,
)

from tlml.reports.scene import Scene


def made(protocol: str) -> Scene:
    whole = report(
        block(row("full")), block(row("full"), domain="digits"), stream_block(row("er")),
        scores=(
            score("full", 0.5, domain="glyphs"), score("full", 0.5, domain="digits"),
            stream_score("er", [[0.9, 0.1], [0.5, 0.8]]),
        ),
    )  # fmt: skip
    plain = scene(whole)
    return Scene(whole, plain.plan, plain.folder, "glyphs", protocol)


def test_blocks_and_scores_are_of_its_domain_and_protocol_alone() -> None:
    episodes, stream = made("episodes"), made("stream")
    assert [one.rows[0].method for one in episodes.blocks] == ["full"]
    assert [one.rows[0].method for one in stream.blocks] == ["er"]
    assert [one["method"] for one in episodes.scores] == ["full"]
    assert (episodes.shown, stream.shown) == (EPISODES, STREAM)


def test_a_picture_says_what_it_is_about() -> None:
    picture = made("stream").picture("glyphs-retention", "what is retained", PNG)
    assert (picture.name, picture.protocol, picture.png) == ("glyphs-retention", "stream", PNG)
