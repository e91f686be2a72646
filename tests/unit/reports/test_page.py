"""The page: a template in the package, and texts that stay texts."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

from presented import PNG, block, picture, report, row, stream_block, worse_row

from tlml.reports.page import to_html
from tlml.reports.summary import Failure

EVIL = "<script>alert('1')</script>\x1b&\""
WRITTEN = EVIL.replace("\x1b", r"\x1b")


class Read(HTMLParser):
    """Collects tags with their attributes and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_no_text_becomes_a_tag() -> None:
    failure = Failure("fit", EVIL, "id", EVIL)
    shown = block(row(EVIL, notes=(EVIL,)), domain=EVIL, metric=EVIL)
    made = report(shown, name=EVIL, baseline=EVIL, failures=(failure,))
    text = to_html(made, {EVIL: [picture("name", EVIL)]})
    read = Read(text)
    assert "script" not in {tag for tag, _ in read.tags}
    assert "\x1b" not in text
    assert sum(WRITTEN in part for part in read.texts) >= 8
    assert next(look["alt"] for tag, look in read.tags if tag == "img") == f"{WRITTEN}: {WRITTEN}"


def test_cells_say_how_they_are_aligned_and_marked() -> None:
    made = report(block(row("scratch", best=True), worse_row("worse")))
    looks = [look["class"] for tag, look in Read(to_html(made, {"glyphs": []})).tags if tag == "td"]
    rows = [looks[: len(looks) // 2], looks[len(looks) // 2 :]]
    assert rows[0][0] == "right best" and rows[1][3] == "right worse"
    assert rows[0][-1] == "left"


def test_pictures_are_inside_the_page() -> None:
    text = to_html(report(block(row("m"))), {"glyphs": [picture()]})
    data = base64.b64encode(PNG).decode()
    assert f'<img alt="glyphs: scores" src="data:image/png;base64,{data}">' in text


def test_what_retains_stands_beside_what_adapts() -> None:
    made = report(block(row("scratch"), row("er", 0.7, best=True)), stream_block(row("er", 0.8)))
    drawn = [picture(), picture("glyphs-retention", "R", "stream")]
    texts = [t.strip() for t in Read(to_html(made, {"glyphs": drawn})).texts if t.strip()]
    start = texts.index("glyphs: means")
    assert texts[start : start + 11] == [
        "glyphs: means", "method", "adapts, 5 shots", "retains, 2 tasks", "scratch", ".500", "-",
        "er", ".700", ".800", "adapts: episodes",
    ]  # fmt: skip
    assert texts.index("retains: stream") > texts.index("adapts: episodes")
    assert to_html(made, {"glyphs": drawn}).count("<img") == 2
