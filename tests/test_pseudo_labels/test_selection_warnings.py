import pytest

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.pseudo_labels.labelling_report import selection_warnings

CLASSES = ('road', 'sky', 'car')


def warned(pixels, kept):
    manifest = PseudoLabelManifest(
        classes=CLASSES,
        num_images=1,
        keys_sha256='',
        rule={},
        options={},
        thresholds=dict.fromkeys(CLASSES, 0.5),
        pixels=dict(zip(CLASSES, pixels, strict=True)),
        kept=dict(zip(CLASSES, kept, strict=True)),
        config='',
        checkpoints=(),
    )
    return selection_warnings(manifest)


@pytest.mark.parametrize(
    ('pixels', 'kept', 'lines'),
    [
        ((5, 5, 5), (1, 2, 3), []),
        ((5, 0, 5), (1, 0, 3), ['no pixel is predicted as sky']),
        ((5, 5, 5), (0, 0, 3), ['all pixels are rejected of road, sky']),
    ],
)
def test_classes_that_no_training_sees(pixels, kept, lines):
    assert warned(pixels, kept) == lines


def test_labels_of_nothing():
    (line,) = warned((5, 5, 5), (0, 0, 0))
    assert line.startswith('no pixel of any image is kept')
