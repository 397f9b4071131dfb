"""Weights that would predict wrongly without a word, through every tool."""

import re
import uuid

import demo_data
import pytest
import torch
from failing_tools import CONFIG, error_of
from mmengine.runner import Runner
from tools_in_process import load_tool, run_loaded

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.setup_env import register_all_modules

HEAD = 'segmentor.decode_head.'
LABELLING = demo_data.ROOT / 'configs' / 'demo' / 'demo_esl_gta2cs.py'
EXTRACT = load_tool('model_converters/extract_segmentor.py')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=1)


@pytest.fixture(scope='module')
def checkpoint(data, tmp_path_factory):
    register_all_modules()
    work_dir = tmp_path_factory.mktemp('trained')
    changes = {
        'train_cfg.max_iters': 1,
        'default_hooks.checkpoint.interval': 1,
    }
    Runner.from_cfg(demo_data.config(data, work_dir, **changes)).train()
    return work_dir / 'iter_1.pth'


def swapped(content):
    names = list(content['meta']['dataset_meta']['classes'])
    names[0], names[1] = names[1], names[0]
    content['meta']['dataset_meta']['classes'] = names


def renamed(content):
    names = list(content['meta']['dataset_meta']['classes'])
    names[3] = 'hedge'
    content['meta']['dataset_meta']['classes'] = names


def headless(content):
    state = content['state_dict']
    for name in [n for n in state if n.startswith(HEAD)]:
        del state[name]


def change(content, function):
    """Change the last tensor of the main head."""
    state = content['state_dict']
    name = [n for n in state if n.startswith(HEAD)][-1]
    state[name] = function(state[name])


def integers(content):
    change(content, lambda tensor: tensor.to(torch.int8))


def complex_numbers(content):
    change(content, lambda tensor: tensor.to(torch.complex64))


def not_a_number(content):
    change(content, lambda tensor: tensor * float('nan'))


def infinite(content):
    change(content, lambda tensor: tensor.new_full(tensor.shape, -torch.inf))


FAULTS = {
    swapped: "the same classes in another order .*0 is 'sidewalk' there, 'roa",
    renamed: "other classes .*3 is 'hedge' there, 'wall' here",
    headless: 'missing .*decode_head',
    integers: 'int8 instead of float32',
    complex_numbers: 'complex64 instead of float32',
    not_a_number: '1 tensors hold NaN or infinite values .*decode_head',
    infinite: '1 tensors hold NaN or infinite values .*decode_head',
}
# A run is not resumed from another model, which is said before.
RESUMED = FAULTS | {headless: 'checkpoint of another model'}
TOOLS = {
    'load': ('train.py', ['--load-from', 'FILE'], FAULTS),
    'resume': ('train.py', ['--resume', 'FILE'], RESUMED),
    'test': ('test.py', ['FILE'], FAULTS),
    'ensemble': ('test.py', ['SOUND', 'FILE'], FAULTS),
    'label': ('generate_pseudo_labels.py', ['FILE'], FAULTS),
}


# These stand for the others everywhere; all are tried for two of the uses.
QUICK = (swapped, headless, not_a_number)


@pytest.mark.parametrize(
    ('use', 'fault'),
    [
        pytest.param(
            *(use, fault),
            marks=()
            if fault in QUICK or use in ('test', 'label')
            else pytest.mark.slow,
            id=f'{use}-{fault.__name__}',
        )
        for use in TOOLS
        for fault in FAULTS
    ],
)
def test_one_line_tells_what_is_wrong(
    data, checkpoint, tmp_path, monkeypatch, capfd, use, fault
):
    content = load_checkpoint_file(checkpoint)
    fault(content)
    file = tmp_path / 'wrong.pth'
    torch.save(content, file)
    tool, words, messages = TOOLS[use]
    files = {'FILE': file, 'SOUND': checkpoint}
    words = [files.get(word, word) for word in words]
    options = demo_data.options(data, max_iters=3, interval=3)
    if use == 'label':
        words = [LABELLING, *words, '--out', tmp_path / 'labels']
        options.pop('model.discriminator.base_channels')
    else:
        words = [CONFIG, '--work-dir', tmp_path / 'work', *words]
    error, output = error_of(tool, words, options, monkeypatch, capfd)
    assert re.search(messages[fault], error), error
    assert 'Iter(' not in output
    assert not list(tmp_path.glob('labels/**/*.png'))


def test_an_ensemble_of_other_classes_is_refused(
    data, checkpoint, tmp_path, monkeypatch, capfd
):
    content = load_checkpoint_file(checkpoint)
    swapped(content)
    file = tmp_path / 'wrong.pth'
    torch.save(content, file)
    words = [CONFIG, '--work-dir', tmp_path / 'work', file, file]
    options = demo_data.options(data)
    error, output = error_of('test.py', words, options, monkeypatch, capfd)
    assert re.search(f'the ensemble was .*{FAULTS[swapped]}', error)
    assert 'Iter(' not in output


@pytest.mark.parametrize(
    ('fault', 'message'),
    [
        (headless, 'has no decode_head'),
        (not_a_number, 'hold NaN or infinite values'),
    ],
)
def test_no_broken_network_is_extracted(
    checkpoint, tmp_path, monkeypatch, capfd, fault, message
):
    content = load_checkpoint_file(checkpoint)
    fault(content)
    torch.save(content, tmp_path / 'wrong.pth')
    words = [tmp_path / 'wrong.pth', tmp_path / 'plain.pth']
    code, text = run_loaded(EXTRACT, words, monkeypatch, capfd)
    assert code == 2
    assert message in text
    assert not (tmp_path / 'plain.pth').exists()


def test_extraction_compares_with_the_config(
    checkpoint, tmp_path, monkeypatch, capfd
):
    """The demo's real width is another than that of this checkpoint."""
    words = [checkpoint, tmp_path / 'plain.pth', '--config', CONFIG]
    words += ['--out-config', tmp_path / 'plain.py']
    code, text = run_loaded(EXTRACT, words, monkeypatch, capfd)
    assert code == 2
    assert 'does not fit the model of this config' in text
    assert '--new-parts' not in text
    assert not (tmp_path / 'plain.py').exists()


def test_names_are_compared_without_case_and_underscores(
    data, checkpoint, tmp_path, monkeypatch, capfd
):
    content = load_checkpoint_file(checkpoint)
    names = content['meta']['dataset_meta']['classes']
    content['meta']['dataset_meta']['classes'] = [
        name.upper().replace(' ', '_') for name in names
    ]
    torch.save(content, tmp_path / 'upper.pth')
    words = [CONFIG, '--work-dir', tmp_path / 'work', tmp_path / 'upper.pth']
    # So says the config in the work dir of a resumed run.
    options = demo_data.options(data) | {'resume': True}
    code, text = run_loaded(
        load_tool('test.py'),
        [*words, '--cfg-options', *(f'{k}={v}' for k, v in options.items())],
        monkeypatch,
        capfd,
    )
    assert (code, 'mIoU' in text) == (0, True)


@pytest.mark.parametrize('words', [[], ['--resume']])
def test_new_parts_need_weights_to_start_from(
    data, tmp_path, monkeypatch, capfd, words
):
    words = [CONFIG, '--work-dir', tmp_path, '--new-parts', 'heads', *words]
    options = demo_data.options(data)
    error, _ = error_of('train.py', words, options, monkeypatch, capfd)
    assert error == 'error: --new-parts goes with --load-from CHECKPOINT'


SIXTEEN = {
    'train_dataloader.dataset.source.label_set': 'synthia16',
    'train_dataloader.dataset.target.label_set': 'synthia16',
    'val_dataloader.dataset.label_set': 'synthia16',
    'test_dataloader.dataset.label_set': 'synthia16',
    'model.segmentor.decode_head.num_classes': 16,
    'model.segmentor.auxiliary_head.num_classes': 16,
    'model.discriminator.in_channels': 16,
    'optim_wrapper.segmentor.optimizer.lr': 1e-30,
}


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ([], 'segmentor .* all together: --new-parts heads discriminator$'),
        (['heads'], 'discriminator .* --new-parts discriminator'),
        (['head'], "no 'head' that .*_head, discriminator .did you mean 'he"),
    ],
)
def test_another_number_of_classes_is_explained(
    data, checkpoint, tmp_path, monkeypatch, capfd, parts, message
):
    words = [CONFIG, '--work-dir', tmp_path, '--load-from', checkpoint]
    words += ['--new-parts', *parts] if parts else []
    options = demo_data.options(data, 1, 1) | SIXTEEN
    error, _ = error_of('train.py', words, options, monkeypatch, capfd)
    assert re.search(message, error), error


def test_another_number_of_classes_trains(
    data, checkpoint, tmp_path, monkeypatch, capfd
):
    options = demo_data.options(data, 1, 1) | SIXTEEN
    options['experiment_name'] = uuid.uuid4().hex
    words = [CONFIG, '--work-dir', tmp_path, '--load-from', checkpoint]
    words += ['--new-parts', 'heads', 'discriminator', '--cfg-options']
    words += [f'{key}={value}' for key, value in options.items()]
    code, text = run_loaded(load_tool('train.py'), words, monkeypatch, capfd)
    assert code == 0, text
    trained = load_checkpoint_file(checkpoint)['state_dict']
    state = load_checkpoint_file(tmp_path / 'iter_1.pth')['state_dict']
    name = 'segmentor.backbone.layer1.0.conv1.weight'
    assert torch.equal(state[name], trained[name])
    heads = [n for n in state if n.startswith(HEAD) and n.endswith('bias')]
    assert {len(state[name]) for name in heads} == {16}
