"""What follows from other parts of a config."""

import demo_data
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

from mmuda.convert.segmentor import plain_config
from mmuda.registry import DATASETS
from mmuda.utils.config import load_config
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


@pytest.mark.parametrize(
    'option',
    [
        {'test_pipeline': [dict(type='LoadImage')]},
        {'test_pipeline': 3},
        {'test_pipeline.1.scale': (512, 256)},
    ],
)
def test_another_one_of_the_command_line_is_refused(option):
    with pytest.raises(ConfigError, match=r'say it in test_dataloader\.d'):
        load_config(LEAF, option)


def test_one_of_the_command_line_may_be_that_of_the_test_set():
    step = {'test_dataloader.dataset.pipeline.1.scale': [512, 256]}
    both = load_config(LEAF, step | {'test_pipeline.1.scale': (512, 256)})
    assert both.test_pipeline[1].scale == [512, 256]
    assert load_config(LEAF, {'test_pipeline': None}).test_pipeline


def test_that_of_a_file_follows_the_test_set(tmp_path):
    """Also one that was written out before the test set was changed."""
    path = tmp_path / 'own.py'
    path.write_text(f"""
_base_ = '{LEAF}'
test_pipeline = [dict(type='LoadImage'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImage'),
    dict(type='Resize', scale=(64, 32)),
    dict(type='LoadLabels'),
    dict(type='PackSegInputs'),
]))
""")
    cfg = load_config(path)
    types = [step.type for step in cfg.test_pipeline]
    assert types == ['LoadImage', 'Resize', 'PackSegInputs']
    # A change of one leaves the other as it is.
    cfg.test_pipeline[1].scale = (8, 8)
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (64, 32)


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
