"""test.py on several targets: heads, protocols and tables."""

import functools
import re

import cv2
import demo_data
import pytest
from failing_tools import error_of
from several_target_tools import call, write_config, write_data

SUBSET = 'test_evaluator.1.subsets.mIoU_2'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config and the folder of its run."""
    folder = tmp_path_factory.mktemp('several')
    config = write_config(folder, write_data(folder / 'data'))
    call('train.py', [config, '--work-dir', folder / 'run'])
    return config, folder / 'run'


@pytest.fixture(scope='module')
def tested(trained, tmp_path_factory):
    """Run test.py; return the metrics, and the whole log."""

    @functools.cache
    def run(*words, subset=None):
        config, folder = trained
        work_dir = tmp_path_factory.mktemp('tested')
        words = [config, folder / 'iter_2.pth', '--work-dir', work_dir, *words]
        call('test.py', words, {SUBSET: subset} if subset else {})
        log = next(work_dir.glob('*/*.log')).read_text()
        found = re.findall(r'(\w+/[\w.]+): ([\d.]+|nan)', log.splitlines()[-1])
        return {name: float(value) for name, value in found}, log

    return run


def own(metrics, target):
    """Metrics of one target that are numbers."""
    return {
        name: value
        for name, value in metrics.items()
        if name.startswith(f'{target}/') and value == value
    }


def test_the_best_checkpoint_is_by_the_mean(trained):
    _, folder = trained
    assert len(list(folder.glob('best_mean_mIoU_iter_2.pth'))) == 1


@pytest.mark.parametrize('target', ['rome', 'oslo'])
def test_own_heads_are_those_of_the_targets(tested, target):
    metrics, _ = tested('--head', 'own')
    assert own(metrics, target) == own(tested('--head', target)[0], target)


def test_agnostic_head_is_not_that_of_a_target(tested):
    # After two iterations of chance the heads agree in nothing.
    agnostic, _ = tested('--head', 'agnostic')
    assert own(agnostic, 'rome') != own(tested('--head', 'rome')[0], 'rome')


def test_heads_of_the_targets_differ(tested):
    metrics, _ = tested('--head', 'own')
    assert own(metrics, 'oslo') != own(tested('--head', 'rome')[0], 'oslo')


def test_agnostic_head_is_the_default(tested):
    agnostic, _ = tested('--head', 'agnostic')
    assert own(agnostic, 'oslo') == own(tested()[0], 'oslo')


def test_mean_over_the_targets(tested):
    metrics, _ = tested()
    expected = (metrics['rome/mIoU'] + metrics['oslo/mIoU']) / 2
    assert metrics['mean/mIoU'] == pytest.approx(expected, abs=1e-4)


def test_summary_is_printed(tested):
    metrics, log = tested()
    rows = re.findall(r'\| (rome|oslo|mean) +\| +([\d.]+) ', log)
    assert dict(rows) == {
        name: f'{metrics[f"{name}/mIoU"]:.2f}'
        for name in ('rome', 'oslo', 'mean')
    }


@pytest.mark.parametrize(
    ('protocol', 'shape'), [('native', (48, 96)), ('published', (128, 256))]
)
def test_size_of_the_predictions(tested, tmp_path, protocol, shape):
    folder = tmp_path / 'out'
    tested('--protocol', protocol, '--out', folder)
    paths = list(folder.rglob('*.png'))
    assert len(paths) == 3
    assert {cv2.imread(str(path), 0).shape for path in paths} == {shape}


def test_native_is_the_default(tested):
    native, _ = tested('--protocol', 'native')
    assert own(native, 'rome') == own(tested()[0], 'rome')


def test_published_protocol_judges_other_pixels(tested):
    published, _ = tested('--protocol', 'published')
    assert own(published, 'rome') != own(tested()[0], 'rome')


def test_mean_without_a_class(tested):
    metrics, _ = tested(subset='[road,vegetation]')
    mean = (metrics['oslo/IoU.road'] + metrics['oslo/IoU.vegetation']) / 2
    assert metrics['oslo/mIoU_2'] == pytest.approx(mean, abs=0.01)
    assert 'mean/mIoU_2' not in metrics
    plain, _ = tested()
    assert metrics['mean/mIoU'] == plain['mean/mIoU']


def test_head_of_a_model_with_one(tmp_path, monkeypatch, capfd):
    config = demo_data.ROOT / 'configs' / 'demo' / 'demo_advent_gta2cs.py'
    words = [config, 'x.pth', '--work-dir', tmp_path, '--head', 'own']
    error, _ = error_of('test.py', words, {}, monkeypatch, capfd)
    assert "--head own: the segmentor ('UDAEncoderDecoder') has one" in error


def test_misspelt_head(trained, tmp_path, monkeypatch, capfd):
    words = [trained[0], 'x.pth', '--work-dir', tmp_path, '--head', 'rom']
    error, _ = error_of('test.py', words, {}, monkeypatch, capfd)
    assert '--head rom: the model has no such head; choose one of' in error
    assert "(did you mean 'rome'?)" in error
