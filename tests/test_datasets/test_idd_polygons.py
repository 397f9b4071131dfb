import numpy as np
import pytest
from toy_polygons import polygon_file

from mmuda.datasets.sets.idd import (
    Annotation,
    draw_polygons,
    parse_polygons,
)
from mmuda.utils.errors import DataError

LEFT = [(0, 0), (2, 0), (2, 3), (0, 3)]
ALL = [(0, 0), (5, 0), (5, 3), (0, 3)]
HOLE = [(1, 1), (4, 1), (4, 2), (1, 2)]


def draw(*polygons, size=(6, 4)):
    """Return the rows of a 6 x 4 image as digits, 'x' for unlabeled."""
    ids, _ = draw_polygons(Annotation(size, list(polygons)))
    return [''.join('x' if i == 35 else str(i) for i in row) for row in ids]


# Drawing


def test_background_is_unlabeled():
    assert draw() == ['xxxxxx'] * 4


def test_a_rectangle_has_its_outline():
    assert draw((0, LEFT)) == ['000xxx'] * 4


def test_a_triangle():
    # its hypotenuse goes from the right of row 0 to the left of row 3
    triangle = [(0, 0), (3, 0), (0, 3)]
    expected = ['1111xx', '111xxx', '11xxxx', '1xxxxx']
    assert draw((1, triangle)) == expected


def test_later_polygons_cover_earlier_ones():
    assert draw((0, ALL), (1, LEFT)) == ['111000'] * 4
    assert draw((1, LEFT), (0, ALL)) == ['000000'] * 4


def test_a_hole_is_drawn_over_what_it_is_in():
    expected = ['222222', '233332', '233332', '222222']
    assert draw((2, ALL), (3, HOLE)) == expected


def test_vertices_outside_the_image():
    outside = [(-7.5, -9), (2, -9), (2, 99), (-7.5, 99)]
    assert draw((0, outside)) == ['000xxx'] * 4


def test_a_polygon_wholly_outside():
    outside = [(7, 0), (9, 0), (9, 3)]
    assert draw((0, outside)) == ['xxxxxx'] * 4


def test_vertices_are_cut_to_whole_pixels():
    assert draw((0, [(x + 0.9, y + 0.9) for x, y in LEFT])) == ['000xxx'] * 4


def test_a_polygon_that_ends_where_it_begins():
    closed = [(0, 0), (2, 0), (2, 3), (0, 3), (0, 0)]
    assert draw((0, closed)) == ['000xxx'] * 4


def test_ids_are_8_bit():
    ids, _ = draw_polygons(Annotation((6, 4), [(39, ALL)]))
    assert ids.dtype == np.uint8
    assert ids.tolist() == [[39] * 6] * 4


@pytest.mark.parametrize(
    'polygon', [[], [(1, 1)], [(1, 1), (4, 2)], [(1, 1), (1, 1), (4, 2)]]
)
def test_empty_and_degenerate_polygons_are_left_out(polygon):
    ids, skipped = draw_polygons(Annotation((6, 4), [(7, polygon), (0, LEFT)]))
    assert skipped == 1
    assert np.unique(ids).tolist() == [0, 35]


def test_sound_polygons_are_not_counted():
    assert draw_polygons(Annotation((6, 4), [(0, LEFT)]))[1] == 0


# Files


def test_labels_become_ids_in_the_order_of_the_file():
    data = polygon_file(('sky', ALL, {}), ('non-drivable fallback', LEFT, {}))
    annotation = parse_polygons(data, 'a.json')
    assert annotation.size == (6, 4)
    assert [i for i, _ in annotation.polygons] == [33, 5]
    assert annotation.polygons[1][1] == LEFT


def test_deleted_objects_are_left_out():
    data = polygon_file(
        ('sky', ALL, {'deleted': 1}), ('road', LEFT, {'deleted': 0})
    )
    assert [i for i, _ in parse_polygons(data, 'a.json').polygons] == [0]


@pytest.mark.parametrize(
    ('label', 'label_id'), [('cargroup', 12), ('polegroup', 27)]
)
def test_groups_of_a_label(label, label_id):
    data = polygon_file((label, LEFT, {}))
    assert parse_polygons(data, 'a.json').polygons[0][0] == label_id


def test_unknown_label_is_named_in_one_line():
    data = polygon_file(('sky', ALL, {}), ('cow', LEFT, {}))
    with pytest.raises(DataError, match=r"'a\.json'.*label 'cow'") as error:
        parse_polygons(data, 'a.json')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'{"imgWidth": 6, "imgHei',
        b'\xff\xfe\x00',
        b'[]',
        b'{}',
        b'{"imgWidth": 6, "imgHeight": 4, "objects": [{"label": "sky"}]}',
        b'{"imgWidth": 6, "imgHeight": 4, "objects": [3]}',
        b'{"imgWidth": 0, "imgHeight": 4, "objects": []}',
        polygon_file((None, LEFT, {})),
        polygon_file(('sky', None, {})),
        polygon_file(('sky', [[1, 2, 3]], {})),
        polygon_file(('sky', [[0, 0], [5, 0], [float('nan'), 3]], {})),
        polygon_file(('sky', [[0, 0], [5, 0], [1e12, 3]], {})),
    ],
)
def test_damaged_files_are_named_in_one_line(data):
    with pytest.raises(DataError, match=r"'a\.json'.*download it") as error:
        parse_polygons(data, 'a.json')
    assert '\n' not in str(error.value)
