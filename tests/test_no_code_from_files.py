"""No tool and no reader runs what a file holds.

Tools are found on the disk and their options by their parsers. A new tool
needs a line in ``COMMANDS``.
"""

import argparse
import contextlib
import shutil

import demo_data
import payloads
import pytest
import torch
from mmengine.runner import Runner
from test_tools_train_and_test import overrides
from tools_in_process import load_tool

from mmuda.utils.cli import OptionsAction, run_tool

ROOT = demo_data.ROOT
CONFIG = ROOT / 'configs/demo/demo_advent_gta2cs.py'
LABELLED = ROOT / 'configs/demo/demo_ssl_gta2cs.py'
COTRAINING = ROOT / 'configs/cotraining/cotraining_demo.py'
ROOTS = ['--data-root', 'source={data}/GTA5', 'target={data}/Cityscapes']
EXPERIMENT = ROOT / 'experiments' / 'demo.yml'
CONVERTER = (['{checkpoint}', '{out}/converted.pth'], [])
RANKED = ['--out', '{out}/ranked']
FEW = ['--max-images', '1', '--max-source-images', '1', '--workers', '0']
KEPT = ('image_statistics', 'keep_scores')
# Positional words, and options, of a command that works.
COMMANDS = {
    'train.py': ([CONFIG], ['--work-dir', '{out}', '{options}']),
    'test.py': (
        [CONFIG, '{checkpoint}'],
        ['--work-dir', '{out}', '--out', '{out}/predicted', '{options}'],
    ),
    'predict.py': (
        ['{data}/Cityscapes/leftImg8bit/val'],
        ['--checkpoint', '{checkpoint}', '--out', '{out}/predicted'],
    ),
    'generate_pseudo_labels.py': (
        [LABELLED, '{checkpoint}'],
        ['--out', '{out}/labels', '{options}']
        + [f'pseudo_labels.{part}=True' for part in KEPT],
    ),
    'self_train.py': (
        [LABELLED],
        ['--work-dir', '{out}', '--initial-checkpoint', '{checkpoint}']
        + ['{options}'],
    ),
    'cotrain.py': (
        [COTRAINING],
        ['--work-dir', '{out}', '--dry-run', '--data-root']
        + ['source={data}/GTA5', 'target={data}/Cityscapes'],
    ),
    'demo.py': ([], ['--out', '{out}', '--data', '{data}', '--short']),
    'translate_lab.py': (
        ['{data}/GTA5/images', '{data}/Cityscapes/leftImg8bit/train']
        + ['{out}/translated'],
        ['--workers', '1'],
    ),
    'select_pseudo_labels.py sample': (
        [CONFIG],
        ['--number', '1', '--out', '{out}/keys.txt', *ROOTS],
    ),
    'select_pseudo_labels.py rank': (['{labels}'], RANKED),
    'select_pseudo_labels.py exchange': (
        ['{labels}'],
        ['--receiver', '{labels}', *RANKED],
    ),
    'select_pseudo_labels.py update': (['{labels}'], RANKED),
    'select_pseudo_labels.py merge': (['{labels}', '{others}'], RANKED),
    'misc/check_data.py': (
        [LABELLED],
        ['--all', '--workers', '1', '--pseudo-labels', '{labels}', *ROOTS],
    ),
    'misc/class_statistics.py': (
        [CONFIG],
        ['--workers', '1', '--out', '{out}/classes.npz', *ROOTS],
    ),
    'misc/draw_strip.py': (
        [CONFIG, '{checkpoint}', CONFIG, '{checkpoint}'],
        ['--out', '{out}/strip.png', *ROOTS],
    ),
    'misc/print_config.py': ([CONFIG], []),
    'misc/draw_methods.py': (['minent'], ['--folder', '{out}']),
    'misc/draw_views.py': ([], ['--folder', '{out}']),
    'misc/published_numbers.py': ([], ['--check']),
    'misc/results_page.py': ([], ['--check']),
    'misc/run_tutorials.py': ([], ['--check']),
    'run_experiments.py': ([EXPERIMENT], ['--out', '{out}', '--dry-run']),
    'analysis_tools/draw_experiments.py': (
        [EXPERIMENT],
        ['--runs', '{out}', '--out', '{out}'],
    ),
    'analysis_tools/confusion_matrix.py': (
        [CONFIG, '{predicted}'],
        ['--out', '{out}', '--workers', '1', *ROOTS],
    ),
    'analysis_tools/select_checkpoint.py': (
        [CONFIG, '{checkpoint}'],
        [*FEW, '--out', '{out}/scores.json', '{options}'],
    ),
    'analysis_tools/harm_report.py': (
        [CONFIG, '{checkpoint}'],
        ['--source-only', '{checkpoint}', '--pool', '--out']
        + ['{out}/harm.json', *FEW, '{options}'],
    ),
    'analysis_tools/browse_dataset.py': (
        [CONFIG],
        ['--count', '1', '--out', '{out}/samples']
        + ['--checkpoint', '{checkpoint}', '{options}'],
    ),
    'analysis_tools/report.py': (['{work_dir}'], []),
    'analysis_tools/label_free_experiment.py': (
        ['{pools}'],
        [*FEW, '--out', '{out}'],
    ),
    'analysis_tools/benchmark.py': (
        [],
        ['--config', CONFIG, '--only', 'sampler', '--set-sizes', '10']
        + ['--rounds', '1'],
    ),
    'dataset_converters/make_street_scenes.py': (
        ['{out}/scenes'],
        ['--source-images', '1', '--train-images', '1', '--val-images', '1']
        + ['--workers', '1', '--layouts', 'gta5'],
    ),
    'model_converters/advent.py': CONVERTER,
    'model_converters/coast.py': CONVERTER,
    'model_converters/daformer.py': CONVERTER,
    'model_converters/detectron2.py': CONVERTER,
    'model_converters/mtaf.py': CONVERTER,
    'model_converters/vfm_uda.py': CONVERTER,
    'model_converters/export.py': (
        [CONFIG, '{checkpoint}', '--out', '{out}/network.pt'],
        ['--size', '32', '48'],
    ),
    'model_converters/extract_segmentor.py': (
        ['{checkpoint}', '{out}/plain.pth'],
        ['--config', str(CONFIG), '--out-config', '{out}/plain.py'],
    ),
}
BACKBONE = 'model.segmentor.backbone'
# Their commands start processes, train for minutes or plan much.
LONG = ('self_train.py', 'demo.py', 'cotrain.py')


class Found(Exception):
    pass


def parser_of(tool, monkeypatch):
    """The parser that a tool makes."""

    def stop(parser, *args, **kwargs):
        raise Found(parser)

    with monkeypatch.context() as patch:
        for name in ('parse_args', 'parse_intermixed_args'):
            patch.setattr(argparse.ArgumentParser, name, stop)
        with pytest.raises(Found) as found:
            tool['parse_args']()
    return found.value.args[0]


def commands_on_disk(monkeypatch):
    """Parser of each tool, or of each of its subcommands."""
    parsers = {}
    for path in sorted((ROOT / 'tools').rglob('*.py')):
        name = str(path.relative_to(ROOT / 'tools'))
        parser = parser_of(load_tool(name), monkeypatch)
        parts = [
            action
            for action in parser._actions
            if isinstance(action, argparse._SubParsersAction)
        ]
        if not parts:
            parsers[name] = parser
        for part in parts:
            for command, sub in part.choices.items():
                parsers[f'{name} {command}'] = sub
    return parsers


def values_for(action, path):
    """What to pass to get a path in; nothing if an option takes none."""
    if action.nargs == 0 or action.choices:
        return []
    if isinstance(action, OptionsAction) and action.metavar == 'KEY=VALUE':
        weights = f'{{"type":"Pretrained","checkpoint":"{path}"}}'
        return [[f'load_from={path}'], [f'{BACKBONE}.init_cfg={weights}']]
    for text in (str(path), f'target={path}'):
        try:
            if action.type is not None:
                action.type(text)
        except (TypeError, ValueError, argparse.ArgumentTypeError):
            continue
        return [[text] * (action.nargs if action.nargs == 2 else 1)]
    return []


def fill(words, values):
    filled = []
    for word in map(str, words):
        if word == '{options}':
            filled += values['options']
        else:
            filled.append(word.format(**values))
    return filled


def run(name, words, monkeypatch):
    """Run a tool; its exit code, None after an error that it lets pass."""
    tool, _, command = name.partition(' ')
    functions = load_tool(tool)
    words = ['tool', *([command] if command else []), *map(str, words)]
    monkeypatch.setattr('sys.argv', words)
    with contextlib.suppress(Exception, SystemExit):
        return run_tool(functions['main'], functions['parse_args']())
    return None


def attempts(parser, name, values, payload):
    """Commands in each of which one word is a payload."""
    positional, options = (fill(words, values) for words in COMMANDS[name])
    for index in range(len(positional)):
        yield [
            *positional[:index],
            payload,
            *positional[index + 1 :],
            *options,
        ]
    for action in parser._actions:
        if action.option_strings:
            for more in values_for(action, payload):
                yield [*positional, *options, action.option_strings[0], *more]


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """Data, a checkpoint, labels and predictions, by name."""
    folder = tmp_path_factory.mktemp('world')
    data = demo_data.write(folder / 'data', count=2)
    options = list(map(str, overrides(data, **{'train_cfg.max_iters': 2})))
    values = dict(
        data=data,
        options=options,
        work_dir=folder / 'run',
        checkpoint=folder / 'run/iter_2.pth',
        labels=folder / 'labels/labels',
        predicted=folder / 'predicted/predicted',
    )
    cfg = demo_data.config(data, folder / 'run', max_iters=2)
    Runner.from_cfg(cfg).train()
    with pytest.MonkeyPatch.context() as patch:
        for name, part in (
            ('generate_pseudo_labels.py', 'labels'),
            ('test.py', 'predicted'),
        ):
            words = sum(COMMANDS[name], [])
            filled = fill(words, values | dict(out=folder / part))
            assert run(name, filled, patch) == 0
    values['pools'] = folder / 'pools'
    shutil.copytree(folder / 'run', values['pools'] / 'streets/run')
    values['others'] = folder / 'others'
    shutil.copytree(values['labels'], values['others'])
    return values


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folder that payloads make; it must not be there in the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    folder = tmp_path / 'made_by_payload'
    yield folder
    assert not folder.exists()


@pytest.mark.parametrize('kind', payloads.KINDS)
def test_each_payload_would_run(tmp_path, kind):
    target = tmp_path / 'made'
    path = payloads.write(kind, tmp_path, target)
    payloads.run_naively(path)
    assert target.exists()


def test_each_tool_is_known(monkeypatch):
    assert sorted(commands_on_disk(monkeypatch)) == sorted(COMMANDS)


def cases():
    for name in sorted(COMMANDS):
        for kind in payloads.KINDS:
            quick = kind == 'checkpoint' and name not in LONG
            marks = () if quick else pytest.mark.slow
            yield pytest.param(name, kind, marks=marks)


@pytest.mark.parametrize(('name', 'kind'), list(cases()))
def test_payload_as_each_argument(
    name, kind, world, made, tmp_path, monkeypatch
):
    parser = commands_on_disk(monkeypatch)[name]
    values = world | dict(out=tmp_path / 'out')
    payload = payloads.write(kind, tmp_path, made)
    count = 0
    for words in attempts(parser, name, values, payload):
        # It may have been named as the file to write.
        payloads.write(kind, tmp_path, made)
        run(name, words, monkeypatch)
        count += 1
        assert not made.exists(), words
    assert count


FOLDERS = [
    *(('misc/check_data.py', part) for part in ('labels', 'data')),
    *(('train.py', part) for part in ('labels', 'data')),
    *((name, 'labels') for name in COMMANDS if name.startswith('select')),
    ('misc/class_statistics.py', 'data'),
    ('translate_lab.py', 'data'),
    ('analysis_tools/confusion_matrix.py', 'predicted'),
    ('analysis_tools/report.py', 'work_dir'),
]
# Published networks, and data for a whole procedure, are not at hand.
UNFINISHED = ('model_converters/', 'cotrain.py')


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'folder'), FOLDERS)
def test_payloads_in_a_folder_that_is_read(
    name, folder, world, made, tmp_path, monkeypatch
):
    count = 0
    for part, copy in payloads.infected(
        world[folder], tmp_path / 'copy', made
    ):
        values = world | {'out': tmp_path / 'out', folder: copy}
        words = sum((fill(part, values) for part in COMMANDS[name]), [])
        if name == 'train.py':
            words[0] = LABELLED
            words += ['--pseudo-labels', values['labels'], *ROOTS]
            words = fill(words, values)
        run(name, words, monkeypatch)
        count += 1
        assert not made.exists(), part
    assert count


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted({*COMMANDS} - {'demo.py'}))
def test_payloads_in_what_an_earlier_run_left(
    name, world, made, tmp_path, monkeypatch
):
    """The commands work, and then go on over what they wrote."""
    out = tmp_path / 'out'
    out.mkdir()

    def words_for(folder):
        values = world | dict(out=folder)
        words = sum((fill(part, values) for part in COMMANDS[name]), [])
        return words if name != 'train.py' else [*words, '--resume']

    code = run(name, words_for(out), monkeypatch)
    assert code == 0 or name.startswith(UNFINISHED)
    for part, copy in payloads.infected(out, tmp_path / 'copy', made):
        run(name, words_for(copy), monkeypatch)
        assert not made.exists(), part


@pytest.mark.parametrize('automatic', [False, True])
def test_texts_of_a_checkpoint_that_is_continued(
    world, made, tmp_path, monkeypatch, automatic
):
    path = tmp_path / 'out' / 'iter_2.pth'
    path.parent.mkdir()
    whole = torch.load(world['checkpoint'], weights_only=False)
    torch.save(payloads.with_code(whole, made), path)
    values = world | dict(out=path.parent)
    words = sum((fill(part, values) for part in COMMANDS['train.py']), [])
    words += ['train_cfg.max_iters=3', '--resume']
    words += [] if automatic else [path]
    assert run('train.py', words, monkeypatch) == 0
    assert (path.parent / 'iter_3.pth').exists()
