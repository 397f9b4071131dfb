"""test.py and extract_segmentor.py on a checkpoint with a teacher."""

import re
import runpy
import sys
import uuid

import demo_data
import pytest
from mmengine.runner import Runner
from tools_in_process import load_tool, run_loaded

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.setup_env import register_all_modules

CONFIG = demo_data.ROOT / 'configs' / 'demo' / 'demo_minent_gta2cs.py'
WITH_TEACHER = {'model.teacher': True}
ON_TEACHER = WITH_TEACHER | {'model.predict_on': 'teacher'}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=1)


@pytest.fixture(scope='module')
def checkpoint(data, tmp_path_factory):
    """A checkpoint whose teacher stayed what its segmentor was at first."""
    register_all_modules()
    work_dir = tmp_path_factory.mktemp('trained')
    cfg = demo_data.config(
        data,
        work_dir,
        'minent',
        **WITH_TEACHER,
        **{
            'train_cfg.max_iters': 2,
            'optim_wrapper.segmentor.optimizer.lr': 1.0,
        },
    )
    teacher = dict(type='MeanTeacherHook', momentum=1, warmup=False)
    cfg.custom_hooks.append(teacher)
    Runner.from_cfg(cfg).train()
    return work_dir / 'iter_2.pth'


@pytest.fixture
def entropy(data, tmp_path, monkeypatch, capfd):
    """Run test.py and return the entropy that it prints."""

    def run(path, **changes):
        options = demo_data.options(data) | changes
        options.pop('model.discriminator.base_channels')
        options['experiment_name'] = uuid.uuid4().hex
        words = ['test.py', CONFIG, path, '--work-dir', tmp_path]
        words += ['--cfg-options', *(f'{k}={v}' for k, v in options.items())]
        call(demo_data.ROOT / 'tools/test.py', words, monkeypatch)
        output = capfd.readouterr().out
        return float(re.findall(r'cityscapes/entropy: ([\d.]+)', output)[-1])

    return run


def call(tool, words, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [str(word) for word in words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name='__main__')
    assert end.value.code == 0


@pytest.fixture
def extract(tmp_path, monkeypatch, capfd):
    """Run extract_segmentor.py and return the file that it writes."""
    tool = load_tool('model_converters/extract_segmentor.py')

    def run(path, *flags):
        words = [path, tmp_path / 'plain.pth', *flags]
        code, printed = run_loaded(tool, words, monkeypatch, capfd)
        assert code == 0, printed
        return tmp_path / 'plain.pth'

    return run


@pytest.mark.parametrize('config', [{}, WITH_TEACHER])
def test_the_segmentor_is_tested(entropy, extract, checkpoint, config):
    assert entropy(checkpoint, **config) == entropy(extract(checkpoint))


def test_the_teacher_is_tested_on_demand(entropy, extract, checkpoint):
    teacher = entropy(checkpoint, **ON_TEACHER)
    assert teacher == entropy(extract(checkpoint, '--teacher'))
    assert teacher != entropy(checkpoint)


def test_checkpoint_without_a_teacher_is_tested_on_its_segmentor(
    entropy, extract, checkpoint
):
    plain = extract(checkpoint)
    assert entropy(plain, **ON_TEACHER) == entropy(plain)


def test_extracted_teacher_has_plain_names(extract, checkpoint):
    trained = load_checkpoint_file(checkpoint)['state_dict']
    teacher = load_checkpoint_file(extract(checkpoint, '--teacher'))
    assert [f'teacher.{name}' for name in teacher['state_dict']] == [
        name for name in trained if name.startswith('teacher.')
    ]
