"""Labels with chosen numbers of pixels of three classes."""

from pathlib import Path

import numpy as np
from toy_images import make_image, make_label

from mmuda.registry import DATASETS

CLASSES = ('road', 'car', 'bike')
WIDTH = 10
PIPELINE = [
    {'type': 'LoadImage'},
    {'type': 'LoadLabels'},
    {'type': 'PackDomainInputs'},
]
# Of the labelled pixels road has 0.75, car 0.2 and bike 0.05.
LABELS = (80, 10, 0), (70, 10, 0), (0, 20, 10)
CROP = [*PIPELINE[:2], dict(type='RandomCrop', crop_size=(4, 4)), PIPELINE[2]]


def label_of(pixels, size=100):
    """A label with so many pixels of each class; the rest is ignored."""
    ids = np.repeat(np.arange(len(pixels)), pixels)
    rest = np.full(size - len(ids), 255)
    return np.concatenate([ids, rest]).reshape(-1, WIDTH).astype(np.uint8)


def write(root: Path, *labels):
    """Write an image and a label for each count of pixels by class."""
    for index, pixels in enumerate(labels):
        label = label_of(pixels)
        make_image(root / f'images/{index}.png', index, label.shape)
        make_label(root / f'labels/{index}.png', label)
    return root


def config(root: Path, labelled=True, **options):
    prefix = {'img_path': 'images'}
    if labelled:
        prefix['seg_map_path'] = 'labels'
    return {
        'type': 'FolderDataset',
        'data_root': str(root),
        'data_prefix': prefix,
        'img_suffix': '.png',
        'label_set': None,
        'metainfo': {'classes': CLASSES, 'palette': [[0, 0, 0]] * 3},
        'pipeline': PIPELINE,
        **options,
    }


def sampling(root, *labels, dataset=None, **options):
    if labels:
        write(root / 'data', *labels)
    return {
        'type': 'RareClassSampling',
        'dataset': dataset or config(root / 'data'),
        'min_pixels': 5,
        'statistics': str(root / 'statistics.npz'),
        'num_workers': 1,
        **options,
    }


def build(root, *labels, **options):
    return DATASETS.build(sampling(root, *labels, **options))


def draw(dataset, count, seed=0):
    """Keys of so many samples."""
    np.random.seed(seed)
    return [dataset[0]['data_samples'].key for _ in range(count)]


def plain_softmax(shares, temperature):
    """The formula of the paper, class by class."""
    values = [np.exp((1 - share) / temperature) for share in shares]
    return [value / sum(values) for value in values]
