"""Classes that checkpoints name."""

import pytest

from mmuda.utils.class_names import stored_classes


@pytest.mark.parametrize(
    'meta',
    [
        dict(dataset_meta=dict(classes=('road', 'car'))),
        dict(dataset_meta=dict(CLASSES=['road', 'car'])),
        dict(CLASSES=('road', 'car'), PALETTE=[[0, 0, 0], [1, 1, 1]]),
    ],
)
def test_classes_of_mmseg_of_all_versions(meta):
    assert stored_classes(dict(meta=meta)) == ('road', 'car')


@pytest.mark.parametrize(
    'meta', [None, {}, dict(CLASSES=[]), dict(CLASSES=[1]), dict(classes=3)]
)
def test_no_classes(meta):
    assert stored_classes(dict(meta=meta)) is None
