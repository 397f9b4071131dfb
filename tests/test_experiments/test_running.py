"""Which runs are done, continued, refused and told; tools stand in."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from experiments import Runner, plan_runs, read_experiment
from experiments.recipes import checksum

FILE = """\
title: Toys
source_only: plain
rows:
  later:
    config: configs/demo/demo_dacs_gta2cs.py
    starts_from: plain
    options: {train_cfg.max_iters: 3}
  plain:
    config: configs/demo/demo_source_only_gta2cs.py
    options: {train_cfg.max_iters: 2}
  other:
    config: configs/demo/demo_minent_gta2cs.py
    options: {train_cfg.max_iters: 4}
"""
# It trains at once, unless its folder says otherwise.
TRAIN = """\
import os, sys, time
words = sys.argv[1:]
folder = words[words.index('--work-dir') + 1]
(last,) = [w for w in words if w.startswith('train_cfg.max_iters=')]
with open(os.path.join(folder, 'train.words'), 'a') as file:
    file.write(' '.join(words) + chr(10))
row = folder.split('/')[-2]
plan = os.environ.get('PLAN', '')
if row + ':wait' in plan:
    open(os.path.join(folder, 'waits'), 'w').close()
    time.sleep(60)
if row + ':fail' in plan:
    print('error: no such class')
    sys.exit(2)
open(os.path.join(folder, f'iter_{last.partition("=")[2]}.pth'), 'w').close()
"""
TEST = """\
import json, os, sys
words = sys.argv[1:]
folder = os.path.join(words[words.index('--work-dir') + 1], 'now')
os.makedirs(folder, exist_ok=True)
assert os.path.isfile(words[1]), words[1]
with open(os.path.join(folder, 'now.json'), 'w') as file:
    values = {'city/mIoU': 30.0, 'city/IoU.train': float('nan'), 'time': 0.1}
    json.dump(values, file)
"""


class Toys:
    """Runs of a file in a folder, and what is told."""

    def __init__(self, folder):
        self.folder, self.told = folder, []
        self.file = folder / 'toys.yml'
        self.file.write_text(FILE)
        self.tools = folder / 'tools'
        self.tools.mkdir()
        for name, text in (('train', TRAIN), ('test', TEST)):
            (self.tools / f'{name}.py').write_text(text)

    def runner(self, only=None, seeds=(0,), changed='refuse', keep=None):
        self.told.clear()
        experiment = read_experiment(self.file)
        out = self.folder / 'out'
        runs = plan_runs(experiment, only, seeds, out, {}, 'fp32')
        return Runner(
            self.tools, runs, {}, [{}], 1, keep, changed, self.told.append
        )

    def run(self, *args, **options):
        runner = self.runner(*args, **options)
        runner.run()
        return runner

    def change(self, old, new):
        assert old in FILE
        self.file.write_text(FILE.replace(old, new))

    def words(self, row, seed=0):
        folder = self.folder / 'out/toys' / row / f'seed_{seed}'
        lines = (folder / 'train.words').read_text().splitlines()
        return [line.split() for line in lines]

    def result(self, row, seed=0):
        folder = self.folder / 'out/toys' / row / f'seed_{seed}'
        return json.loads((folder / 'result.json').read_text())


@pytest.fixture
def toys(tmp_path):
    return Toys(tmp_path)


def names_told(toys, word):
    return [line.split(':')[0] for line in toys.told if word in line]


def test_all_rows_of_a_seed_come_before_the_next(toys):
    runner = toys.run(seeds=[1, 0])
    assert runner.failed == {}
    assert names_told(toys, ': begins (') == [
        *('plain seed 1', 'later seed 1', 'other seed 1'),
        *('plain seed 0', 'later seed 0', 'other seed 0'),
    ]
    assert toys.told[0] == 'plain seed 1: begins (2 iterations); 6 left'
    assert toys.told[-1].startswith('other seed 0: city/mIoU 30.00 after ')
    assert toys.told[-1].endswith(' of training; 0 left, about 0 s')


def test_a_row_starts_from_the_last_checkpoint_of_its_seed(toys):
    toys.run(['later'], seeds=[3])
    (words,) = toys.words('later', 3)
    start = toys.folder / 'out/toys/plain/seed_3/iter_2.pth'
    assert words[words.index('--load-from') + 1] == str(start)
    assert words[words.index('--seed') + 1] == '3'
    assert '--resume' in words


def test_result_tells_where_it_comes_from(toys):
    runner = toys.run(['later'])
    result = toys.result('later')
    assert result['metrics'] == {'city/mIoU': 30.0, 'city/IoU.train': None}
    assert result['config'] == 'configs/demo/demo_dacs_gta2cs.py'
    assert result['options'] == {'train_cfg.max_iters': 3}
    assert result['checksum'] == checksum(runner.runs[1].course())
    assert (result['iterations'], result['checkpoint']) == (3, 'iter_3.pth')
    assert (result['seed'], result['amp'], result['threads']) == (0, 'fp32', 1)
    assert result['starts_from'] == 'plain'
    assert (result['role'], toys.result('plain')['role']) == (
        'method',
        'source_only',
    )
    assert {'torch', 'mmengine', 'mmcv', 'mmseg'} <= result['versions'].keys()
    assert result['source_only'] == 'plain'
    assert len(result['commits']) == 1


def test_finished_runs_are_not_run_again(toys):
    toys.run(['plain'])
    toys.run()
    assert toys.told[0] == 'plain seed 0: done before'
    assert len(toys.words('plain')) == 1
    assert set(toys.run().statuses().values()) == {'finished'}


def test_a_failing_run_stops_only_what_starts_from_it(toys, monkeypatch):
    monkeypatch.setenv('PLAN', 'plain:fail')
    runner = toys.run()
    log = toys.folder / 'out/toys/plain/seed_0/train.log'
    assert runner.failed == {
        'plain seed 0': f'ended with 2, see {log}: error: no such class',
        'later seed 0': 'not run, as plain seed 0 is not trained',
    }
    assert toys.result('other')['metrics']['city/mIoU'] == 30


def test_a_stopped_run_goes_on(toys, monkeypatch):
    monkeypatch.setenv('PLAN', 'plain:wait')
    folder = toys.folder / 'out/toys/plain/seed_0'

    def stop():
        while not Path(folder, 'waits').exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        toys.run(keep=1)
    thread.join()
    assert names_told(toys, ': begins') == ['plain seed 0']
    assert names_told(toys, 'the same command') == ['plain seed 0']
    assert [*toys.runner().statuses().values()] == ['begun', 'new', 'new']
    monkeypatch.setenv('PLAN', '')
    seconds = json.loads((folder / 'run.json').read_text())['seconds']
    assert toys.run(keep=2).failed == {}
    assert names_told(toys, ': goes on') == ['plain seed 0']
    assert toys.result('plain')['seconds'] >= seconds > 0
    # As many checkpoints as when it began.
    first, second = toys.words('plain')
    assert first == second


def test_checkpoints_along_the_way_are_spread(toys):
    toys.run(['other'], keep=3)
    (words,) = toys.words('other')
    options = words[words.index('--cfg-options') + 1 :]
    assert options == [
        'train_cfg.max_iters=4',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.checkpoint.max_keep_ckpts=3',
    ]


def test_a_changed_recipe_is_refused(toys):
    toys.run()
    toys.change('max_iters: 2', 'max_iters: 5')
    runner = toys.run()
    assert list(runner.failed) == ['plain seed 0', 'later seed 0']
    reason = runner.failed['plain seed 0']
    assert reason.startswith(
        'refused, since its recipe is another one (config: '
        'train_cfg.max_iters was 2, now 5): --changed rerun '
    )
    assert names_told(toys, 'done before') == ['other seed 0']


def test_a_changed_recipe_is_run_anew(toys):
    toys.run()
    toys.change('max_iters: 3', 'max_iters: 5')
    assert toys.run(changed='rerun').failed == {}
    assert names_told(toys, ': removed, since') == ['later seed 0']
    assert len(toys.words('later')) == len(toys.words('plain')) == 1
    assert toys.result('later')['iterations'] == 5


def test_results_of_a_changed_recipe_are_kept(toys):
    toys.run(['later'])
    before = toys.result('later')
    toys.change('max_iters: 3', 'max_iters: 5')
    assert toys.run(changed='keep').failed == {}
    assert names_told(toys, ': kept, though') == ['later seed 0']
    assert toys.result('later') == before


def test_another_test_needs_no_training(toys):
    toys.run()
    toys.change('max_iters: 4}', 'max_iters: 4}\n    test: {tta: true}')
    assert toys.runner().statuses()['other seed 0'] == 'trained'
    before = toys.result('other')
    toys.run()
    after = toys.result('other')
    assert after['checksum'] == before['checksum']
    assert after['test_checksum'] != before['test_checksum']
    assert len(toys.words('other')) == 1


def test_a_checkpoint_that_others_need_is_made_again(toys):
    toys.run(['plain'])
    runner = toys.runner()
    runner.runs[0].checkpoint.unlink()
    assert runner.statuses()['plain seed 0'] == 'begun'
    assert toys.run().failed == {}
    assert len(toys.words('plain')) == 2


def test_folders_of_data_do_not_make_another_recipe(toys):
    first = toys.runner().runs[0].course()
    line = 'options: {train_cfg.max_iters: 2'
    toys.change(line, line + ', train_dataloader.dataset.source.data_root: x')
    assert toys.runner().runs[0].course() == first
