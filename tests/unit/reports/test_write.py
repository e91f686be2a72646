"""Reports: numbers against hand-computed ones, what is missing, and files that are whole."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from result_folders import Cells, Folder, id_of
from rich.console import Console

from tlml.errors import TlmlError
from tlml.reports import Report, print_report, report
from tlml.reports.notes import NEGATIVE

OWN = id_of("d-1-0-m")
FILES = ("results.json", "report.md", "report.tex", "report.html", "glyphs.png")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged (Invalid JSON: EOF while parsing an object at line 1 column 1)"),
        ({"id": OWN}, "damaged (metric: Field required)"),
        ({"id": OWN, "metric": "a", "higher_is_better": True, "episodes": [0, 1], "scores": [1]},
         "damaged (Value error, 1 scores for 2 units)"),
        ({"id": OWN, "metric": "a", "higher_is_better": True, "episodes": [0, 0], "scores": [1, 1]},
         "damaged (Value error, duplicate unit 0)"),
        ({"id": OWN, "metric": "a", "higher_is_better": True, "episodes": [], "scores": []},
         "damaged (units: List should have at least 1 item after validation, not 0)"),
    ],
)  # fmt: skip
def test_a_damaged_result_is_named(folder: Folder, content: Any, message: str) -> None:
    folder.write({("d", 1, 0, "m"): None})
    folder.put("d-1-0-m", "result.json", content)
    with pytest.raises(TlmlError) as caught:
        report(folder.path)
    path = folder.path / "cells" / id_of("d-1-0-m") / "result.json"
    assert str(caught.value) == f"{path}: {message}; delete it and run the suite again"


def test_a_folder_without_a_plan_is_none_of_a_suite(tmp_path: Path) -> None:
    with pytest.raises(TlmlError) as caught:
        report(tmp_path)
    path = tmp_path / "plan.json"
    assert str(caught.value) == (
        f"{path}: cannot be read (No such file or directory); is it the folder of a suite?"
    )


def full_example(folder: Folder) -> Path:
    cells: Cells = {}
    for domain in ("glyphs", "digits"):
        for shots in (1, 5):
            for seed in (0, 1):
                cells[domain, shots, seed, "scratch"] = [0.50, 0.51, 0.52, 0.53, 0.54]
                cells[domain, shots, seed, "a|b"] = [0.6124, 0.6224, 0.6324, 0.6424, 0.6524]
                cells[domain, shots, seed, "full"] = [0.4, 0.41, 0.42, 0.43, 0.44]
    return folder.write(cells)


def test_the_markdown_table_holds_the_numbers(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    lines = (folder.path / "report.md").read_text().splitlines()
    what = "accuracy (higher is better); intervals over 5 episodes and 2 training seeds"
    assert f"### digits, 5 shots: {what}" in lines
    assert "![glyphs](glyphs.png)" in lines
    start = lines.index(f"### glyphs, 1 shot: {what}")
    assert lines[start + 2 : start + 7] == [
        "| method | accuracy | 95% interval | IQM | to scratch | 95% interval "
        "| fit s | adapt s | steps | labels | notes |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |",
        "| scratch | .520 | .507 to .533 | .520 | baseline | - | 10.5 | 1.0 | 50 | 5 |  |",
        r"| **a\|b** | **.632** | .619 to .646 | .632 | +.112 | +.112 to +.112 "
        "| 10.5 | 1.0 | 50 | 5 |  |",
        "| full | .420 | .407 to .433 | .420 | -.100 | -.100 to -.100 | 10.5 | 1.0 | 50 | 5 "
        "| negative transfer |",
    ]


class _Tags(HTMLParser):
    """Collects tags and text, and fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


def test_the_page_is_whole_and_needs_nothing_beside_it(folder: Folder) -> None:
    full_example(folder)
    folder.put("fit-glyphs-0", "failed.json", {"error": "<script>alert(1)</script>"})
    report(folder.path)
    text = (folder.path / "report.html").read_text()
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    start = tags.cells.index("a|b")
    assert tags.cells[start : start + 6] == [
        "a|b", ".632", ".619 to .646", ".632", "+.112", "+.112 to +.112"
    ]  # fmt: skip


def test_the_json_holds_summary_and_rows(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    read = json.loads((folder.path / "results.json").read_text())
    assert {key: read[key] for key in ("suite", "baseline", "planned", "done", "missing")} == {
        "suite": "quick", "baseline": "scratch", "planned": 24, "done": 24, "missing": 0
    }  # fmt: skip
    entry = read["summary"][2]
    assert (entry["domain"], entry["shots"], entry["method"]) == ("glyphs", 1, "full")
    assert entry["difference"] == pytest.approx(-0.1)
    assert (entry["worse"], entry["best"], entry["notes"]) == (True, False, [NEGATIVE])
    assert len(read["rows"]) == 24
    assert read["rows"][0]["scores"] == [0.50, 0.51, 0.52, 0.53, 0.54]
    assert read["rows"][0]["method"] == "scratch"


def test_a_second_report_writes_the_same_bytes(folder: Folder) -> None:
    full_example(folder)
    report(folder.path)
    first = [(folder.path / name).read_bytes() for name in FILES]
    report(folder.path)
    assert [(folder.path / name).read_bytes() for name in FILES] == first


def printed(made: Report, width: int, terminal: bool = True) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, no_color=True)
    print_report(made, console)
    return stream.getvalue()


def test_the_terminal_table_shows_what_fits(folder: Folder) -> None:
    made = report(full_example(folder))
    wide = printed(made, 120)
    assert ".619 to .646" in wide
    assert "IQM" in wide
    assert "\x1b[1m.632\x1b[0m" in wide  # the best is bold
    assert "full: negative transfer" in wide
    narrow = printed(made, 80)
    assert "IQM " not in narrow.split("Means are")[0]
    assert ".619 to .646" in narrow
    assert "…" not in narrow
    tables = re.sub(r"\x1b\[\d*m", "", narrow.split("quick:")[0]).splitlines()
    assert max(map(len, tables)) <= 80


def test_a_table_in_a_file_is_not_cut(folder: Folder) -> None:
    text = printed(report(full_example(folder)), 40, terminal=False)
    assert "IQM" in text
    assert "…" not in text


def test_markup_in_names_and_reasons_is_no_markup(folder: Folder) -> None:
    folder.write({("d", 1, 0, "m"): None})
    folder.put("d-1-0-m", "failed.json", {"error": "[bold]shape [5, 3]"})
    assert "[bold]shape [5, 3]" in printed(report(folder.path), 200)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.8124, ".812"), ("accuracy", 1.0, "1.000"), ("accuracy", 0.9996, "1.000"),
        ("accuracy", 0.0, ".000"), ("mse", 2.7, "2.70"), ("mse", 123.4, "123"),
        ("mse", 0.001234, "0.00123"), ("mse", 100.0, "100"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(folder: Folder, metric: str, value: float, text: str) -> None:
    report(folder.write({("d", 1, 0, "m"): [value] * 5}, metric=metric))
    assert f"| **{text}** |" in (folder.path / "report.md").read_text()


def fail_on(name: str, real: Callable[..., None]) -> Callable[..., None]:
    def replace(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    return replace


@pytest.mark.parametrize(
    "name", ["results.json", "report.md", "report.tex", "report.html", "glyphs.png"]
)
def test_a_full_disk_leaves_the_previous_report(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    full_example(folder)
    report(folder.path)
    before = (folder.path / name).read_bytes()
    folder.write({("glyphs", 1, 0, "scratch"): [0.9, 0.8]})
    monkeypatch.setattr(os, "replace", fail_on(name, os.replace))
    with pytest.raises(TlmlError, match=f"{name}: the disk is full; make room and run again"):
        report(folder.path)
    assert (folder.path / name).read_bytes() == before
    assert not list(folder.path.glob(".*"))


OUTSIDE = "../../outside"
CELLS: Cells = {("d", 1, 0, "scratch"): [0.5, 0.6], ("d", 1, 0, "m"): [0.7, 0.8]}


def everywhere(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", [OUTSIDE, "/tmp/x", "..", "a/b", "a\0b", "a\nb", "", "x" * 999])
@pytest.mark.parametrize("key", ["domain", "id", "fits", "protocol"])
def test_a_foreign_plan_writes_nothing_outside_its_folder(
    tmp_path: Path, key: str, name: str
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    Folder(inner).write(CELLS)
    plan = json.loads((inner / "plan.json").read_text())
    plan["adapts"][1][key] = [name] if key == "fits" else name
    plan["domains"] += [name] * (key == "domain")
    (inner / "plan.json").write_text(json.dumps(plan))
    before = everywhere(tmp_path)
    with pytest.raises(
        TlmlError, match=r"plan.json: damaged \((adapts|domains)\[1\].*String should"
    ):
        report(inner)
    assert everywhere(tmp_path) == before


@pytest.mark.parametrize("changed", ["strategy", "option"])
def test_a_foreign_result_writes_nothing_outside_its_folder(tmp_path: Path, changed: str) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    strategy, option = (OUTSIDE, "lr") if changed == "strategy" else ("full", OUTSIDE)
    folder = Folder(inner)
    folder.write({("d", 1, 0, f"m{number}"): [0.5, 0.6] for number in range(4)}, "m0")
    for number in range(4):
        cell = {"id": id_of(f"d-1-0-m{number}"), "domain": "d", "shots": 1, "seed": 0,
                "method": f"m{number}", "fits": []}  # fmt: skip
        folder.result(cell, [0.5, 0.6], strategy=strategy, options={option: number})
    before = everywhere(tmp_path)
    with pytest.raises(TlmlError, match=r"no picture can be called 'd-"):
        report(inner)
    assert everywhere(tmp_path) == before


def test_a_result_of_another_cell_is_named(folder: Folder) -> None:
    folder.write(CELLS)
    own, other = (folder.path / "cells" / id_of(f"d-1-0-{m}") for m in ("m", "scratch"))
    (own / "result.json").write_text((other / "result.json").read_text())
    with pytest.raises(TlmlError) as caught:
        report(folder.path)
    assert str(caught.value) == (
        f"{own / 'result.json'}: it is of cell {other.name}; delete it and run the suite again"
    )
