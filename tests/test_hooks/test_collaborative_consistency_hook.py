"""What CollaborativeConsistencyHook drives, on runs of a few iterations."""

import json
import shutil
from types import SimpleNamespace

import cv2
import pytest
import torch
from collaborative_models import build
from collaborative_runs import (
    TARGETS,
    adversarial_config,
    collaborative_config,
    write,
)
from mmseg.structures import SegDataSample
from refreshed_runs import config, log_of, train

from mmuda.datasets.pseudo_labels.soft_labels import read_soft_label
from mmuda.hooks import CollaborativeConsistencyHook
from mmuda.models.uda.collaborative_self_training import (
    HeadAgreement,
    Phase,
    describe_agreement,
)
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module', params=['CoaST', 'MLCL'])
def runs(request, data, tmp_path_factory):
    """An uninterrupted run, and one that continues after iteration 3."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, start, workers in (
        ('whole', None, 0),
        ('continued', folder / 'whole/iter_3.pth', 2),
    ):
        cfg = collaborative_config(
            data, folder / name, request.param, workers=workers
        )
        if start is not None:
            # Labels were made with weights that no later checkpoint holds.
            labels = 'pseudo_labels'
            shutil.copytree(folder / 'whole' / labels, folder / name / labels)
        train(cfg, start)
    return folder


def last(folder, part):
    return load_checkpoint_file(str(folder / 'iter_6.pth'))[part]


def test_continued_run_is_bit_identical(runs):
    whole, continued = (
        last(runs / name, 'state_dict') for name in ('whole', 'continued')
    )
    assert list(whole) == list(continued)
    for name, value in whole.items():
        assert torch.equal(value, continued[name]), name


def test_rounds_of_each_target(runs):
    for target in TARGETS:
        folder = runs / 'whole/pseudo_labels' / target
        names = sorted(path.name for path in folder.glob('iter_*'))
        assert names == [f'iter_0000000{point}' for point in (0, 2, 4)]


def test_each_target_is_labelled_by_its_own_head(data, tmp_path):
    runner = train(
        collaborative_config(
            data,
            tmp_path,
            iterations=2,
            hook=dict(refresh=dict(begin=2, interval=2)),
        )
    )
    hook = next(
        hook
        for hook in runner.hooks
        if isinstance(hook, CollaborativeConsistencyHook)
    )
    heads = [refresher.predict_head for refresher in hook.refreshers]
    assert heads == [f'{target}.decode' for target in TARGETS]


@pytest.mark.parametrize('target', TARGETS)
def test_soft_labels_are_those_of_the_own_head(data, tmp_path, target):
    cfg = collaborative_config(data, tmp_path, iterations=1)
    # The network that made the labels is still there at the end.
    cfg.model.segmentor.backbone.norm_eval = True
    cfg.optim_wrapper.segmentor.optimizer.lr = 0.0
    model = train(cfg).model.eval()
    image = cv2.imread(str(data / target / 'images/0.png'))
    batch = dict(
        inputs=[torch.from_numpy(image).permute(2, 0, 1)],
        data_samples=[SegDataSample()],
    )
    images = model.data_preprocessor(batch, False)['inputs']
    with torch.no_grad():
        logits = model.segmentor(images, heads=[f'{target}.decode']).logits[
            f'{target}.decode'
        ]
    file = tmp_path / f'pseudo_labels/{target}/iter_00000000/0.npz'
    torch.testing.assert_close(
        torch.from_numpy(read_soft_label(str(file))),
        logits.softmax(1)[0],
        rtol=0,
        atol=1e-3,
    )


def test_agreement_is_logged(runs):
    text = log_of(runs / 'whole')
    for target in TARGETS:
        assert f'agreement {target}/decode: ' in text


def test_agreement_is_a_curve(runs):
    (file,) = (runs / 'whole').glob('*/vis_data/scalars.json')
    keys = {
        key
        for line in file.read_text().splitlines()
        for key in json.loads(line)
    }
    assert {f'agreement/{target}/decode' for target in TARGETS} <= keys


def test_what_begins_is_logged(runs):
    assert 'From iteration 2: distillation' in log_of(runs / 'whole')


def test_nothing_is_distilled_before_it_begins(runs):
    (file,) = (runs / 'whole').glob('*/vis_data/scalars.json')
    first = json.loads(file.read_text().splitlines()[0])
    assert not any('distillation' in key for key in first)


@pytest.mark.parametrize(
    ('iteration', 'expected'),
    [
        (0, Phase(False, False, True)),
        (2, Phase(False, True, True)),
        (5, Phase(True, True, True)),
    ],
)
def test_phases_begin_when_they_are_told_to(iteration, expected):
    hook = CollaborativeConsistencyHook(
        distillation_begin=5, rectification_begin=2
    )
    assert hook.phase(iteration) == expected


def test_a_phase_may_never_begin():
    hook = CollaborativeConsistencyHook(
        rectification_begin=None, style_begin=None
    )
    assert hook.phase(10**6) == Phase(True, False, False)


def test_agreement_of_four_pixels():
    agreement = HeadAgreement()
    teacher = torch.eye(3)[[0, 0, 1, 2]].T.reshape(1, 3, 2, 2)
    student = torch.eye(3)[[0, 1, 1, 1]].T.reshape(1, 3, 2, 2)
    for _ in range(2):
        agreement.count('rome', 'own', dict(own=teacher, decode=student))
    counts = agreement.pop()['rome', 'decode']
    assert counts.tolist() == [[4, 2, 2], [2, 2, 0]]
    assert agreement.pop() == {}


def test_agreement_as_text():
    counts = torch.tensor([[4, 4, 0], [2, 4, 0]])
    share, text = describe_agreement(counts, ('road', 'car', 'sky'))
    assert share == 75.0
    assert text == '75.0 % (road 50, car 100)'


def test_methods_without_collaboration_refuse_the_hook(data, tmp_path):
    write_target = data / 'target'
    if not write_target.exists():
        write_target.symlink_to(data / TARGETS[0])
    cfg = config(
        data,
        tmp_path,
        custom_hooks=[dict(type='CollaborativeConsistencyHook')],
    )
    with pytest.raises(ConfigError, match='SelfTraining has no heads'):
        train(cfg)


def test_a_method_gets_its_hook_from_the_loop(data, tmp_path):
    cfg = adversarial_config(data, tmp_path, 'MTKT', iterations=1)
    kind = 'CollaborativeConsistencyHook'
    cfg.custom_hooks = [h for h in cfg.custom_hooks if h['type'] != kind]
    runner = train(cfg)
    hook = CollaborativeConsistencyHook
    assert sum(isinstance(part, hook) for part in runner.hooks) == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(distillation_begin=-1),
            'begin=-1: must be .* at least 0',
        ),
        (dict(distillation_begin=None), 'distillation_begin=None: must be'),
        (
            dict(agreement_interval=0),
            'interval=0: must be .* above 0',
        ),
        (dict(agreement_interval=1.5), 'interval=1.5: must be a whole number'),
        (dict(refresh=dict(begni=0)), "no 'begni' .did you mean 'begin'"),
        (dict(refresh=dict(domain='idd')), "there is no 'domain'"),
        (dict(refresh={}), 'refresh needs begin'),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CollaborativeConsistencyHook(**options)


@pytest.mark.parametrize(
    ('method', 'options', 'message'),
    [
        ('MTKT', dict(rectification_begin=3), 'knows no rectification'),
        ('MTKT', dict(style_begin=3), 'knows no transfer of styles'),
        ('CCL', dict(rectification_begin=None), 'knows no rectification'),
        ('CCL', dict(distillation_begin=6), 'training ends at 6'),
        ('MTKT', dict(distillation_begin=9), 'what predicts would never'),
    ],
)
def test_schedules_without_effect_are_refused(method, options, message):
    hook = CollaborativeConsistencyHook(**options)
    runner = SimpleNamespace(max_iters=6, iter=0)
    with pytest.raises(ConfigError, match=message):
        hook._check_schedule(build(method), runner)
