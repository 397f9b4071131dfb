import numpy as np
import pytest
from toy_images import make_label

from mmuda.datasets import LoadPseudoLabels
from mmuda.utils.errors import ConfigError, DataError


def pseudo_sample(shape=(2, 2)):
    return {
        'key': 'ulm/a',
        'num_classes': 19,
        'img': np.zeros((*shape, 3), np.uint8),
        'seg_fields': [],
    }


def test_pseudo_label(tmp_path):
    ids = np.array([[0, 18], [255, 3]], dtype=np.uint8)
    make_label(tmp_path / 'ulm/a.png', ids)
    results = LoadPseudoLabels(str(tmp_path))(pseudo_sample())
    assert np.array_equal(results['pseudo_seg_map'], ids)
    assert results['seg_fields'] == ['pseudo_seg_map']


def test_missing_pseudo_label(tmp_path):
    with pytest.raises(DataError, match=r'ulm/a\.png.*generate'):
        LoadPseudoLabels(str(tmp_path))(pseudo_sample())


def test_pseudo_label_with_unknown_class(tmp_path):
    make_label(tmp_path / 'ulm/a.png', np.full((2, 2), 19, np.uint8))
    with pytest.raises(DataError, match=r'ulm/a\.png.*\[19\].*0-18, 255'):
        LoadPseudoLabels(str(tmp_path))(pseudo_sample())


def test_pseudo_label_of_another_size(tmp_path):
    make_label(tmp_path / 'ulm/a.png', np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match=r'is 2x2 .*is 4x2 .*after Resize'):
        LoadPseudoLabels(str(tmp_path))(pseudo_sample((2, 4)))


def test_pseudo_label_is_resized_on_request(tmp_path):
    make_label(tmp_path / 'ulm/a.png', np.array([[1, 2]], np.uint8))
    transform = LoadPseudoLabels(str(tmp_path), resize=True)
    labels = transform(pseudo_sample((1, 4)))['pseudo_seg_map']
    assert labels.tolist() == [[1, 1, 2, 2]]


def test_pseudo_label_needs_a_key(tmp_path):
    with pytest.raises(ConfigError, match="'key'"):
        LoadPseudoLabels(str(tmp_path))({})
