import json
from pathlib import Path

import cv2
import pytest
import torch

from benchmarks.data import make_data
from benchmarks.labelling import (
    LabellingCase,
    labelling_options,
    labelling_rows,
)
from benchmarks.setting import scale_sizes
from mmuda.utils.config import load_config
from mmuda.utils.config_model import fill_model
from mmuda.utils.setup_env import register_all_modules

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    """MinEnt with a small network, sizes of 7 %, three images a domain."""
    register_all_modules()
    cfg = load_config(CONFIGS / 'advent' / 'minent_gta2cs.py')
    small = load_config(CONFIGS / '_base_/networks/deeplabv2_r18_small.py')
    cfg.model.segmentor = small.network.segmentor
    fill_model(cfg.model, num_classes=19, targets=[])
    cfg.pseudo_labels = dict(
        rule=dict(type='ConfidenceQuantile'),
        pipeline=cfg.target_pipeline,
        batch_size=2,
        num_workers=0,
    )
    scale_sizes(cfg, 0.07)
    make_data(cfg, tmp_path_factory.mktemp('data'), images=3, factor=0.07)
    return cfg


@pytest.fixture(scope='module')
def case(cfg, tmp_path_factory):
    torch.manual_seed(0)
    return LabellingCase(cfg, tmp_path_factory.mktemp('labels'), images=3)


def test_all_images_are_labelled(case):
    manifest = json.loads((case.label() / 'manifest.json').read_text())
    assert manifest['num_images'] == 3


def test_labels_are_made_as_the_config_says(case):
    folder = case.label()
    manifest = json.loads((folder / 'manifest.json').read_text())
    assert manifest['rule']['type'] == 'ConfidenceQuantile'
    label = cv2.imread(str(next(folder.rglob('*.png'))), cv2.IMREAD_UNCHANGED)
    assert label.shape == (36, 72)


def test_each_run_starts_from_nothing(case):
    assert case.label() != case.label()


def test_network_alone_sees_the_same_batches(case):
    assert [x.shape for x in case.inputs()] == [
        (2, 3, 36, 72),
        (1, 3, 36, 72),
    ]


def test_logits_of_each_class_are_spread(case):
    images = next(case.inputs())
    metas = [dict(img_shape=(36, 72), ori_shape=(36, 72))]
    with torch.no_grad():
        logits = case.model.encode_decode(images, metas)
    assert logits.std(dim=(0, 2, 3)).tolist() == pytest.approx(
        [3.0] * 19, rel=1e-4
    )
    assert logits.mean(dim=(0, 2, 3)).abs().max() < 1e-3


def test_every_class_wins_somewhere(case):
    manifest = json.loads((case.label() / 'manifest.json').read_text())
    assert 0 not in manifest['pixels'].values()


def test_rows_compare_the_whole_run(cfg, tmp_path):
    rows = labelling_rows(cfg, tmp_path, 2, rounds=1, warmup=0)
    assert [(row.name, row.goal) for row in rows] == [
        (
            'time of an image, labelling / loading and forward, '
            '2 images 72x36',
            1.11,
        ),
        ('time of an image, labelling / forward alone', None),
        (
            'time of an image, sums for label-free scores / forward alone',
            0.02,
        ),
    ]


def test_times_are_those_of_one_image(cfg, tmp_path):
    def clock():
        clock.now += 12.0
        return clock.now

    clock.now = 0.0
    rows = labelling_rows(cfg, tmp_path, 3, rounds=1, warmup=0, clock=clock)
    assert rows[0].detail == 'labelling 4 s / loaded 4 s'


def test_config_without_pseudo_labels_is_labelled_as_by_esl():
    options = labelling_options(load_config(CONFIGS / 'advent/gta2cs.py'))
    assert options.rule['type'] == 'EntropyQuantile'
    assert [transform['type'] for transform in options.pipeline] == [
        'LoadImage',
        'Resize',
        'PackDomainInputs',
    ]


def test_sizes_of_a_labelling_pipeline_are_scaled():
    cfg = load_config(CONFIGS / 'esl/esl_gta2cs.py')
    scale_sizes(cfg, 0.5)
    assert cfg.pseudo_labels.pipeline[1].scale == (512, 256)
