import numpy as np
import pytest
import torch
from toy_classes import (
    CLASSES,
    CROP,
    LABELS,
    PIPELINE,
    build,
    config,
    draw,
    plain_softmax,
    write,
)

from mmuda.datasets import RareClassSampling
from mmuda.datasets.class_statistics import ClassStatistics
from mmuda.datasets.rare_class_sampling import (
    _pixels_of,
    class_probabilities,
)
from mmuda.datasets.transforms.image_loading import LoadImage


def statistics_of(pixels):
    pixels = np.array(pixels)
    keys = tuple(map(str, range(len(pixels))))
    return ClassStatistics(CLASSES, keys, pixels, keys)


# Probabilities


@pytest.mark.parametrize('temperature', [0.01, 0.1, 1.0, 50.0])
def test_probabilities_of_the_paper(temperature):
    found = class_probabilities(statistics_of(LABELS), temperature, 5)
    wanted = plain_softmax([0.75, 0.2, 0.05], temperature)
    assert found == pytest.approx(wanted, rel=1e-12)


def test_rare_classes_are_likelier():
    found = class_probabilities(statistics_of(LABELS), 0.1, 5)
    assert found[0] < found[1] < found[2]


def test_low_temperatures_do_not_overflow():
    found = class_probabilities(statistics_of(LABELS), 1e-6, 5)
    assert found.tolist() == [0.0, 0.0, 1.0]


def test_a_class_that_does_not_occur_is_not_drawn():
    found = class_probabilities(statistics_of([(6, 2, 0), (0, 8, 0)]), 0.5, 0)
    wanted = plain_softmax([6 / 16, 10 / 16], 0.5)
    assert found == pytest.approx([*wanted, 0], rel=1e-12)


def test_a_class_without_images_leaves_its_probability_to_the_others():
    found = class_probabilities(statistics_of(LABELS), 0.5, 10)
    road, car, _ = plain_softmax([0.75, 0.2, 0.05], 0.5)
    wanted = [road / (road + car), car / (road + car), 0]
    assert found == pytest.approx(wanted, rel=1e-12)


# Drawing


def test_frequencies_of_the_images(tmp_path):
    dataset = build(tmp_path, *LABELS, temperature=0.5)
    road, car, bike = plain_softmax([0.75, 0.2, 0.05], 0.5)
    wanted = np.array([road / 2 + car / 3, road / 2 + car / 3, car / 3 + bike])
    count = 2000
    keys = draw(dataset, count)
    found = np.array([keys.count(key) for key in '012'])
    # Chi-square of two degrees of freedom: above 13.8 once in a thousand.
    assert ((found - count * wanted) ** 2 / (count * wanted)).sum() < 13.8


def test_an_image_has_more_pixels_than_the_least(tmp_path):
    labels = (50, 5, 0), (50, 6, 0)
    dataset = build(tmp_path, *labels, temperature=1e-3)
    assert set(draw(dataset, 20)) == {'1'}


def test_seed_decides(tmp_path):
    dataset = build(tmp_path, *LABELS, temperature=1.0)
    assert draw(dataset, 20) == draw(dataset, 20)
    assert draw(dataset, 20) != draw(dataset, 20, seed=1)


def test_the_index_does_not_matter(tmp_path):
    dataset = build(tmp_path, *LABELS, temperature=1.0)
    np.random.seed(0)
    keys = [dataset[i % 3]['data_samples'].key for i in range(20)]
    assert keys == draw(dataset, 20)


def pixels_in_crops(root, **options):
    labels = [(60, 2, 38)]
    dataset = build(
        *(root, *labels),
        dataset=config(root / 'data', pipeline=CROP),
        temperature=1e-4,
        min_pixels=0,
        **options,
    )
    np.random.seed(0)
    samples = [dataset[0]['data_samples'] for _ in range(100)]
    return [int((s.gt_sem_seg.data == 1).sum()) for s in samples]


def test_crops_may_miss_the_class(tmp_path):
    assert min(pixels_in_crops(tmp_path)) == 0


def test_crops_are_repeated_until_they_have_the_class(tmp_path):
    found = pixels_in_crops(tmp_path, crop_pixels=0, tries=200)
    assert min(found) == 1


def test_pixels_of_the_crop_must_exceed_the_least(tmp_path):
    found = pixels_in_crops(tmp_path, crop_pixels=1, tries=200)
    assert min(found) == 2


def test_after_the_last_try_the_crop_is_taken(tmp_path):
    found = pixels_in_crops(tmp_path, crop_pixels=50, tries=2)
    assert len(found) == 100


# Loading once


class EachTime(RareClassSampling):
    """Loads the file for each try, as the published code does."""

    def __getitem__(self, index):
        label = self.draw_class()
        image = self.draw_image(label)
        sample = self.dataset[image]
        for _ in range(self.tries):
            if _pixels_of(label, sample) > self.crop_pixels:
                break
            sample = self.dataset[image]
        return sample


def write_into_input(results):
    """A step of chance that changes the arrays that it gets."""
    results['img'] -= np.uint8(np.random.randint(1, 9))
    results['gt_seg_map'][:3] = 255
    return results


STEPS = [
    *PIPELINE[:2],
    dict(type='Resize', scale=(20, 20)),
    write_into_input,
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomCrop', crop_size=(9, 9), cat_max_ratio=0.75),
    PIPELINE[2],
]


def twice(root, image_cache):
    """The same data set, loaded once and each time."""
    dataset = config(
        write(root / 'data', *LABELS),
        pipeline=STEPS,
        image_cache=image_cache,
    )
    options = dict(
        dataset=dataset,
        temperature=0.5,
        crop_pixels=8,
        statistics=str(root / 'statistics.npz'),
        min_pixels=5,
    )
    return RareClassSampling(**options), EachTime(**options)


@pytest.mark.parametrize('cached', [False, True])
def test_samples_are_those_of_loading_each_time(tmp_path, cached):
    cache = dict(folder=str(tmp_path / 'cache'), max_gb=1) if cached else None
    once, each_time = twice(tmp_path, cache)
    for seed in range(30):
        samples = []
        for dataset in (once, each_time):
            np.random.seed(seed)
            sample = dataset[0]
            samples.append((sample, np.random.rand()))
        (one, state), (other, other_state) = samples
        assert state == other_state
        assert torch.equal(one['inputs'], other['inputs'])
        assert torch.equal(
            one['data_samples'].gt_sem_seg.data,
            other['data_samples'].gt_sem_seg.data,
        )
        assert one['data_samples'].metainfo == other['data_samples'].metainfo


def test_a_file_is_read_once(tmp_path, monkeypatch):
    once, _ = twice(tmp_path, None)
    once.crop_pixels = 1000
    once.tries = 5
    read = []
    transform = LoadImage.transform
    monkeypatch.setattr(
        LoadImage,
        'transform',
        lambda self, results: read.append(1) or transform(self, results),
    )
    for count in (1, 2):
        np.random.seed(0)
        assert once[0] is not None
        assert len(read) == count


def test_the_pipeline_is_left_as_it_was(tmp_path):
    once, _ = twice(tmp_path, None)
    before = list(once.dataset.pipeline.transforms)
    assert once[0] is not None
    assert once.dataset.pipeline.transforms == before
