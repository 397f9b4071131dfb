"""Options of methods, teachers and terms are checked with their config."""

import copy
from pathlib import Path

import pytest
from faulty_values import INF, LOADER, NAN
from mmengine.config import Config

from mmuda.utils.config import load_config
from mmuda.utils.config_values import check_config
from mmuda.utils.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'
TEACHER = dict(
    momentum=0.99,
    warmup=False,
    interval=2,
    begin=0,
    buffers='keep',
    half_life=0.02,
    mode='own_statistics',
)
DACS = dict(
    type='DACS',
    segmentor=dict(
        type='HRDAEncoderDecoder',
        detail_crop_size=(512, 512),
        fixed_attention=0.5,
        context_scale=0.5,
        crop_multiple=8,
    ),
    augmentation=dict(strength=0.2),
    ignored_rows=dict(top=15, bottom=120),
    threshold=None,
    teacher=TEACHER,
    terms=[
        dict(type='FeatureDistance', things=['car', 6], min_share=1),
        dict(type='MaskedConsistency', block_size='token', threshold='host'),
        dict(type='MaskedConsistency', teacher=TEACHER, share_teacher=False),
        dict(type='ClassRatioPrior', ratio=[0.5, 0.5], relaxation=1),
        dict(type='PseudoLabels', weight=2),
    ],
)
NO_TEACHERS = [
    dict(momentum=2),
    dict(momentum='high'),
    dict(momentum=NAN),
    dict(warmup=1),
    dict(interval=0),
    dict(begin=-1),
    dict(begin=1.5),
    dict(buffers='mean'),
    dict(half_life=0),
    dict(half_life=INF),
    dict(mode='train'),
    dict(bufers='copy'),
    'x',
    5,
]


def term(kind, **options):
    return [dict(type=kind, **options)]


FAULTY = {
    'model.threshold': [1.5, 'x'],
    'model.classes_of': ['images'],
    'model.source_mean': [5],
    'model.augmentation': [
        'strong',
        dict(strength=0.6),
        dict(blur_probability=-1),
        dict(jitter_probability='x'),
    ],
    'model.ignored_rows': [15, dict(top=-1), dict(bottom=1.5)],
    'model.teacher': NO_TEACHERS,
    'model.terms': [
        term('FeatureDistance', weight=-1),
        term('FeatureDistance', things=5),
        term('FeatureDistance', min_share=0.5),
        term('FeatureDistance', min_share=NAN),
        term('MaskedConsistency', mask_ratio=1),
        term('MaskedConsistency', threshold='hos'),
        term('MaskedConsistency', block_size='x'),
        term('MaskedConsistency', block_size=0),
        term('MaskedConsistency', mode='image'),
        *(term('MaskedConsistency', teacher=part) for part in NO_TEACHERS),
        term('ClassRatioPrior', relaxation=2),
        term('PseudoLabels', weight=0),
    ],
    'model.segmentor.fixed_attention': [-1, 'x'],
    'model.segmentor.context_scale': [0, 2],
    'model.segmentor.crop_multiple': [0, 1.5],
    'model.segmentor.detail_crop_size': [512, (0, 1)],
    f'{LOADER}.dataset.target.pipeline': [
        term('PseudoLabelMargins', bottom=-1)
    ],
}


@pytest.fixture(scope='module')
def base():
    cfg = Config.fromfile(CONFIGS / 'demo' / 'demo_advent_gta2cs.py')
    cfg = copy.deepcopy(cfg._cfg_dict)
    cfg['model'] = DACS
    return cfg


def test_values_in_their_ranges_pass(base):
    check_config(base)


@pytest.mark.parametrize(
    ('key', 'value'), [(k, v) for k, values in FAULTY.items() for v in values]
)
def test_faulty_value_is_named_by_its_place(base, key, value):
    cfg = copy.deepcopy(base)
    *folders, last = key.split('.')
    part = cfg
    for folder in folders:
        part = part[folder]
    part[last] = value
    with pytest.raises(ConfigError) as raised:
        check_config(cfg)
    assert str(raised.value).startswith(key)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'model.teacher.momentum': 2},
            r'model\.teacher\.momentum=2: must be a number in \[0, 1\]',
        ),
        (
            {'model.teacher.bufers': 'copy'},
            'model.teacher: takes mode, momentum, .* only',
        ),
    ],
)
def test_options_of_a_teacher_are_refused_before_it_is_built(options, message):
    with pytest.raises(ConfigError, match=message):
        load_config(CONFIGS / 'mic' / 'mic_gta2cs.py', options)
