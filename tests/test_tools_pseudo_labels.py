"""generate_pseudo_labels.py, and training on what it wrote."""

import json
import os
import sys

import demo_data
import pytest
import warm_processes
from demo_data import ENVIRONMENT
from failing_tools import before_training, error_of
from test_tools_train_and_test import overrides
from tools_in_process import load_tool

CONFIG = 'configs/demo/demo_esl_gta2cs.py'
FILE = demo_data.ROOT / CONFIG


def options(data, **changes):
    """Overrides as a mapping, as ``error_of`` wants them."""
    words = overrides(data, **changes)[1:]
    return dict(word.split('=', 1) for word in map(str, words))


def run(words, code=0):
    result = warm_processes.run(
        [str(word) for word in words],
        cwd=demo_data.ROOT,
        env=ENVIRONMENT,
        timeout=300,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_local_rank_becomes_a_variable(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', 'to be restored')
    monkeypatch.delenv('LOCAL_RANK')
    words = ['tool', str(FILE), 'a.pth', '--out', 'b', '--local_rank=1']
    monkeypatch.setattr(sys, 'argv', words)
    tool = load_tool('generate_pseudo_labels.py')
    tool['config_from_args'](tool['parse_args']())
    assert os.environ['LOCAL_RANK'] == '1'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('labels'))


@pytest.fixture(scope='module')
def checkpoint(data, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('trained')
    words = [sys.executable, 'tools/train.py']
    words += ['configs/demo/demo_advent_gta2cs.py', '--work-dir', work_dir]
    run([*words, *overrides(data, **{'train_cfg.max_iters': 2})])
    return work_dir / 'iter_2.pth'


@pytest.fixture(scope='module')
def labels(data, checkpoint, tmp_path_factory):
    """Folder of labels and pictures, and the printed table."""
    out = tmp_path_factory.mktemp('out')
    words = [sys.executable, 'tools/generate_pseudo_labels.py', CONFIG]
    words += [checkpoint, checkpoint, '--weights', 0.3, 0.7]
    words += ['--out', out / 'labels', '--show-dir', out / 'show']
    words += ['--show-count', 2, *overrides(data)]
    return out / 'labels', out / 'show', run(words)


@pytest.fixture
def failing(monkeypatch, capfd):
    def call(tool, words, changes):
        return error_of(tool, words, changes, monkeypatch, capfd)

    return call


def test_each_image_has_a_label(labels):
    names = {p.name for p in labels[0].rglob('*.png')}
    assert len(names) == 5
    # Beside them the manifest, label-free scores and the lock.
    assert len(list(labels[0].rglob('*'))) == 5 + 3 + len(
        {p.parent for p in labels[0].rglob('*.png')}
    )


def test_the_manifest_names_checkpoints_and_weights(labels, checkpoint):
    manifest = json.loads((labels[0] / 'manifest.json').read_text())
    found = [(c['file'], c['weight']) for c in manifest['checkpoints']]
    assert found == [('iter_2.pth', 0.3), ('iter_2.pth', 0.7)]


def test_the_table_has_the_share_kept_of_all_pixels(labels):
    manifest = json.loads((labels[0] / 'manifest.json').read_text())
    pixels, kept = (sum(manifest[k].values()) for k in ('pixels', 'kept'))
    (row,) = [line for line in labels[2].splitlines() if '│ all' in line]
    assert f'{100 * kept / pixels:.1f}' in row
    assert f'{pixels:,}' in row


def test_pictures_of_as_many_images_as_asked_for(labels):
    assert len(list(labels[1].rglob('*.png'))) == 2


def test_finished_labels_are_reused(labels, data, checkpoint):
    before = (labels[0] / 'manifest.json').stat().st_mtime_ns
    words = [sys.executable, 'tools/generate_pseudo_labels.py', CONFIG]
    words += [checkpoint, checkpoint, '--weights', 0.3, 0.7]
    output = run([*words, '--out', labels[0], *overrides(data)])
    assert 'is finished' in output
    assert (labels[0] / 'manifest.json').stat().st_mtime_ns == before


def test_labels_of_another_checkpoint_are_not_overwritten(
    labels, data, checkpoint, failing
):
    words = [FILE, checkpoint, '--out', labels[0]]
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert 'with other checkpoints' in error


def test_a_folder_of_other_files_is_not_written_to(data, checkpoint, failing):
    folder = data / 'Cityscapes'
    words = [FILE, checkpoint, '--out', folder]
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert 'no pseudo-labels' in error
    assert not (folder / 'manifest.json').exists()


def test_labels_are_not_written_over_images(data, checkpoint, failing):
    folder = data / 'Cityscapes/leftImg8bit/train'
    words = [FILE, checkpoint, '--out', folder, '--overwrite']
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert 'lies in the data folder' in error


def test_overwriting_needs_pseudo_labels_too(
    data, checkpoint, failing, tmp_path
):
    (tmp_path / 'a.png').write_bytes(b'mine')
    words = [FILE, checkpoint, '--out', tmp_path, '--overwrite']
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert 'choose another folder' in error
    assert (tmp_path / 'a.png').read_bytes() == b'mine'


@pytest.mark.parametrize('weights', [(0, 0), (-1, 2), ('nan', 1)])
def test_impossible_weights_are_refused(
    data, checkpoint, failing, tmp_path, weights
):
    words = [FILE, checkpoint, checkpoint, '--out', tmp_path]
    words += ['--weights', *weights]
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert 'must be at least 0, and not all 0' in error


def test_an_unknown_domain_is_refused(data, checkpoint, failing, tmp_path):
    words = [FILE, checkpoint, '--out', tmp_path, '--domain', 'rome']
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert "--domain 'rome'" in error
    assert 'trains on target, source alone; name one of these' in error


def test_a_missing_checkpoint_is_refused(data, failing, tmp_path):
    words = [FILE, 'nothing.pth', '--out', tmp_path]
    error, _ = failing('generate_pseudo_labels.py', words, options(data))
    assert error.startswith('error: nothing.pth: no such checkpoint file')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'pseudo_labels.rule.type': 'Entropy'}, "no rule 'Entropy'"),
        ({'pseudo_labels.rule.quantil': 0.4}, "takes no 'quantil'"),
        ({'pseudo_labels.rule.quantile': 4}, 'quantile=4'),
        ({'pseudo_labels.ordre': 'x'}, "no 'ordre' (did you mean 'order'?)"),
        ({'pseudo_labels.order': 'x'}, "order='x': must be one of"),
        (
            {'pseudo_labels.batch_size': 2.5},
            'pseudo_labels.batch_size=2.5: must be',
        ),
        (
            {'pseudo_labels.original_size': 'yes'},
            "pseudo_labels.original_size='yes': must be",
        ),
        ({'pseudo_labels.rule': 'ESL'}, "pseudo_labels.rule='ESL': must be"),
        ({'pseudo_labels.combination': 'max'}, 'entropy could be taken'),
        ({'pseudo_labels.pipeline.0.type': 'Load'}, "no class 'Load'"),
        (
            {'pseudo_labels.pipeline.0.type': 'RandomFlip'},
            'RandomFlip is random',
        ),
        (
            {'train_dataloader.dataset.target.label_set': 'synthia16'},
            'the model has 19 classes, the data to label 16',
        ),
        (
            {'pseudo_labels.bins': 16},
            'bins=16: must be a whole number from',
        ),
    ],
)
def test_wrong_options_are_named(
    data, checkpoint, failing, tmp_path, changes, message
):
    words = [FILE, checkpoint, '--out', tmp_path]
    changes = options(data) | changes
    error, _ = failing('generate_pseudo_labels.py', words, changes)
    assert message in error


def test_labelling_anew_replaces_labels_only(data, checkpoint, tmp_path):
    tool = [sys.executable, 'tools/generate_pseudo_labels.py', CONFIG]
    words = [*tool, checkpoint, '--out', tmp_path / 'out']
    soft = ['pseudo_labels.soft_top_k=2']
    run([*words, *overrides(data), *soft])
    picture = tmp_path / 'out/mine/picture.png'
    picture.parent.mkdir()
    picture.write_bytes(b'mine')
    assert len(list((tmp_path / 'out').rglob('*.npz'))) == 5
    run([*words, '--overwrite', *overrides(data)])
    assert list((tmp_path / 'out').rglob('*.npz')) == []
    assert len(list((tmp_path / 'out').rglob('*.png'))) == 5 + 1
    assert picture.read_bytes() == b'mine'


def test_training_refuses_a_folder_without_a_manifest(data, failing, tmp_path):
    words = [FILE, '--pseudo-labels', tmp_path, '--work-dir', tmp_path / 'w']
    error = before_training(failing('train.py', words, options(data)))
    assert 'manifest.json' in error


def test_training_refuses_labels_of_other_images(
    labels, data, failing, tmp_path
):
    words = [FILE, '--pseudo-labels', labels[0], '--work-dir', tmp_path]
    fewer = {'train_dataloader.dataset.target.indices': 3}
    error = before_training(failing('train.py', words, options(data) | fewer))
    assert str(labels[0]) in error


def test_training_without_pseudo_labels_is_refused(data, failing, tmp_path):
    words = [FILE, '--work-dir', tmp_path]
    error = before_training(failing('train.py', words, options(data)))
    assert '--pseudo-labels' in error


def test_a_config_that_loads_none_is_named(data, labels, failing, tmp_path):
    config = demo_data.ROOT / 'configs/demo/demo_advent_gta2cs.py'
    words = [config, '--pseudo-labels', labels[0], '--work-dir', tmp_path]
    error = before_training(failing('train.py', words, options(data)))
    assert 'no domain of this config loads pseudo-labels' in error
