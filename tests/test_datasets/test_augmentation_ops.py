import numpy as np
import pytest

from mmuda.datasets.transforms.strong_augmentation import (
    GEOMETRIC_OPERATIONS,
    OPERATIONS,
    apply_operations,
)

SIZE = (48, 64)
RED = 250
PHOTOMETRIC = sorted({*OPERATIONS} - {*GEOMETRIC_OPERATIONS})
each_move = pytest.mark.parametrize(
    'moves',
    [
        [(operation, sign * magnitude)]
        for operation in GEOMETRIC_OPERATIONS
        for sign in (1, -1)
        for magnitude in (0.3, 0.9)
    ],
)
each_pair = pytest.mark.parametrize(
    'moves',
    [
        [('rotate', 0.9), ('translate_x', -0.5)],
        [('translate_x', -0.5), ('rotate', 0.9)],
        [('shear_x', 0.7), ('shear_y', -0.9)],
        [('translate_y', 0.6), ('shear_y', 0.4)],
        [('rotate', 0.4), ('rotate', 0.5)],
        [('rotate', 0.9), ('rotate', -0.9)],
        [('shear_x', 0.8), ('equalize', 0.5), ('rotate', -0.6)],
    ],
)


def picture():
    """Return an image whose blue and green tell column and row."""
    rows, columns = np.indices(SIZE)
    red = np.full(SIZE, RED)
    return np.stack([2 * columns, 4 * rows, red], -1).astype(np.uint8)


def places():
    """Return label maps that tell column and row, as ids and softly."""
    rows, columns = np.indices(SIZE)
    soft = np.stack([columns + 1, rows + 1], -1) / 100
    return {
        'columns': columns.astype(np.uint8),
        'rows': rows.astype(np.uint8),
        'soft': soft.astype(np.float32),
    }


def moved(operations):
    return apply_operations(picture(), places(), operations)


def is_grey(image):
    return (image == 127).all(-1)


# Label maps move with the image


@each_move
def test_labels_stay_within_half_a_pixel_of_the_image(moves):
    image, labels = moved(moves)
    sound = (labels['columns'] < 255) & (image[..., 2] == RED)
    across = np.abs(image[..., 0] / 2 - labels['columns'])
    down = np.abs(image[..., 1] / 4 - labels['rows'])
    assert sound.mean() > 0.6
    # A quarter is the rounding of blue.
    assert max(across[sound].max(), down[sound].max()) <= 0.75


@each_pair
def test_labels_follow_the_whole_sequence(moves):
    image, labels = moved(step for step in moves if step[0] != 'equalize')
    sound = (labels['columns'] < 255) & (image[..., 2] == RED)
    across = np.abs(image[..., 0] / 2 - labels['columns'])
    down = np.abs(image[..., 1] / 4 - labels['rows'])
    assert sound.mean() > 0.5
    assert max(across[sound].max(), down[sound].max()) <= 1.25


@each_move
def test_ids_are_255_exactly_where_the_image_is_grey(moves):
    image, labels = moved(moves)
    assert 0 < is_grey(image).mean() < 0.4
    assert np.array_equal(labels['columns'] == 255, is_grey(image))


@each_pair
def test_ids_are_255_where_two_operations_leave_grey(moves):
    image, labels = moved(moves)
    assert 0 < is_grey(image).mean() < 0.5
    assert np.array_equal(labels['columns'] == 255, is_grey(image))


@each_pair
def test_soft_labels_follow_as_ids_do(moves):
    _, labels = moved(moves)
    known = labels['columns'] < 255
    expected = np.stack([labels['columns'], labels['rows']], -1) + 1.0
    expected = np.where(known[..., None], expected / 100, 0)
    assert np.allclose(labels['soft'], expected, atol=1e-6)


@each_pair
def test_a_sequence_is_one_operation_after_the_other(moves):
    image, labels = picture(), places()
    for step in moves:
        image, labels = apply_operations(image, labels, [step])
    assert np.array_equal(moved(moves)[1]['soft'], labels['soft'])


def test_one_operation_twice_moves_twice():
    image, labels = moved([('translate_x', 0.5), ('translate_x', 0.5)])
    # 0.3 * 0.5 * 64 = 9.6, cut to 9 pixels
    assert np.array_equal(image[:, 18:], picture()[:, :-18])
    assert np.array_equal(labels['soft'][:, 18:], places()['soft'][:, :-18])


def test_what_is_left_uncovered_stays_grey():
    image, labels = moved([('translate_y', 0.9), ('solarize', 0.9)])
    assert np.array_equal(is_grey(image), labels['rows'] == 255)


def test_types_of_label_maps_are_kept():
    _, labels = moved([('rotate', 0.5)])
    assert labels['columns'].dtype == np.uint8
    assert labels['soft'].dtype == np.float32


def test_without_label_maps():
    image, labels = apply_operations(picture(), {}, [('rotate', 0.5)])
    assert np.array_equal(image, moved([('rotate', 0.5)])[0])
    assert labels == {}


# How far geometric operations move


@pytest.mark.parametrize(
    ('operation', 'shift'),
    # 0.3 * 0.9 of 48 and 64 is 12.96 and 17.28, cut to whole pixels.
    [('translate_x', (0, 17)), ('translate_y', (12, 0))],
)
@pytest.mark.parametrize('sign', [1, -1])
def test_translation(operation, shift, sign):
    image, _ = moved([(operation, sign * 0.9)])
    down, across = np.multiply(shift, sign)
    expected = np.roll(picture(), (down, across), (0, 1))
    kept = ~is_grey(image)
    assert kept.sum() == (48 - abs(down)) * (64 - abs(across))
    assert np.array_equal(image[kept], expected[kept])


@pytest.mark.parametrize('sign', [1, -1])
def test_shear_along_rows(sign):
    _, labels = moved([('shear_x', sign * 0.5)])
    columns = labels['columns'][:, 32].astype(int)
    expected = 32 - sign * 0.15 * np.arange(48)
    assert np.abs(columns - expected).max() <= 0.51


@pytest.mark.parametrize('sign', [1, -1])
def test_shear_along_columns(sign):
    _, labels = moved([('shear_y', sign * 0.5)])
    rows = labels['rows'][24].astype(int)
    expected = 24 - sign * 0.15 * np.arange(64)
    assert np.abs(rows - expected).max() <= 0.51


def test_rotation_of_a_positive_magnitude_is_clockwise():
    _, labels = moved([('rotate', 1.0)])
    # 20 pixels right of the centre (31.5, 23.5), turned by 30 degrees.
    column = round(31.5 + 20 * np.cos(np.pi / 6))
    row = round(23.5 + 20 * np.sin(np.pi / 6))
    assert abs(int(labels['columns'][row, column]) - 51.5) <= 1.5
    assert abs(int(labels['rows'][row, column]) - 23.5) <= 1.5


@pytest.mark.parametrize('operation', PHOTOMETRIC)
def test_photometric_operations_leave_labels_alone(operation):
    _, labels = moved([(operation, 0.5)])
    assert np.array_equal(labels['columns'], places()['columns'])
    assert np.array_equal(labels['soft'], places()['soft'])


def test_there_are_fourteen():
    assert len(OPERATIONS) == 14


@pytest.mark.parametrize('operation', OPERATIONS)
def test_what_is_given_is_left_as_it_is(operation):
    image, labels = picture(), places()
    apply_operations(image, labels, [('identity', 0.5), (operation, 0.5)])
    assert np.array_equal(image, picture())
    assert np.array_equal(labels['soft'], places()['soft'])
