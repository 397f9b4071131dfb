import numpy as np
import pytest

from mmuda.utils.drawing import (
    blend,
    colourise,
    heat_map,
    legend,
    panel,
    with_colour_bar,
)

PALETTE = [[10, 20, 30], [40, 50, 60]]


def test_classes_have_their_colours():
    label = np.array([[0, 1], [1, 0]])
    assert colourise(label, PALETTE).tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[40, 50, 60], [10, 20, 30]],
    ]


@pytest.mark.parametrize('number', [2, 255])
def test_other_numbers_are_ignored(number):
    label = np.array([[number]], np.uint8)
    assert colourise(label, PALETTE).tolist() == [[[0, 0, 0]]]


def test_colour_of_ignored_pixels():
    colours = colourise(np.array([[255]]), PALETTE, ignore_colour=(1, 2, 3))
    assert colours.tolist() == [[[1, 2, 3]]]


def test_ends_of_the_heat_map():
    colours = heat_map(np.array([[0.0, 1.0]]))
    assert colours.tolist() == [[[0, 0, 3], [252, 254, 164]]]
    assert colours.dtype == np.uint8


def test_heat_map_clips():
    assert (
        heat_map(np.array([[-1.0, 2.0]])) == heat_map(np.array([[0.0, 1.0]]))
    ).all()


def test_legend_has_each_colour():
    picture = legend(['road', 'car'], PALETTE, 200)
    for colour in PALETTE:
        assert (picture == colour).all(axis=-1).sum() > 100


# The last two are in none but another font of matplotlib's.
@pytest.mark.parametrize(
    'letters', [('ß', 'ü'), ('Ł', 'ő'), ('Ж', 'Ω'), ('\u1d81', '\u1d84')]
)
def test_letters_of_many_languages_are_drawn(letters):
    first, second = (legend([name], PALETTE, 60) for name in letters)
    assert (first != second).any()


def test_letters_that_no_font_has_are_boxes():
    first, second = (legend([n], PALETTE, 60) for n in '\U000f0000\U000f0001')
    assert (first == second).all()


def test_legend_in_one_row():
    assert legend(['road', 'car'], PALETTE, 200).shape == (20, 200, 3)


def test_narrow_legend_in_two_rows():
    assert legend(['road', 'car'], PALETTE, 80).shape == (40, 80, 3)


def test_panel_size():
    tiles = dict(
        left=np.zeros((4, 70, 3), np.uint8),
        right=np.zeros((5, 80, 3), np.uint8),
    )
    assert panel(tiles).shape == (20 + 5, 70 + 6 + 80, 3)


def test_panel_holds_the_pictures_unchanged():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, 5, 70, 3), dtype=np.uint8)
    picture = panel(dict(left=left, right=right))
    assert (picture[20:, :70] == left).all()
    assert (picture[20:, 76:] == right).all()


def test_panel_shows_titles():
    tile = np.zeros((5, 70, 3), np.uint8)
    titled = panel({'title': tile})[:20]
    assert (titled != panel({' ': tile})[:20]).any()


def test_blend_leaves_what_has_no_colour():
    image = np.full((2, 2, 3), 100, np.uint8)
    label = np.array([[0, 1], [255, 1]])
    palette = [(200, 0, 100), (0, 50, 250)]
    mixed = blend(image, label, palette, opacity=0.5)
    assert mixed[0, 0].tolist() == [150, 50, 100]
    assert mixed[0, 1].tolist() == [50, 75, 175]
    assert mixed[1, 0].tolist() == [100, 100, 100]


def test_colour_bar_goes_from_bright_to_dark():
    picture = heat_map(np.zeros((120, 30)))
    drawn = with_colour_bar(picture, 'entropy')
    assert drawn.shape[0] == 120
    assert drawn.shape[1] > 60
    assert np.array_equal(drawn[:, :30], picture)
    bar = drawn[:, 30 + 6 + 5]
    top, bottom = heat_map(np.array([[1.0], [0.0]]))[:, 0]
    rows = np.flatnonzero((bar != 255).any(axis=1))
    assert np.array_equal(bar[rows[-1]], bottom)
    assert (bar == top).all(axis=1).any()
    # A small picture is filled up with white.
    small = with_colour_bar(picture[:10], 'entropy')
    assert small.shape[0] == 100
    assert (small[10:, :30] == 255).all()
