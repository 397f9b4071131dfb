"""Rare-class sampling as a part of training data, and what it refuses."""

import itertools
import logging
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, pseudo_collate
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader
from toy_classes import (
    CLASSES,
    CROP,
    LABELS,
    PIPELINE,
    build,
    config,
    draw,
    plain_softmax,
    sampling,
    write,
)
from toy_images import cut_in_half

from mmuda.datasets import (
    DomainDataset,
    DomainInfiniteSampler,
    RareClassSampling,
    describe_domains,
    scan_dataset,
)
from mmuda.datasets.domain_dataset import iter_transforms
from mmuda.datasets.transforms.image_loading import LoadLabels
from mmuda.utils.errors import ConfigError, DataError


def training_set(root):
    source = sampling(
        *(root, *LABELS),
        dataset=config(root / 'data', pipeline=CROP),
        temperature=1.0,
        crop_pixels=2,
    )
    target = config(
        root / 'data', labelled=False, pipeline=[CROP[0], *CROP[2:]]
    )
    return DomainDataset(source=source, target=target)


def batches(dataset, count=6, skipped=0, workers=0):
    """Keys and images of the source, two a batch."""
    sampler = DomainInfiniteSampler(dataset, seed=3)
    sampler.skip(skipped)
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=workers,
        collate_fn=pseudo_collate,
    )
    found = list(itertools.islice(loader, count))
    keys = [s.key for b in found for s in b['data_samples']['source']]
    images = [image for b in found for image in b['inputs']['source']]
    return keys, torch.stack(images)


def test_number_of_workers_does_not_matter(tmp_path):
    dataset = training_set(tmp_path)
    keys, images = batches(dataset)
    same_keys, same_images = batches(dataset, workers=2)
    assert keys == same_keys
    assert torch.equal(images, same_images)


def test_a_resumed_run_gets_the_same(tmp_path):
    keys, images = batches(training_set(tmp_path))
    later_keys, later_images = batches(training_set(tmp_path), 3, skipped=6)
    assert later_keys == keys[6:]
    assert torch.equal(later_images, images[6:])


def test_samples_of_one_item_are_drawn_apart(tmp_path):
    source = sampling(tmp_path, *LABELS, temperature=1.0)
    dataset = DomainDataset(source=source, samples=dict(source=12))
    index = next(iter(DomainInfiniteSampler(dataset, seed=0)))
    drawn = {sample.key for sample in dataset[index]['data_samples']['source']}
    assert drawn == {'0', '1', '2'}


def test_the_target_does_not_change(tmp_path):
    drawn = training_set(tmp_path)
    plain = DomainDataset(
        source=config(tmp_path / 'data', pipeline=CROP),
        target=drawn.domains['target'],
    )
    found = []
    for dataset in (drawn, plain):
        sampler = iter(DomainInfiniteSampler(dataset, seed=3))
        items = [dataset[next(sampler)] for _ in range(4)]
        found.append([item['inputs']['target'] for item in items])
    for first, second in zip(*found, strict=True):
        assert torch.equal(first, second)


def test_several_sources_are_sampled_as_one(tmp_path):
    write(tmp_path / 'data', (90, 0, 0))
    write(tmp_path / 'other', (60, 10, 0), (60, 0, 30))
    sources = [config(tmp_path / name) for name in ('data', 'other')]
    dataset = build(tmp_path, dataset=sources, temperature=0.5)
    wanted = plain_softmax([210 / 250, 10 / 250, 30 / 250], 0.5)
    assert len(dataset) == 3
    assert dataset.probabilities == pytest.approx(wanted, rel=1e-12)


def test_beside_another_source(tmp_path):
    write(tmp_path / 'other', (1, 0, 0))
    sources = [sampling(tmp_path, *LABELS), config(tmp_path / 'other')]
    source = DomainDataset(source=sources).domains['source']
    assert isinstance(source, ConcatDataset)
    assert len(source) == 4
    np.random.seed(0)
    drawn = {source[0]['data_samples'].key for _ in range(20)}
    assert drawn == {'2'}


def test_what_is_known_of_the_data_set_inside(tmp_path):
    dataset = build(tmp_path, *LABELS)
    assert len(dataset) == 3
    assert dataset.metainfo['classes'] == CLASSES
    assert dataset.get_data_info(1)['key'] == '1'


def test_the_transforms_inside_are_found(tmp_path):
    parts = iter_transforms(build(tmp_path, *LABELS))
    assert sum(isinstance(part, LoadLabels) for part in parts) == 1


def test_the_data_check_describes_it(tmp_path):
    source = build(tmp_path, *LABELS)
    line = describe_domains(DomainDataset(source=source))[0]
    assert line.startswith('source: 3 images')
    assert line.endswith('33% ignored, classes: road, car, bike')


def test_the_data_check_reads_all_files(tmp_path):
    dataset = build(tmp_path, *LABELS)
    cut_in_half(tmp_path / 'data/images/1.png')
    faults = scan_dataset(dataset, workers=1, progress=False)
    assert len(faults) == 1
    assert '1.png' in faults[0]


def test_counting_can_wait(tmp_path):
    dataset = build(tmp_path, *LABELS, lazy_init=True)
    assert not (tmp_path / 'statistics.npz').exists()
    dataset.full_init()
    assert (tmp_path / 'statistics.npz').exists()


def test_it_can_be_sent_to_workers(tmp_path):
    dataset = build(tmp_path, *LABELS, temperature=1.0)
    copy = pickle.loads(pickle.dumps(dataset))
    assert draw(copy, 10) == draw(dataset, 10)


def test_statistics_lie_in_the_working_folder_by_default(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    build(tmp_path, *LABELS, statistics=None)
    assert len(list((tmp_path / 'work_dirs/class_statistics').iterdir())) == 1


# Warnings and errors


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.WARNING)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_classes_without_images_are_named_once(tmp_path, log):
    build(tmp_path, *LABELS, min_pixels=10)
    messages = [record.getMessage() for record in log.records]
    assert len(messages) == 1
    assert 'never draws bike: no image' in messages[0]


def test_nothing_is_said_otherwise(tmp_path, log):
    build(tmp_path, *LABELS, min_pixels=9)
    assert log.records == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'temperature': 0}, 'temperature=0: must be a finite number above 0'),
        ({'temperature': float('nan')}, 'temperature=nan'),
        ({'temperature': '1'}, "temperature='1'"),
        ({'min_pixels': -1}, 'min_pixels=-1: must be a whole number'),
        ({'crop_pixels': 0.5}, 'crop_pixels=0.5: must be a whole number'),
        ({'tries': -1}, 'tries=-1: must be a whole number'),
        ({'num_workers': 0}, 'num_workers=0: must be a whole number'),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, *LABELS, **options)


def test_labels_are_needed(tmp_path):
    dataset = config(write(tmp_path / 'data', *LABELS), labelled=False)
    with pytest.raises(ConfigError, match='without labels; give'):
        RareClassSampling(dataset, statistics=str(tmp_path / 'x.npz'))


def test_no_image_has_enough_pixels(tmp_path):
    with pytest.raises(DataError, match=r'min_pixels=80.*most are 80'):
        build(tmp_path, *LABELS, min_pixels=80)


def test_crops_cannot_be_judged_without_labels(tmp_path):
    inside = config(tmp_path / 'data', pipeline=[PIPELINE[0], PIPELINE[2]])
    dataset = build(tmp_path, *LABELS, dataset=inside, crop_pixels=1)
    with pytest.raises(ConfigError, match='crop_pixels needs ground truth'):
        _ = dataset[0]
