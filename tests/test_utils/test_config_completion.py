"""What follows from other parts of a config."""

import demo_data
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

from mmuda.convert.segmentor import plain_config
from mmuda.registry import DATASETS
from mmuda.utils.config import load_config

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
