from __future__ import annotations

import errno
import io
import logging
import pickle
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

import tlml_vision.drawn.glyphs
import tlml_vision.storage.cache
from tlml import TlmlError
from tlml.data import SPLITS, draw_episode, keyed_rng
from tlml_vision.drawn.characters import alphabet, draw_letters, letter
from tlml_vision.drawn.fonts import font_files
from tlml_vision.drawn.glyphs import Glyphs
from tlml_vision.drawn.rendering import CANVAS, drawings, jitter_images, plain, to_unit
from tlml_vision.storage.cache import cache_folder
from tlml_vision.storage.progress_bar import progress

# Alphabets that few fonts have: half a second to render.
FEW = {
    "size": 14,
    "variants": 2,
    "source": ["Armenian"],
    "validation": [],
    "target": ["Georgian"],
    "min_forms": 12,
}
SHIPPED = Path(matplotlib.get_data_path(), "fonts", "ttf")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def images(domain, split):
    """The images of a split as bytes, to be compared."""
    return [x.numpy().tobytes() for samples in domain.classes(split).values() for x in samples]


def own_font(path, characters):
    """A font whose characters are bars, the number n in the list n of them."""
    builder = FontBuilder(1000, isTTF=True)
    names = [f"bars{n}" for n in range(1, len(characters) + 1)]
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap(dict(zip(map(ord, characters), names, strict=True)))
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    for count, name in enumerate(names, start=1):
        pen = TTGlyphPen(None)
        for bar in range(count):
            left, right = 100 * bar, 100 * bar + 50
            pen.moveTo((left, 0))
            for point in ((left, 700), (right, 700), (right, 0)):
                pen.lineTo(point)
            pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1200, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Bars", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def test_splits_share_no_class_and_no_image():
    alike = {**FEW, "validation": ["Cyrillic"]}
    for domain in (Glyphs(**alike), Glyphs(**alike, jitter=False)):
        names = [name for split in SPLITS for name in domain.classes(split)]
        drawn = [image for split in SPLITS for image in images(domain, split)]
        assert len(set(names)) == len(names)
        assert len(set(drawn)) == len(drawn)


def test_samples_are_white_on_black_and_fit_the_space():
    domain = Glyphs(**FEW)
    samples = torch.cat(list(domain.classes("target").values()))
    assert samples.shape[1:] == (1, 14, 14)
    assert samples.dtype == torch.float32
    assert domain.x.contains(samples[0].numpy())
    assert samples.amin() == 0
    assert samples.amax() == 1
    assert samples.mean() < 0.4
    assert (samples.flatten(1).amax(1) > 0.5).all()


def test_classes_are_the_same_at_all_sizes():
    small, large = Glyphs(**FEW), Glyphs(**{**FEW, "size": 28})
    for split in ("source", "target"):
        counts = [{c: len(x) for c, x in d.classes(split).items()} for d in (small, large)]
        assert counts[0] == counts[1]


def test_variants_multiply_the_samples_and_differ():
    twice, plain_ = Glyphs(**FEW).classes("target"), Glyphs(**FEW, jitter=False).classes("target")
    assert {c: len(x) for c, x in twice.items()} == {c: 2 * len(x) for c, x in plain_.items()}
    assert all(len(torch.unique(x, dim=0)) == len(x) for x in twice.values())


def test_episodes_are_reproducible():
    domain = Glyphs(**FEW)
    episodes = []
    for _ in range(2):
        rng = keyed_rng(0, "target", 7)
        episodes.append(draw_episode(domain.draw("target", rng, ways=5), 3, 4, rng))
    one, other = episodes
    assert one.support.x.shape == (15, 1, 14, 14)
    assert torch.equal(one.support.x, other.support.x)
    assert torch.equal(one.query.x, other.query.x)
    assert torch.bincount(one.query.y).tolist() == [4] * 5


def test_nothing_is_rendered_before_classes_are_asked_for(cache):
    Glyphs(**FEW)
    assert not cache.exists()


def test_the_second_time_comes_from_the_disk(cache, monkeypatch):
    fresh = Glyphs(**FEW).classes("target")

    def fail(*_):
        raise AssertionError("rendered again")

    monkeypatch.setattr(tlml_vision.drawn.glyphs, "draw_letters", fail)
    assert same(Glyphs(**FEW).classes("target"), fresh)
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_each_recipe_has_a_file_of_its_own(cache):
    for options in (FEW, {**FEW, "jitter": False}, {**FEW, "min_forms": 11}):
        Glyphs(**options).classes("target")
    assert len(list(cache.iterdir())) == 3


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The classes of a domain, and the name and the bytes of the file that keeps them."""
    folder = tmp_path_factory.mktemp("rendered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLML_CACHE", str(folder))
        fresh = Glyphs(**FEW).classes("target")
    (path,) = folder.iterdir()
    return fresh, path.name, path.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "flipped", "pickle"])
def test_a_damaged_cache_is_rendered_again(cache, rendered, damage):
    fresh, name, whole = rendered
    cache.mkdir()
    path = cache / name
    middle = len(whole) // 2
    damaged = {
        "truncated": whole[:middle],
        "empty": b"",
        "text": b"not a file of arrays",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "pickle": pickle.dumps([1]),
    }
    path.write_bytes(damaged[damage])
    assert same(Glyphs(**FEW).classes("target"), fresh)
    assert path.read_bytes() == whole


def test_a_cache_folder_that_cannot_be_written_costs_only_a_line(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("TLML_CACHE", str(blocked))
    with caplog.at_level(logging.WARNING):
        assert len(Glyphs(**FEW).classes("target")) > 20
    (record,) = caplog.records
    assert record.getMessage().startswith(f"nothing is kept for the next time: {blocked}")


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch, caplog):
    def full(file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tlml_vision.storage.cache.np, "savez", full)
    assert len(Glyphs(**FEW).classes("target")) > 20
    assert list(cache.iterdir()) == []
    assert "the disk is full" in caplog.text


def test_the_cache_is_in_the_users_folder_unless_said_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_CACHE", "~/mine")
    assert cache_folder() == Path.home() / "mine"
    monkeypatch.delenv("TLML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "tlml"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "tlml"


def test_domains_pickle_without_their_images():
    domain = Glyphs(**FEW)
    fresh = domain.classes("target")
    pickled = pickle.dumps(domain)
    assert len(pickled) < 10_000
    assert same(pickle.loads(pickled).classes("target"), fresh)


def test_classes_pickle_no_more_than_themselves():
    task = Glyphs(**FEW).draw("target", keyed_rng(0, "target"), ways=2)
    values = sum(samples.numel() for samples in task.samples)
    assert len(pickle.dumps(task)) < 4 * values + 10_000


def test_letters_are_told_from_what_shows_others():
    assert letter(ord("A")) == "A"
    assert letter(ord("\N{MATHEMATICAL BOLD FRAKTUR CAPITAL A}")) == "A"
    assert letter(ord("\N{MATHEMATICAL BOLD SMALL PI}")) == "π"
    for other in ("é", "1", "+", "ª", "ﬁ", "\N{MATHEMATICAL BOLD PI SYMBOL}", "\U0001d455"):
        assert letter(ord(other)) is None


def test_alphabets_are_unicode_scripts():
    assert [alphabet(c) for c in "AЖΩՖჰ"] == ["Latin", "Cyrillic", "Greek", "Armenian", "Georgian"]


def test_of_letters_that_look_alike_one_is_kept():
    kept = draw_letters(font_files(None), ["Latin", "Greek", "Cyrillic"], 12).forms
    for alike in ("AΑА", "OoΟοОо", "HНΗ", "Xx", "pр"):
        assert sum(c in kept for c in alike) == 1


def test_forms_of_a_letter_differ_and_are_not_blank():
    prints = draw_letters(font_files(None), ["Georgian"], 5)
    for rows in prints.forms.values():
        drawn = to_unit(prints.canvas[rows]).flatten(1)
        drawn = drawn / drawn.norm(dim=1, keepdim=True)
        cosines = drawn @ drawn.T - 2 * torch.eye(len(rows))
        assert len(rows) >= 5
        assert cosines.max() < 0.99


def test_fonts_without_letters_are_passed_over():
    names = {file.name for file in font_files(None)}
    assert len(names) == 22
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= names
    assert not names & {"LastResortHE-Regular", "cmex10", "cmsy10", "DejaVuSansDisplay"}


def test_a_folder_adds_its_fonts(tmp_path):
    (tmp_path / "sub").mkdir()
    own_font(tmp_path / "sub" / "bars.TTF", "აბგ")
    before = Glyphs(**{**FEW, "min_forms": 11}, jitter=False).classes("target")
    after = Glyphs(**{**FEW, "min_forms": 11}, jitter=False, fonts=str(tmp_path)).classes("target")
    more = {name for name in after if len(after[name]) == len(before[name]) + 1}
    assert more == {"ა", "ბ", "გ"}


def test_a_copy_of_a_font_adds_nothing(tmp_path):
    shutil.copy(SHIPPED / "DejaVuSerif.ttf", tmp_path / "copy.ttf")
    before, after = Glyphs(**FEW), Glyphs(**FEW, fonts=str(tmp_path))
    assert same(after.classes("target"), before.classes("target"))


def test_characters_that_a_font_lacks_are_blank():
    drawn = drawings(SHIPPED / "cmr10.ttf", ["A", "Ж", " "])
    assert drawn.shape == (3, CANVAS, CANVAS)
    assert drawn.any(axis=(1, 2)).tolist() == [True, False, False]


@pytest.mark.parametrize("character", ["W", "l", "g"])
def test_drawings_are_centred_and_of_equal_length(character):
    (drawn,) = drawings(SHIPPED / "DejaVuSans.ttf", [character])
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == CANVAS * 22 // 28
    for inked in (rows, columns):
        assert abs(inked[0] + inked[-1] + 1 - CANVAS) <= 1


@pytest.mark.parametrize("size", [8, 14, 20, 28, 56])
def test_resampling_keeps_the_ink(size):
    canvas = to_unit(drawings(SHIPPED / "DejaVuSans.ttf", ["g", "Ж"]))
    small = plain(canvas, size)
    assert small.shape == (2, size, size)
    torch.testing.assert_close(small.mean((1, 2)), canvas.mean((1, 2)), rtol=0.01, atol=0)


def test_jitter_turns_by_15_degrees_at_most():
    bar = torch.zeros(500, CANVAS, CANVAS)
    bar[:, 26:30, 14:42] = 1
    turned = jitter_images(bar, CANVAS, np.random.default_rng(0))
    angle = torch.rad2deg(_axis(turned))
    assert angle.abs().max() == pytest.approx(15, abs=1)


def test_jitter_shifts_by_2_of_28_pixels_at_most():
    dot = torch.zeros(500, CANVAS, CANVAS)
    dot[:, 26:30, 26:30] = 1
    moved = jitter_images(dot, 28, np.random.default_rng(0))
    place = torch.arange(28) - 13.5
    mass = moved.sum((1, 2))
    for axis in (1, 2):
        shift = (moved.sum(axis) * place).sum(1) / mass
        assert shift.abs().max() == pytest.approx(2, abs=0.1)


def test_jitter_scales_each_axis_by_15_percent_at_most():
    square = torch.zeros(500, CANVAS, CANVAS)
    square[:, 20:36, 20:36] = 1
    areas = jitter_images(square, CANVAS, np.random.default_rng(0)).sum((1, 2)) / 256
    assert areas.amin() == pytest.approx(0.85**2, abs=0.05)
    assert areas.amax() == pytest.approx(1.15**2, abs=0.05)


def test_jitter_is_a_function_of_the_generator():
    canvas = to_unit(drawings(SHIPPED / "DejaVuSans.ttf", ["g"]))
    made = [jitter_images(canvas, 28, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_progress_is_shown_on_a_terminal_only(monkeypatch, capsys):
    assert list(progress([1, 2], "drawing")) == [1, 2]
    assert capsys.readouterr().err == ""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert list(progress([1, 2], "drawing")) == [1, 2]
    assert "drawing" in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 7}, "size: must be from 8 to 56 pixels, is 7"),
        ({"size": 57}, "size: must be from 8 to 56 pixels, is 57"),
        ({"variants": 0}, "variants: must be greater than 0, is 0"),
        ({"min_forms": 0}, "min_forms: must be greater than 0, is 0"),
        (
            {"fonts": "/no/such"},
            "fonts: there is no folder '/no/such'; leave it out for matplotlib's own",
        ),
        ({"target": ["Grek"]}, "no alphabet is called 'Grek'; did you mean Greek?"),
        ({"target": "Greek"}, "target: must be a list of alphabets, such as [Greek]"),
        (
            {"target": ["Greek", "Georgian"]},
            "glyphs: Greek is in two of source, validation and target",
        ),
        (
            {"source": ["Latin", "Armenian"]},
            "glyphs: Armenian is in two of source, validation and target",
        ),
    ],
)
def test_bad_options_are_refused_at_once(options, message, cache):
    with pytest.raises(TlmlError) as caught:
        Glyphs(**options)
    assert str(caught.value) == message
    assert not cache.exists()


@pytest.mark.parametrize("content", [None, b"", b"not a font", b"\0\1\0\0" + b"\0" * 40])
def test_a_folder_without_a_font_is_refused(tmp_path, content):
    (tmp_path / "readme.txt").write_text("no font")
    if content is not None:
        (tmp_path / "broken.ttf").write_bytes(content)
    with pytest.raises(TlmlError) as caught:
        Glyphs(**FEW, fonts=str(tmp_path)).classes("source")
    assert str(caught.value) == (
        f"fonts: '{tmp_path}' holds no font that can be read (.otf or .ttf)"
    )


def test_a_truncated_font_beside_good_ones_is_passed_over(tmp_path):
    whole = (SHIPPED / "DejaVuSerif.ttf").read_bytes()
    (tmp_path / "half.ttf").write_bytes(whole[: len(whole) // 2])
    own_font(tmp_path / "bars.ttf", "აბგ")
    assert len(Glyphs(**FEW, fonts=str(tmp_path)).classes("target")) > 20


def test_a_split_without_letters_is_refused():
    domain = Glyphs(**{**FEW, "target": ["Thai"]})
    with pytest.raises(TlmlError) as caught:
        domain.classes("target")
    text = "glyphs: the fonts hold no target letter with 12 different prints; there is Armenian ("
    assert str(caught.value).startswith(text)


def test_without_any_letter_the_error_says_so():
    only = {"source": ["Thai"], "validation": [], "target": ["Lao"]}
    with pytest.raises(TlmlError, match=r"different prints; there is none at all$"):
        Glyphs(**only).classes("source")


def test_an_unknown_split_is_refused():
    message = "^split: 'train' is not one of source, validation, target$"
    with pytest.raises(TlmlError, match=message):
        Glyphs(**FEW).classes("train")


def _axis(bars):
    """The direction of each bar's longest extent in radians, from its second moments."""
    place = torch.arange(CANVAS) - (CANVAS - 1) / 2
    mass = bars.sum((1, 2))
    x, y = ((bars.sum(axis) * place).sum(1) / mass for axis in (1, 2))
    xs, ys = place[None] - x[:, None], place[None] - y[:, None]
    xx = (bars.sum(1) * xs**2).sum(1)
    yy = (bars.sum(2) * ys**2).sum(1)
    xy = torch.einsum("nij,ni,nj->n", bars, ys, xs)
    return torch.atan2(2 * xy, xx - yy) / 2
