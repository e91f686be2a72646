"""Augmentation: what each change does to images, and when it is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails
from tiny import Letters, Lines
from torch import Generator, Tensor

from tlml import EpisodeView, PairView
from tlml.data.augmentation import NAMES, augmented, changes, crop, erase, flip, jitter, rotate

few = settings(max_examples=20, deadline=None)
colours, grey = Box(0, 1, (3, 8, 8), np.float32), Box(0, 1, (1, 8, 8), np.float32)


def noisy(x: Tensor, generator: Generator) -> Tensor:
    """Add noise: a function as users write it."""
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def halved(x: Tensor, generator: Generator) -> Tensor:
    """Return another shape, which is wrong."""
    return x[..., :4]


def key(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, channels: int = 3, height: int = 8, width: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(n, channels, height, width, generator=key(seed))


class Pictures(Letters):
    """Classes of images."""

    def __init__(self) -> None:
        super().__init__(shape=(1, 8, 8))


# What each does


@few
@given(st.sampled_from(sorted(NAMES)), st.integers(1, 4), st.sampled_from([1, 2, 3]),
       st.integers(2, 20), st.integers(2, 20), st.integers(0, 2**32))  # fmt: skip
def test_all_keep_shape_type_and_range_and_depend_on_their_generator_only(
    name: str, n: int, channels: int, height: int, width: int, seed: int
) -> None:
    x = images(n, channels, height, width, seed)
    space = Box(0, 1, tuple(x.shape[1:]), np.float32)
    before, state = x.clone(), torch.get_rng_state()
    one, two = (
        augmented(x, changes(name, space, "It"), np.random.default_rng(seed)) for _ in range(2)
    )
    assert torch.equal(one, two) and torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert one.shape == x.shape and one.dtype == x.dtype
    assert float(one.min()) >= -1e-5 and float(one.max()) <= 1 + 1e-5


@pytest.mark.parametrize("name", sorted(NAMES))
def test_equal_images_are_changed_each_in_its_own_way(name: str) -> None:
    x = images(1, 3, 16, 16).expand(40, -1, -1, -1)
    made = NAMES[name](x, key(1))
    assert len(torch.unique(made.flatten(1), dim=0)) >= (2 if name == "flip" else 15)


def test_flip_mirrors_half_of_the_images() -> None:
    x = images(2000, 1, 2, 2)
    made = flip(x, key(0))
    mirrored = (made == x.flip(-1)).flatten(1).all(1)
    assert (mirrored | (made == x).flatten(1).all(1)).all()
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.05


def test_crop_moves_by_up_to_an_eighth_of_each_side() -> None:
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    x = torch.stack([rows, columns]).expand(500, 2, 16, 24)
    made = crop(x, key(0))
    # The middle isn't reached by reflections: there each pixel says where it came from.
    moved = made[:, :, 8, 12] - torch.tensor([8.0, 12.0])
    assert {*map(int, moved[:, 0])} == set(range(-2, 3))
    assert {*map(int, moved[:, 1])} == set(range(-3, 4))


def test_jitter_changes_brightness_and_contrast_of_grey_and_stays_in_bounds() -> None:
    x = images(400, 1).mul(0.2).add(0.4)
    made = jitter(x, key(0), 0.0, 1.0)
    level, spread = made.mean((1, 2, 3)) / x.mean((1, 2, 3)), made.std((1, 2, 3)) / x.std((1, 2, 3))
    assert 0.6 <= float(level.min()) < 0.65 and 1.35 < float(level.max()) <= 1.4
    contrast = spread / level
    assert 0.59 <= float(contrast.min()) < 0.65 and 1.35 < float(contrast.max()) <= 1.41


def test_jitter_changes_the_saturation_of_three_channels_only() -> None:
    x = torch.tensor([0.6, 0.5, 0.4])[None, :, None, None].expand(300, 3, 8, 8)
    made = jitter(x, key(0))
    # Of one colour all over, contrast and brightness keep the share of colour in the grey.
    share = (made[:, 0] - made[:, 2]).mean((1, 2)) / made.mean((1, 2, 3)) / (0.2 / 0.5)
    assert float(share.min()) < 0.7 and float(share.max()) > 1.3
    grey_only = x[:, :1].expand(-1, 3, -1, -1)
    same = jitter(grey_only, key(0))
    torch.testing.assert_close(same[:, 0], same[:, 2])


def test_jitter_scales_brightness_from_black() -> None:
    x = torch.full((50, 1, 4, 4), -1.0)
    torch.testing.assert_close(jitter(x, key(0), -1.0, 1.0), x)


def test_rotate_turns_about_the_middle_by_up_to_15_degrees_without_distortion() -> None:
    height, width = 33, 65
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(65.0), indexing="ij")
    middle = torch.tensor([16.0, 32.0])
    x = torch.stack([rows, columns]).expand(200, 2, height, width)
    made = rotate(x, key(0))
    torch.testing.assert_close(made[:, :, 16, 32], middle.expand(200, 2), atol=1e-3, rtol=0)
    # Ten pixels to the right, as a vector in the original: as long, and turned.
    way = made[:, :, 16, 42] - middle
    torch.testing.assert_close(way.norm(dim=1), torch.full((200,), 10.0), atol=1e-2, rtol=0)
    angle = torch.rad2deg(torch.atan2(way[:, 0], way[:, 1]))
    assert -15.1 < float(angle.min()) < -13 and 13 < float(angle.max()) < 15.1


def test_erase_fills_a_rectangle_of_half_of_the_images_by_the_mean() -> None:
    x = images(1000, 2, 16, 16)
    made = erase(x, key(0))
    mean = x.mean((2, 3), keepdim=True).expand_as(x)
    hidden = made != x
    assert torch.equal(made[hidden], mean[hidden])
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    area = hidden[:, 0].sum((1, 2)).float()
    extent = hidden[:, 0].any(1).sum(1) * hidden[:, 0].any(2).sum(1)
    assert torch.equal(area, extent.float())
    chosen = area > 0
    assert abs(float(chosen.float().mean()) - 0.5) < 0.05
    assert float(area.max()) <= 0.45 * 256


def test_a_list_is_applied_in_its_order() -> None:
    x = images(6)
    made = changes(["flip", "erase"], colours, "It")
    generator = torch.Generator().manual_seed(int(np.random.default_rng(3).integers(2**63)))
    by_hand = erase(flip(x, generator), generator)
    assert torch.equal(augmented(x, made, np.random.default_rng(3)), by_hand)


# What is refused


@pytest.mark.parametrize(
    ("augment", "space", "message"),
    [
        ("flop", grey, "no augmentation is called 'flop'; did you mean flip?"),
        (["flip", "cropp"], grey, "no augmentation is called 'cropp'; did you mean crop?"),
        (["flip", "crop"], Box(0, 1, (2,), np.float32),
         "augment: flip, crop needs images [channels, height, width] of floats, and the inputs of "
         "It are float32 of shape [2]"),
        ("flip", Box(0, 255, (3, 8, 8), np.uint8),
         "augment: flip needs images [channels, height, width] of floats, and the inputs of "
         "It are uint8 of shape [3, 8, 8]"),
        ("flip", Discrete(3),
         "augment: flip needs images [channels, height, width] of floats, and the inputs of "
         "It are int64 of shape []"),
    ],
)  # fmt: skip
def test_unknown_names_and_other_inputs_are_refused(augment: Any, space: Any, message: str) -> None:
    with fails(message):
        changes(augment, space, "It")


def test_a_function_must_pickle() -> None:
    def inner(x: Tensor, generator: Generator) -> Tensor:
        return x

    with fails(
        "augment: test_a_function_must_pickle.<locals>.inner can't be pickled, which loader "
        "processes need; define it at the top of a module"
    ):
        changes(inner, grey, "It")


def test_a_function_that_changes_the_shape_is_named_before_the_fit() -> None:
    view = EpisodeView(Pictures(), ways=2, shots=1, queries=1, augment=halved)
    with fails("augment: halved turns the shape [4, 1, 8, 8] into [4, 1, 8, 4]"):
        view.setup("fit")


def test_views_refuse_what_has_no_images() -> None:
    message = (
        "augment: flip needs images [channels, height, width] of floats, and the inputs of Lines "
        "are float32 of shape [1]"
    )
    for view in (EpisodeView, PairView):
        with fails(message):
            view(Lines(), augment="flip")
    with fails("augment: changes source images, and source=False leaves none"):
        PairView(Pictures(), augment="flip", source=False, shots=1)


# When it is done


@pytest.mark.parametrize("augment", ["erase", ["crop", "rotate"], noisy])
@pytest.mark.parametrize("workers", [0, 2])
def test_only_training_episodes_are_changed_and_keyed(augment: Any, workers: int) -> None:
    options: Any = {"ways": 3, "shots": 2, "queries": 3, "episodes": 4, "split": "source"}
    plain = EpisodeView(Pictures(), **options)
    made, again = (
        EpisodeView(Pictures(), **options, augment=augment, num_workers=n) for n in (0, workers)
    )
    for name in ("val_dataloader", "test_dataloader"):
        one, two = (next(iter(getattr(view, name)())) for view in (plain, made))
        assert torch.equal(one.support.x, two.support.x) and torch.equal(one.query.x, two.query.x)
    before, one, two = (next(iter(v.train_dataloader())) for v in (plain, made, again))
    for side in (0, 1):
        assert torch.equal(one[side].x, two[side].x)
        assert torch.equal(one[side].y, before[side].y)
        assert not torch.equal(one[side].x, before[side].x)
    assert not torch.equal(one.support.x[0], one.support.x[1])


@pytest.mark.parametrize("augment", ["erase", noisy])
def test_only_the_source_of_training_pairs_is_changed(augment: Any) -> None:
    options: Any = {"batch_size": 16, "shots": 2, "queries": 3, "unlabelled": True}
    plain, made = PairView(Pictures(), **options), PairView(Pictures(), **options, augment=augment)
    one, two = (next(iter(view.train_dataloader())) for view in (plain, made))
    again = next(iter(made.train_dataloader()))
    assert torch.equal(one.index, two.index) and torch.equal(again.source.x, two.source.x)
    assert not torch.equal(one.source.x, two.source.x)
    assert torch.equal(one.target.x, two.target.x) and torch.equal(one.unlabelled, two.unlabelled)
    for name in ("val_dataloader", "test_dataloader"):
        one, two = (next(iter(getattr(view, name)())) for view in (plain, made))
        assert torch.equal(one.source.x, two.source.x) and torch.equal(one.target.x, two.target.x)


def test_names_are_kept_as_plain_options() -> None:
    from tlml.recorded import describe_object

    view = EpisodeView(Pictures(), augment=["crop", "flip"])
    assert describe_object(view)["options"]["augment"] == ["crop", "flip"]
