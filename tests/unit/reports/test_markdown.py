"""Markdown: names and reasons never become tags, cells or lines of their own."""

from __future__ import annotations

from presented import block, picture, report, row, stream_block

from tlml.reports.markdown import to_markdown
from tlml.reports.summary import Failure


def test_tags_and_bars_are_escaped_in_headings_tables_and_lists() -> None:
    failure = Failure("fit", "<i>cell", "id", "a <class 'X'> & more | less")
    made = report(
        block(row("<b>m|n</b>"), row("x|<y>"), domain="a<b>|c"), name="<script>", baseline="x|<y>",
        failures=(failure,),
    )  # fmt: skip
    text = to_markdown(made, {"a<b>|c": [picture("a<b>|c")]})
    assert r"![a&lt;b&gt;\|c](a%3Cb%3E%7Cc.png)" in text
    assert text.startswith("# &lt;script&gt;\n")
    assert r"## a&lt;b&gt;\|c" in text
    assert r"### a&lt;b&gt;\|c, 5 shots: accuracy (higher is better)" in text
    assert r"| &lt;b&gt;m\|n&lt;/b&gt; |" in text
    assert r"- failed: fit &lt;i&gt;cell: a &lt;class 'X'&gt; &amp; more \| less" in text
    assert r"| to x\|&lt;y&gt; |" in text
    assert "<" not in text


def test_a_name_with_a_line_break_stays_in_its_cell() -> None:
    text = to_markdown(report(block(row("a\n# b\x1b[31m"))), {})
    assert r"| a\n# b\x1b[31m | .500 |" in text


def test_protocols_have_parts_with_their_own_pictures() -> None:
    made = report(block(row("scratch")), stream_block(row("er")))
    drawn = [picture(), picture("glyphs-retention", protocol="stream")]
    lines = [line for line in to_markdown(made, {"glyphs": drawn}).splitlines() if line[:1] in "#!"]
    assert [line for line in lines if line] == [
        "# quick",
        "## glyphs",
        "### glyphs: means",
        "### adapts: episodes",
        "![glyphs](glyphs.png)",
        "#### glyphs, 5 shots: accuracy (higher is better)",
        "### retains: stream",
        "![glyphs-retention](glyphs-retention.png)",
        "#### glyphs, 2 tasks: accuracy (higher is better)",
    ]
