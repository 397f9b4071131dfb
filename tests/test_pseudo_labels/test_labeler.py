"""Pseudo-label files against a plain reference."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from labeling_runs import (
    CLASSES,
    ESL,
    PIPELINE,
    build_model,
    dataset_config,
    files_of,
    label,
    read,
    write_images,
)

from mmuda.datasets.pseudo_labels.soft_labels import read_soft_label
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.pseudo_labels.labelling_report import kept_shares
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError

KEYS = ['a/0', 'a/1', 'a/2', 'b/0', 'b/1']


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


@pytest.fixture(scope='module')
def esl(images, tmp_path_factory):
    """Folder and manifest of the labels that ESL's rule keeps."""
    out = tmp_path_factory.mktemp('esl') / 'labels'
    return out, label(images, out, model=build_model())


def reference(images, keys=KEYS, floor=0.1):
    """ESL in plain PyTorch and numpy: labels, entropies, thresholds."""
    model = build_model()
    labels, entropies = [], []
    for key in keys:
        image = cv2.imread(str(images / 'images' / f'{key}.png'))
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            low = model.segmentor((x - 127.5) / 127.5).softmax(1)
        p = F.interpolate(
            low, image.shape[:2], mode='bilinear', align_corners=True
        )
        entropies.append(-(p * p.log()).sum(1)[0].numpy() / np.log(CLASSES))
        labels.append(p.argmax(1)[0].numpy())
    labels, entropies = np.stack(labels), np.stack(entropies)
    thresholds = np.full(CLASSES, floor)
    for c in np.unique(labels):
        scores = np.sort(entropies[labels == c])
        median = scores[min(round(len(scores) * 0.5), len(scores) - 1)]
        thresholds[c] = max(median, floor)
    return labels, entropies, thresholds


def test_the_reference_has_several_classes(images):
    labels, _, thresholds = reference(images)
    assert len(np.unique(labels)) == CLASSES
    assert (thresholds > 0.1).all()


def test_thresholds_are_exact_to_one_bin(images, esl):
    _, _, expected = reference(images)
    actual = list(esl[1].thresholds.values())
    np.testing.assert_allclose(actual, expected, atol=1 / 4096 + 1e-6)


def test_kept_pixels_have_the_predicted_class(images, esl):
    labels, _, _ = reference(images)
    written = np.stack([read(esl[0], key) for key in KEYS])
    kept = written != 255
    assert 0.4 < kept.mean() < 0.95
    assert np.array_equal(written[kept], labels[kept])


def test_pixels_are_kept_up_to_the_threshold(images, esl):
    labels, entropies, thresholds = reference(images)
    distance = entropies - thresholds[labels]
    kept = np.stack([read(esl[0], key) for key in KEYS]) != 255
    assert kept[distance < -1e-5].all()
    assert not kept[distance > 1 / 4096 + 1e-5].any()


def test_pixel_counts_of_the_manifest(images, esl):
    labels, _, _ = reference(images)
    expected = np.bincount(labels.ravel(), minlength=CLASSES)
    assert list(esl[1].pixels.values()) == expected.tolist()


def test_kept_counts_of_the_manifest(esl):
    written = np.stack([read(esl[0], key) for key in KEYS])
    expected = np.bincount(written[written < 255], minlength=CLASSES)
    assert list(esl[1].kept.values()) == expected.tolist()


def test_equal_base_names_do_not_collide(esl):
    assert not np.array_equal(read(esl[0], 'a/0'), read(esl[0], 'b/0'))


def test_nothing_but_labels_and_manifest_is_left(esl):
    expected = {'manifest.json', 'label_free.json'}
    expected |= {f'{key}.png' for key in KEYS}
    assert set(files_of(esl[0])) == expected


@pytest.mark.parametrize('batch_size', [2, 5])
def test_larger_batches_give_the_same_labels(
    images, esl, tmp_path, batch_size
):
    label(images, tmp_path / 'out', batch_size=batch_size)
    for key in KEYS:
        differing = read(tmp_path / 'out', key) != read(esl[0], key)
        # a larger batch may round the last bit of a score the other way
        assert differing.mean() < 0.001


def test_images_of_several_sizes_share_a_batch(tmp_path):
    images = write_images(tmp_path, odd_size=(64, 48))
    label(images, tmp_path / 'out', batch_size=5)
    shapes = [read(tmp_path / 'out', key).shape for key in KEYS]
    assert shapes == [(40, 56), (64, 48), (40, 56), (40, 56), (40, 56)]


def test_labels_at_the_size_of_the_image_file(images, tmp_path):
    small = [PIPELINE[0], dict(type='Resize', scale=(28, 32)), PIPELINE[1]]
    config = dataset_config(images, pipeline=small)
    sample = DATASETS.build(config)[0]
    options = PseudoLabelOptions(rule=ESL, pipeline=small, original_size=True)
    batch = dict(
        inputs=[sample['inputs']], data_samples=[sample['data_samples']]
    )
    full = options.predictor(build_model())(batch).full.whole()
    assert full.shape == (1, CLASSES, 40, 56)


def test_ego_mask_rejects_and_does_not_count(images, tmp_path):
    mask = np.zeros((80, 112), dtype=np.uint8)
    mask[60:] = 7
    cv2.imwrite(str(tmp_path / 'ego.png'), mask)
    manifest = label(
        images, tmp_path / 'out', ego_mask=str(tmp_path / 'ego.png')
    )
    written = np.stack([read(tmp_path / 'out', key) for key in KEYS])
    assert (written[:, 30:] == 255).all()
    assert (written[:, :30] != 255).mean() > 0.4
    assert sum(manifest.pixels.values()) == 5 * 30 * 56


def test_ego_mask_rejects_soft_labels_too(images, tmp_path):
    cv2.imwrite(str(tmp_path / 'ego.png'), np.full((4, 4), 1, np.uint8))
    label(
        images,
        tmp_path / 'out',
        ego_mask=str(tmp_path / 'ego.png'),
        soft_top_k=0,
    )
    assert (read_soft_label(tmp_path / 'out/a/0.npz') == 0).all()


def test_soft_labels_are_the_probabilities_of_the_network(images, tmp_path):
    label(images, tmp_path / 'out', soft_top_k=0)
    image = cv2.imread(str(images / 'images/a/0.png'))
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        logits = build_model().segmentor((x - 127.5) / 127.5)
    np.testing.assert_allclose(
        read_soft_label(tmp_path / 'out/a/0.npz'),
        logits.softmax(1)[0].numpy(),
        atol=1e-3,
    )


def test_a_network_without_numbers_labels_nothing(images, tmp_path):
    model = build_model()
    model.segmentor.decode_head.conv_seg.bias.data.fill_(float('nan'))
    manifest = label(images, tmp_path / 'out', model=model)
    assert (read(tmp_path / 'out', 'a/0') == 255).all()
    assert kept_shares(manifest) == {'kept': 0}


def test_missing_ego_mask_is_an_error(images, tmp_path):
    with pytest.raises(ConfigError, match='ego_mask: no file'):
        label(images, tmp_path / 'out', ego_mask='nothing.png')


def test_damaged_image_is_named(tmp_path):
    images = write_images(tmp_path)
    (images / 'images/b/1.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'b/1\.png'):
        label(images, tmp_path / 'out')


def test_unfinished_labels_have_no_manifest(tmp_path):
    images = write_images(tmp_path)
    (images / 'images/b/1.png').write_bytes(b'no image')
    with pytest.raises(DataError):
        label(images, tmp_path / 'out')
    assert not (tmp_path / 'out/manifest.json').exists()
