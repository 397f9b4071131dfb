"""--amp of all tools."""

import sys
from pathlib import Path

import demo_data
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from test_tools_train_and_test import CONFIG, overrides, run
from tools_in_process import load_tool

ESL = 'configs/demo/demo_esl_gta2cs.py'
COTRAIN = 'configs/cotraining/cotraining_carla2camvid.py'


def parsed(tool, words, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool', *words])
    args = tool['parse_args']()
    args.amp = tool['precision_of_args'](args)
    return args


@pytest.mark.parametrize(
    ('words', 'expected'),
    [([], None), (['--amp', 'bf16'], 'bf16'), (['--amp', 'fp16'], 'fp16')],
)
def test_self_training_hands_it_to_all_stages(words, expected, monkeypatch):
    tool = load_tool('self_train.py')
    args = parsed(tool, [ESL, *words], monkeypatch)
    procedure = tool['procedure_from'](args)
    stages = [stage for step in procedure.steps() for stage in step]
    assert len(stages) == 3
    for stage in stages:
        given = dict(zip(stage.arguments, stage.arguments[1:], strict=False))
        assert given.get('--amp') == expected, stage.name
    assert tool['identity'](procedure, args)['--amp'] == (expected or False)


def test_co_training_writes_it_into_all_configs(monkeypatch):
    tool = load_tool('cotrain.py')
    args = parsed(tool, [COTRAIN, '--amp', 'bf16'], monkeypatch)
    procedure = tool['procedure_from'](args)
    for cfg in (procedure.baseline, procedure.cycle, procedure.final):
        wrappers = cfg.optim_wrapper
        for wrapper in [wrappers.get('segmentor', wrappers)]:
            assert wrapper.precision == 'bf16'
    assert procedure.cycle.pseudo_labels.precision == 'bf16'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mixed')
    data = demo_data.write(folder / 'data')
    words = ['--work-dir', folder / 'work', '--amp', 'bf16']
    output = run('train.py', CONFIG, *words, *overrides(data))
    return data, folder / 'work', output


def test_a_training_tells_and_records_its_precision(trained):
    _, work_dir, output = trained
    assert '--amp: bf16' in output
    assert 'bf16 in networks, fp32 in losses' in output
    cfg = Config.fromfile(work_dir / Path(CONFIG).name)
    for player in ('segmentor', 'discriminator'):
        assert cfg.optim_wrapper[player].precision == 'bf16'


def test_a_training_is_not_continued_in_another_precision(trained):
    data, work_dir, _ = trained
    words = ['--work-dir', work_dir, '--resume', *overrides(data)]
    output = run('train.py', CONFIG, *words, code=2)
    assert 'precision was' in output


def test_predictions_differ_on_few_pixels(trained):
    data, work_dir, _ = trained
    classes = []
    for name, words in (('single', []), ('mixed', ['--amp', 'bf16'])):
        out = work_dir / name
        words += ['--out', out, *overrides(data)]
        output = run('test.py', CONFIG, work_dir / 'iter_4.pth', *words)
        assert ('--amp: bf16' in output) == (name == 'mixed')
        files = sorted(out.rglob('*.png'))
        assert len(files) == 2
        classes.append(np.stack([np.array(Image.open(f)) for f in files]))
    # Of a network that has seen four batches, which is sure of nothing.
    assert (classes[0] == classes[1]).mean() > 0.97
