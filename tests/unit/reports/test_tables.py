"""The tables of a report, in sections by domain and parts by protocol."""

from __future__ import annotations

from presented import COST, block, report, row, stream_block

from tlml.presentation import Mark, Row
from tlml.reports.remarks import footnotes
from tlml.reports.tables import sections


def test_a_domain_of_one_protocol_has_one_part_without_a_heading() -> None:
    made = report(block(row("scratch"), shots=1), block(row("scratch")), block(domain="digits"))
    first, second = sections(made)
    assert (first.domain, first.overview, second.domain) == ("glyphs", None, "digits")
    (part,) = first.parts
    assert (part.protocol, part.heading) == ("episodes", "")
    assert [table.place for table in part.tables] == ["glyphs, 1 shot", "glyphs, 5 shots"]


def test_what_retains_and_what_adapts_stand_beside_each_other() -> None:
    made = report(
        block(row("scratch", 0.5), row("er", 0.7, best=True)),
        stream_block(row("er", 0.8, best=True), Row("naive", 0, 1)),
    )
    (section,) = sections(made)
    assert [part.heading for part in section.parts] == ["adapts: episodes", "retains: stream"]
    table = section.overview
    assert table is not None
    assert [column.heading for column in table.columns] == [
        "method", "adapts, 5 shots", "retains, 2 tasks"
    ]  # fmt: skip
    assert [[column.text(row) for column in table.columns] for row in table.rows] == [
        ["scratch", ".500", "-"], ["er", ".700", ".800"], ["naive", "-", "-"]
    ]  # fmt: skip
    marks = [column.markup(table.rows[1]) for column in table.columns]
    assert marks == [None, Mark.BEST, Mark.BEST]
    assert section.tables[0] is table


def test_a_block_has_the_columns_that_its_protocol_names() -> None:
    (section,) = sections(report(stream_block(row("er", metrics={"BTI": -0.1}))))
    (table,) = section.tables
    assert [column.heading for column in table.columns] == [
        "method", "accuracy", "95% interval", "IQM", "LA", "BTI", "fit s", "steps", "notes"
    ]  # fmt: skip
    assert [column.text(table.rows[0]) for column in table.columns][4:7] == ["-", "-.100", "10.5"]


def test_differences_stand_where_the_baseline_does() -> None:
    with_it, without = sections(report(block(row("scratch")), block(row("er"), domain="digits")))
    assert "to scratch" in [column.heading for column in with_it.tables[0].columns]
    assert "to scratch" not in [column.heading for column in without.tables[0].columns]


def test_what_choosing_took_is_a_column_where_it_took_something() -> None:
    tuned = row("tuned", cost={**COST, "tuning_seconds": 250.0})
    with_it, without = sections(report(block(row("a"), tuned), block(row("a"), domain="digits")))
    headings = [[c.heading for c in section.tables[0].columns] for section in (with_it, without)]
    assert headings[0][-2:] == ["tuning s", "notes"] and "tuning s" not in headings[1]
    texts = [with_it.tables[0].columns[-2].text(one) for one in with_it.tables[0].rows]
    assert texts == ["-", "250"]
    told = "\n".join(footnotes(report(block(tuned))))
    assert "tuning s: what choosing options took" in told
    assert "tuning s" not in "\n".join(footnotes(report(block(row("a")))))
