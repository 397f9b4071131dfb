"""What follows from other parts of a config."""

import demo_data
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

from mmuda.convert.segmentor import plain_config
from mmuda.registry import DATASETS
from mmuda.utils.config import config_text, load_config
from mmuda.utils.errors import ConfigError

ROOT = demo_data.ROOT
LEAVES = sorted(
    str(path.relative_to(ROOT / 'configs'))
    for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts
)


def first_of_test(cfg):
    loader = cfg.test_dataloader
    return (loader[0] if isinstance(loader, list) else loader)['dataset']


@pytest.mark.parametrize('leaf', LEAVES)
def test_test_pipeline_is_what_is_tested(leaf):
    cfg = Config.fromfile(ROOT / 'configs' / leaf)
    tested = [dict(step) for step in first_of_test(cfg)['pipeline']]
    labels = [step for step in tested if step['type'] == 'LoadLabels']
    assert len(labels) == 1
    tested.remove(labels[0])
    assert [dict(step) for step in cfg.test_pipeline] == tested


def test_options_of_the_command_line_count():
    steps = [dict(type='LoadImage'), dict(type='PackSegInputs')]
    option = {'test_dataloader.dataset.pipeline': steps}
    cfg = load_config(ROOT / 'configs/advent/gta2cs.py', option)
    assert cfg.test_pipeline == steps


LEAF = ROOT / 'configs/advent/gta2cs.py'
OWN = "test_pipeline = [dict(type='LoadImage'), dict(type='PackSegInputs')]\n"


@pytest.mark.parametrize(
    ('leaf', 'place'),
    [
        ('advent/gta2cs', 'test_dataloader.dataset.pipeline'),
        ('mtda/mtkt_deeplabv2-r101_g2ci', 'test_dataloader.0.dataset'),
    ],
)
@pytest.mark.parametrize('read', [load_config, Config.fromfile])
@pytest.mark.parametrize('value', [OWN, 'test_pipeline = 3\n'])
def test_another_one_of_a_file_is_refused(tmp_path, leaf, place, read, value):
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = '{ROOT}/configs/{leaf}.py'\n{value}")
    with pytest.raises(ConfigError, match=f'say it in {place}'):
        read(path)
    # Nor is it one that a base has brought.
    other = tmp_path / 'other.py'
    other.write_text(f"_base_ = './own.py'\nsetting = '{SETTING[leaf]}'\n")
    with pytest.raises(ConfigError, match=f'say it in {place}'):
        read(other)


SETTING = {
    'advent/gta2cs': 'synthia2cs',
    'mtda/mtkt_deeplabv2-r101_g2ci': 'g2cm',
}


@pytest.mark.parametrize(
    'option',
    [
        {'test_pipeline': [dict(type='LoadImage')]},
        {'test_pipeline.1.scale': (512, 256)},
    ],
)
def test_another_one_of_the_command_line_is_refused(option):
    with pytest.raises(ConfigError, match=r'say it in test_dataloader\.d'):
        load_config(LEAF, option)
    step = {'test_dataloader.dataset.pipeline.1.scale': [512, 256]}
    both = load_config(LEAF, step | {'test_pipeline.1.scale': (512, 256)})
    assert both.test_pipeline[1].scale == [512, 256]


def test_one_of_no_test_set_is_kept(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(f"default_scope = 'mmuda'\n{OWN}")
    assert [step.type for step in load_config(path).test_pipeline] == [
        'LoadImage',
        'PackSegInputs',
    ]


TESTED = """
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImage'),
            dict(type='Resize', scale=(64, 32), keep_ratio=False),
            dict(type='LoadLabels'),
            dict(type='PackSegInputs'),
        ]
    )
)
"""


def record(path, earlier):
    """What a run writes; an earlier version had not derived it."""
    cfg = load_config(LEAF)
    cfg.work_dir, cfg.launcher = str(path.parent), 'none'
    if earlier:
        cfg.test_pipeline[1]['scale'] = (2048, 1024)
    path.write_text(config_text(cfg))
    return path


@pytest.mark.parametrize('earlier', [False, True])
def test_that_of_a_record_follows_its_test_set(tmp_path, earlier):
    path = record(tmp_path / 'record.py', earlier)
    assert load_config(path).test_pipeline[1].scale == (1024, 512)
    changed = load_config(
        path, {'test_dataloader.dataset.pipeline.1.scale': (64, 32)}
    )
    assert changed.test_pipeline[1].scale == (64, 32)


@pytest.mark.parametrize('base', ['leaf', 'record', 'earlier', 'mmseg'])
@pytest.mark.parametrize('read', [load_config, Config.fromfile])
def test_one_that_is_inherited_follows_the_test_set(tmp_path, base, read):
    if base in ('record', 'earlier'):
        below = record(tmp_path / f'{base}.py', base == 'earlier')
    else:
        below = dict(leaf=LEAF, mmseg='mmseg::_base_/datasets/ade20k.py')[base]
    options = dict(check=False) if read is load_config else {}
    middle = tmp_path / 'middle.py'
    middle.write_text(f"_base_ = '{below}'\ndefault_scope = 'mmuda'\n")
    own = tmp_path / 'own.py'
    for text in (f"_base_ = '{below}'\n", "_base_ = './middle.py'\n"):
        own.write_text(f"{text}default_scope = 'mmuda'\n{TESTED}")
        assert read(own, **options).test_pipeline[1].scale == (64, 32)
        own.write_text(own.read_text() + OWN)
        with pytest.raises(ConfigError, match='test_pipeline'):
            read(own, **options)


def test_other_configs_are_left_alone(tmp_path):
    path = tmp_path / 'other.py'
    path.write_text(
        "default_scope = 'mmseg'\n"
        'test_dataloader = dict(dataset=dict(pipeline=[dict(type="A")]))\n'
    )
    assert 'test_pipeline' not in Config.fromfile(path)


@pytest.mark.parametrize('wrong', [[], None, 3, [3], [{}], dict(a=1)])
def test_a_wrong_pipeline_is_left_to_the_checks(tmp_path, wrong):
    path = tmp_path / 'wrong.py'
    path.write_text(
        "default_scope = 'mmuda'\n"
        f'test_dataloader = dict(dataset=dict(pipeline={wrong}))\n'
    )
    expected = [] if wrong == [] else None
    assert Config.fromfile(path).get('test_pipeline') == expected


@pytest.mark.parametrize('plain', [False, True])
def test_mmseg_shows_an_image_as_it_is_tested(tmp_path, plain):
    cfg = demo_data.config(demo_data.write(tmp_path, 1), tmp_path / 'run')
    dataset = DATASETS.build(first_of_test(cfg))
    used = plain_config(cfg) if plain else cfg
    model = init_model(used, device='cpu')
    path = dataset[0]['data_samples'].img_path
    data = dict(
        inputs=[dataset[0]['inputs']],
        data_samples=[dataset[0]['data_samples']],
    )
    tested = model.test_step(data)[0].pred_sem_seg.data
    shown = inference_model(model, path).pred_sem_seg.data
    assert np.array_equal(shown, tested)
    assert len(np.unique(tested)) > 1
