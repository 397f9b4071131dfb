"""Which images checkpoints are compared on, and how they are shown."""

import demo_data
import pytest

from mmuda.model_selection.selection_data import (
    loader_of,
    source_images,
    spread_indices,
    target_images,
)
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('selection'), count=4)


def config(data, **changes):
    return demo_data.config(data, data / 'run', 'minent', **changes)


@pytest.mark.parametrize(('images', 'count'), [('train', 4), ('val', 2)])
def test_images_of_the_target_without_labels(data, images, count):
    found = target_images(config(data), images)
    assert len(found) == count
    sample = found[0]
    assert 'gt_sem_seg' not in sample['data_samples']
    assert tuple(sample['inputs'].shape) == (3, 128, 256)


def test_images_of_the_target_are_the_same_each_time(data):
    found = target_images(config(data))
    first, second = (found[1]['inputs'] for _ in range(2))
    assert first.equal(second)


def test_source_without_what_is_random(data):
    found, held_out = source_images(config(data))
    assert not held_out
    assert len(found) == 4
    for _ in range(4):
        sample = found[1]
        assert sample['inputs'].equal(found[1]['inputs'])
    assert tuple(sample['inputs'].shape) == (3, 144, 256)
    assert sample['data_samples'].gt_sem_seg.shape == (144, 256)


def test_source_without_a_size_has_that_of_validation(data):
    cfg = config(data)
    steps = cfg.train_dataloader.dataset.source.pipeline
    kept = [step for step in steps if step.type != 'Resize']
    crop = dict(type='RandomCrop', crop_size=(16, 16))
    kept.insert(2, crop)
    cfg.train_dataloader.dataset.source.pipeline = kept
    found, _ = source_images(cfg)
    assert tuple(found[0]['inputs'].shape) == (3, 128, 256)


def test_held_out_source(data):
    cfg = config(data)
    cfg.source_val = dict(indices=2)
    found, held_out = source_images(cfg)
    assert held_out
    assert len(found) == 2


def test_source_without_labels(data):
    cfg = config(data)
    steps = cfg.train_dataloader.dataset.source.pipeline
    cfg.train_dataloader.dataset.source.pipeline = [
        step for step in steps if step.type != 'LoadLabels'
    ]
    assert source_images(cfg) is None


def test_no_source(data):
    cfg = config(data)
    cfg.train_dataloader = None
    assert source_images(cfg) is None


@pytest.mark.parametrize('domain', ['targte', 'source'])
def test_unknown_target(data, domain):
    with pytest.raises(ConfigError) as caught:
        target_images(config(data), domain=domain)
    hint = " (did you mean 'target'?)" if domain == 'targte' else ''
    assert str(caught.value) == (
        f"--domain '{domain}': the config has the target target{hint}; name "
        'it, or leave the option out'
    )


def test_a_config_of_the_source_alone(data):
    """As that of a source-only training, where the two are swapped."""
    cfg = config(data)
    del cfg.train_dataloader.dataset['target']
    with pytest.raises(ConfigError) as caught:
        target_images(cfg)
    assert str(caught.value) == (
        'the config trains on no target; take a config that does, or the '
        "images of its validation (--images val; images='val' of a hook)"
    )
    assert len(target_images(cfg, 'val')) == 2


def test_without_a_validation_images_are_shown_as_for_labels(data):
    cfg = config(data)
    pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.val_dataloader = None
    with pytest.raises(ConfigError, match='neither a val_dataloader nor'):
        target_images(cfg)
    cfg.pseudo_labels = dict(
        pipeline=[pipeline[0], dict(type='PackDomainInputs')]
    )
    found = target_images(cfg)
    assert tuple(found[0]['inputs'].shape[1:]) == demo_data.SIZE[::-1]


@pytest.mark.parametrize(
    ('count', 'expected'),
    [(None, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4]), (2, [0, 2]), (1, [0])],
)
def test_spread_over_the_set(count, expected):
    assert spread_indices(5, count) == expected


def test_images_come_one_by_one(data):
    found = target_images(config(data))
    batches = list(loader_of(found, [3, 1], 0))
    keys = [batch['data_samples'][0].img_path for batch in batches]
    expected = [found[i]['data_samples'].img_path for i in (3, 1)]
    assert keys == expected
