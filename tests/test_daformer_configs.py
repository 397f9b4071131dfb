"""The leaves of DACS, DAFormer, HRDA and MIC: what is published of them."""

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mmuda.registry import MODELS, TRANSFORMS
from mmuda.utils.config import load_config

ROOT = Path(__file__).parents[1] / 'configs'
FOLDERS = ('dacs', 'daformer', 'hrda', 'mic')
LEAVES = sorted(
    str(path.relative_to(ROOT))
    for folder in FOLDERS
    for path in ROOT.glob(f'{folder}/*.py')
)
# Files: height and width.
GTA5, SYNTHIA, CITYSCAPES = (1052, 1914), (760, 1280), (1024, 2048)
ADVERSE = (1080, 1920)


@cache
def read(leaf, setting=None):
    chosen = {} if setting is None else dict(setting=setting)
    return load_config(ROOT / leaf, chosen)


def load(leaf, setting=None):
    return copy.deepcopy(read(leaf, setting))


def terms_of(leaf):
    return {term.type: term for term in read(leaf).model.get('terms', ())}


def source_of(cfg):
    source = cfg.train_dataloader.dataset.source
    return source.get('dataset', source)


def sizes(pipeline, size):
    """Size of images of a size after ``Resize``, and that of crops."""
    steps = {step.type: dict(step) for step in pipeline}
    resize = TRANSFORMS.build(steps['Resize'])
    image = np.zeros((*size, 3), np.uint8)
    found = resize(dict(img=image, img_shape=size, seg_fields=[]))
    return found['img'].shape[:2], tuple(steps['RandomCrop']['crop_size'])


@pytest.mark.parametrize(
    ('setting', 'source', 'target', 'resized'),
    [
        ('gta2cs', GTA5, CITYSCAPES, [(704, 1280), (512, 1024)]),
        ('synthia2cs', SYNTHIA, CITYSCAPES, [(760, 1280), (512, 1024)]),
        ('cs2acdc', CITYSCAPES, ADVERSE, [(512, 1024), (540, 960)]),
        ('cs2darkzurich', CITYSCAPES, ADVERSE, [(512, 1024), (540, 960)]),
    ],
)
@pytest.mark.parametrize(
    ('leaf', 'factor', 'crop'),
    [
        ('dacs/dacs_gta2cs.py', 1, 512),
        ('daformer/daformer_gta2cs.py', 1, 512),
        ('hrda/hrda_gta2cs.py', 2, 1024),
        ('mic/mic_gta2cs.py', 2, 1024),
    ],
)
def test_images_keep_their_shape(
    leaf, factor, crop, setting, source, target, resized
):
    cfg = load(leaf, setting)
    pipelines = source_of(cfg).pipeline, cfg.train_dataloader.dataset.target
    found = [
        sizes(pipelines[0], source),
        sizes(pipelines[1].pipeline, target),
    ]
    if factor == 2:
        # Rounded once, not twice.
        resized = [
            (1407, 2560) if s[0] == 704 else (2 * s[0], 2 * s[1])
            for s in resized
        ]
    assert found == [(size, (crop, crop)) for size in resized]


@pytest.mark.parametrize(
    'leaf', [leaf for leaf in LEAVES if 'efficientnet' not in leaf]
)
def test_no_published_pipeline_changes_colours_or_scales(leaf):
    dataset = load(leaf).train_dataloader.dataset
    parts = [source_of(load(leaf)), dataset.target]
    kinds = {step.type for part in parts if part for step in part.pipeline}
    assert kinds <= {
        *('LoadImage', 'LoadLabels', 'PseudoLabelMargins', 'Resize'),
        *('RandomCrop', 'RandomFlip', 'PackDomainInputs'),
    }


@pytest.mark.parametrize(
    ('setting', 'margins'),
    [('gta2cs', True), ('synthia2cs', True), ('cs2acdc', False)],
)
@pytest.mark.parametrize('leaf', ['hrda/hrda_gta2cs.py', 'mic/mic_gta2cs.py'])
def test_margins_are_those_of_cityscapes(leaf, setting, margins):
    pipeline = load(leaf, setting).train_dataloader.dataset.target.pipeline
    kinds = [step.type for step in pipeline]
    assert ('PseudoLabelMargins' in kinds) == margins
    assert load(leaf).model.ignored_rows is None


@pytest.mark.parametrize('leaf', LEAVES)
def test_two_images_of_each_domain(leaf):
    loader = load(leaf).train_dataloader
    assert (loader.batch_size, loader.dataset.get('samples')) == (2, None)


@pytest.mark.parametrize(
    ('leaf', 'pixels'),
    [
        ('dacs/dacs_gta2cs.py', None),
        ('daformer/daformer_gta2cs.py', 1500),
        ('daformer/daformer_cs2acdc.py', 1500),
        ('daformer/daformer_synthia2cs.py', 1500),
        ('hrda/hrda_synthia2cs.py', 6000),
        ('mic/mic_gta2cs.py', 6000),
        ('mic/mic_daformer_gta2cs.py', 1500),
        ('mic/mic_dacs_gta2cs.py', None),
    ],
)
def test_rare_class_sampling_is_as_published(leaf, pixels):
    source = load(leaf).train_dataloader.dataset.source
    if pixels is None:
        assert source.type != 'RareClassSampling'
        return
    assert source.type == 'RareClassSampling'
    found = source.temperature, source.min_pixels, source.crop_pixels
    assert found == (0.01, 3000, pixels)


@pytest.mark.parametrize(
    ('leaf', 'block_size', 'mode'),
    [
        ('mic/mic_gta2cs.py', 64, 'target'),
        ('mic/mic_synthia2cs.py', 64, 'target'),
        ('mic/mic_cs2acdc.py', 64, 'separate'),
        ('mic/mic_cs2darkzurich.py', 64, 'separate'),
        ('mic/mic_daformer_gta2cs.py', 32, 'target'),
        ('mic/mic_dacs_gta2cs.py', 32, 'target'),
        ('mic/mic_minent_gta2cs.py', 32, 'target'),
        ('mic/mic_hrda_deeplabv2_gta2cs.py', 64, 'target'),
    ],
)
def test_masks_are_as_published(leaf, block_size, mode):
    term = terms_of(leaf)['MaskedConsistency']
    assert (term.block_size, term.mask_ratio) == (block_size, 0.7)
    assert term.get('mode', 'target') == mode


@pytest.mark.parametrize(
    ('leaf', 'setting', 'mode'),
    [
        ('mic/mic_gta2cs.py', 'cs2acdc', 'separate'),
        ('mic/mic_gta2cs.py', 'cs2darkzurich', 'separate'),
        ('mic/mic_gta2cs.py', 'synthia2cs', 'target'),
        ('mic/mic_dacs_gta2cs.py', 'cs2acdc', 'separate'),
        ('mic/mic_cs2acdc.py', 'gta2cs', 'target'),
        ('mic/mic_cs2acdc.py', 'cs2darkzurich', 'separate'),
        ('vfm/vfm_uda_gta2cs.py', 'cs2acdc', 'target'),
    ],
)
def test_which_images_are_masked_follows_from_the_setting(leaf, setting, mode):
    terms = load(leaf, setting).model.terms
    (term,) = (t for t in terms if t.type == 'MaskedConsistency')
    assert term.get('mode', 'target') == mode


@pytest.mark.parametrize(
    ('leaf', 'rows', 'terms'),
    [
        ('dacs/dacs_gta2cs.py', None, set()),
        (
            'daformer/daformer_gta2cs.py',
            dict(top=15, bottom=120),
            {'FeatureDistance'},
        ),
        ('hrda/hrda_gta2cs.py', None, {'FeatureDistance'}),
        (
            'mic/mic_daformer_gta2cs.py',
            dict(top=15, bottom=120),
            {'FeatureDistance', 'MaskedConsistency'},
        ),
    ],
)
def test_methods_are_dacs_with_terms(leaf, rows, terms):
    model = load(leaf).model
    assert model.type == 'DACS'
    assert model.get('ignored_rows') == rows
    assert set(terms_of(leaf)) == terms


def test_synthia_is_trained_with_all_outputs_and_judged_by_its_classes():
    cfg = load('mic/mic_synthia2cs.py')
    assert cfg.model.segmentor.decode_head.num_classes == 19
    assert source_of(cfg).label_set == 'cityscapes19'
    subsets = cfg.val_evaluator.subsets
    assert [len(subsets[key]) for key in ('mIoU16', 'mIoU13')] == [16, 13]
    assert set(subsets['mIoU13']) < set(subsets['mIoU16'])


@pytest.mark.parametrize(
    'leaf', [leaf for leaf in LEAVES if 'source_only' in leaf]
)
def test_lower_bounds_have_the_same_augmentation_and_average(leaf):
    model = load(leaf).model
    assert (model.type, model.augmentation) == ('SourceOnly', True)
    assert model.predict_on == 'teacher'
    above = load(leaf.replace('source_only_', ''))
    for part in ('backbone', 'decode_head'):
        assert model.segmentor[part] == above.model.segmentor[part]
    assert load(leaf).param_scheduler == above.param_scheduler
    assert source_of(load(leaf)) == source_of(above)


@pytest.mark.parametrize(
    ('leaf', 'zero'),
    [
        ('daformer/daformer_deeplabv2_gta2cs.py', True),
        ('hrda/hrda_deeplabv2_gta2cs.py', True),
        ('advent/advent_gta2cs.py', False),
    ],
)
def test_biases_of_deeplabv2_start_as_published(leaf, zero):
    segmentor = load(leaf).model.segmentor
    for name in {'decode_head', 'attention_head'} & {*segmentor}:
        config = dict(num_classes=19) | segmentor[name]
        head = MODELS.build(config | dict(in_channels=64))
        head.init_weights()
        for conv in head.convs:
            assert conv.bias.any() == (not zero)
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
