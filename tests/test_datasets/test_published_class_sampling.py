"""Rare-class sampling against the published code's numbers."""

import numpy as np
import pytest
import torch
from golden_inputs import modern_file
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuda.datasets import RareClassSampling
from mmuda.datasets.class_statistics import ClassStatistics
from mmuda.datasets.labels.label_maps import label_set_metainfo
from mmuda.datasets.rare_class_sampling import class_probabilities

CLASSES = label_set_metainfo('cityscapes19')['classes']


def load(name):
    with np.load(modern_file(name)) as file:
        return dict(file)


@pytest.fixture(scope='module')
def goldens():
    return load('rcs')


def probabilities(pixels, temperature, min_pixels=0):
    keys = tuple(map(str, range(len(pixels))))
    statistics = ClassStatistics(CLASSES, keys, pixels, keys)
    return class_probabilities(statistics, temperature, min_pixels)


def in_order(arrays, classes, wanted):
    """The probability of each train id; 0 where a class is not drawn."""
    found = np.zeros(len(CLASSES))
    found[arrays[classes]] = arrays[wanted]
    return found


@pytest.mark.parametrize('temperature', ['0.01', '0.05', '0.1', '1.0'])
def test_probabilities_equal_goldens(goldens, temperature):
    wanted = in_order(
        goldens, f'classes_T{temperature}', f'probs_T{temperature}'
    )
    found = probabilities(goldens['pixels'], float(temperature))
    assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize('temperature', ['0.01', '0.05'])
@pytest.mark.parametrize('name', ['synthia', 'cityscapes'])
def test_probabilities_of_real_data_equal_goldens(name, temperature):
    arrays = load('rcs_real')
    wanted = in_order(
        arrays, f'{name}.classes', f'{name}.probs_T{temperature}'
    )
    pixels = spread(arrays, name)
    found = probabilities(pixels, float(temperature), 3000)
    assert found == pytest.approx(wanted, rel=1e-9)


def spread(arrays, name):
    """Pixels (images, C) by which totals and images over 3,000 are right."""
    pixels = np.zeros((int(arrays[f'{name}.images']), len(CLASSES)), np.int64)
    shown = arrays[f'{name}.images_over_3000']
    for label, total in enumerate(arrays[f'{name}.pixels'].tolist()):
        count = int(shown[label])
        if count:
            pixels[:count, label] = total // count
            pixels[0, label] += total % count
    return pixels


@pytest.mark.parametrize('name', ['synthia', 'cityscapes'])
def test_images_of_real_classes_equal_goldens(name):
    arrays = load('rcs_real')
    pixels = spread(arrays, name)
    assert pixels.sum(0).tolist() == arrays[f'{name}.pixels'].tolist()
    keys = tuple(map(str, range(len(pixels))))
    found = ClassStatistics(CLASSES, keys, pixels, keys)
    wanted = arrays[f'{name}.images_over_3000']
    assert found.images_with_more_than(3000).tolist() == wanted.tolist()
    # a class is drawn where, and only where, an image shows it
    drawn = class_probabilities(found, 0.01, 3000) > 0
    assert drawn.tolist() == (wanted > 0).tolist()


class Crops(torch.utils.data.Dataset):
    """Samples whose labels have the pixels of each access to an image."""

    metainfo = dict(classes=CLASSES)

    def __init__(self, pixels):
        self.pixels = pixels
        self.accesses = []

    def full_init(self):
        pass

    def __getitem__(self, index):
        count = self.pixels[index, len(self.accesses) % self.pixels.shape[1]]
        self.accesses.append(index)
        label = torch.from_numpy(np.repeat(np.arange(len(count)), count))
        sample = SegDataSample(metainfo=dict(access=len(self.accesses) - 1))
        sample.gt_sem_seg = PixelData(data=label[None, None])
        return dict(data_samples=sample)


class Replayed(RareClassSampling):
    """Draws what it is told to."""

    def full_init(self):
        pass

    def draw_class(self):
        return self.told[0]

    def draw_image(self, label):
        return self.told[1]


def test_accesses_to_an_image_equal_goldens(goldens):
    crop_pixels = int(goldens['min_pixels'] * goldens['min_crop_ratio'])
    for *told, kept, count, _ in goldens['picks'].tolist():
        crops = Crops(goldens['crop_pixels'])
        sampling = Replayed(crops, crop_pixels=crop_pixels)
        sampling.told = told
        sample = sampling[0]['data_samples']
        assert crops.accesses == [told[1]] * count
        assert sample.access == kept


def test_images_of_a_class_equal_goldens(goldens):
    pixels, least = goldens['pixels'], int(goldens['min_pixels'])
    keys = tuple(map(str, range(len(pixels))))
    statistics = ClassStatistics(CLASSES, keys, pixels, keys)
    found = statistics.images_with_more_than(least)
    wanted = goldens['images_of_class'].sum(axis=0)
    assert found.tolist() == wanted.tolist()
