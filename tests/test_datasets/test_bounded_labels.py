"""Polygons and soft labels never take more than a label can have."""

import io
import json
import zipfile

import numpy as np
import pytest
from toy_polygons import polygon_file

from mmuda.datasets.pseudo_labels.soft_labels import (
    read_soft_label,
    write_soft_label,
)
from mmuda.datasets.sets.idd import PolygonLabelReader, parse_polygons
from mmuda.utils.errors import DataError

SKY = ('sky', [(0, 0), (5, 0), (5, 3)], {})


def polygons_with(**changes):
    content = json.loads(polygon_file(SKY)) | changes
    return json.dumps(content).encode()


def vertex(value):
    objects = [dict(label='sky', polygon=[[0, 0], [5, 0], [5, value]])]
    return polygons_with(objects=objects)


FAULTS = {
    'a terabyte of pixels': polygon_file(SKY, size=(10**6, 10**6)),
    'long and thin': polygon_file(SKY, size=(10**9, 1)),
    'no size': polygon_file(SKY, size=(0, 4)),
    'infinite size': polygons_with(imgWidth=float('inf')),
    'size of no number': polygons_with(imgWidth=float('nan')),
    'fraction': polygons_with(imgWidth=6.5),
    'true': polygons_with(imgWidth=True),
    'size as a list': polygons_with(imgHeight=[4]),
    'huge number': b'{"imgWidth": 1' + b'0' * 400 + b'}',
    'nested': b'[' * 100_000,
    'nested objects': polygon_file(SKY)[:-2] + b', {"a":' * 99_999,
    'vertex as text': vertex('3'),
    'vertex of no number': vertex(float('nan')),
    'infinite vertex': vertex(float('-inf')),
    'vertex with many digits': vertex(10**400),
    'vertex that is true': vertex(True),
    'vertex with three numbers': polygons_with(
        objects=[dict(label='sky', polygon=[[0, 0, 0]] * 3)]
    ),
    'label of no text': polygons_with(
        objects=[dict(label=['sky'], polygon=[])]
    ),
    'objects of no object': polygons_with(objects=[3]),
    'too many vertices': polygon_file(('sky', [(0, 0)] * 200_001, {})),
}


@pytest.mark.parametrize('name', FAULTS)
def test_polygons(name):
    with pytest.raises(DataError, match=r"a\.json'.*download it") as error:
        parse_polygons(FAULTS[name], 'a.json')
    assert '\n' not in str(error.value)


def test_polygon_file_of_a_terabyte(tmp_path):
    with open(tmp_path / 'a.json', 'wb') as file:
        file.truncate(2**40)
    read = PolygonLabelReader(str(tmp_path), None)
    with pytest.raises(DataError, match=r'a\.json.*bytes'):
        read(str(tmp_path / 'a.json'))


def soft_label(tmp_path, **changes):
    """Write the two largest of three classes, some arrays replaced."""
    path = tmp_path / 'a.npz'
    write_soft_label(path, np.full((3, 2, 2), 1 / 3), 2)
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **arrays)
    return path


def test_sound_soft_label(tmp_path):
    label = read_soft_label(soft_label(tmp_path))
    np.testing.assert_allclose(label, 1 / 3, atol=1e-3)


@pytest.mark.parametrize(
    'changes',
    [
        dict(num_classes=np.int64(10**12)),
        dict(num_classes=np.int64(256)),
        dict(num_classes=np.int64(2)),
        dict(num_classes=np.int64(-1)),
        dict(num_classes=np.array([3, 3])),
        dict(classes=np.zeros((2, 2, 3), np.uint8)),
        dict(classes=np.full((2, 2, 2), 3, np.uint8)),
        dict(classes=np.zeros((2, 2, 2), np.float32)),
        dict(probabilities=np.zeros((2, 2))),
        dict(probabilities=np.zeros((2, 2, 2), 'U3')),
    ],
)
def test_soft_labels(tmp_path, changes):
    path = soft_label(tmp_path, **changes)
    with pytest.raises(DataError, match=r'a\.npz.*damaged'):
        read_soft_label(path)


def test_array_that_claims_a_terabyte(tmp_path):
    file = io.BytesIO()
    header = dict(descr='<f2', fortran_order=False, shape=(19, 2**18, 2**18))
    np.lib.format.write_array_header_1_0(file, header)
    path = tmp_path / 'a.npz'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('probabilities.npy', file.getvalue())
    with pytest.raises(DataError, match=r'a\.npz.*damaged'):
        read_soft_label(path)
