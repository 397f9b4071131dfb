"""The experiment on pools of random networks, and on made-up records."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tools_in_process import load_tool, run_loaded
from toy_pools import cfg_classes, demo_pool, write_checkpoints
from typing_extensions import TypedDict

from experiments.label_free import experiment as module
from experiments.label_free.experiment import Record
from experiments.label_free.experiment_cache import CacheKey, ExperimentCache
from experiments.label_free.experiment_configs import runs_by_target
from experiments.label_free.experiment_groups import (
    FUSED_ORDER,
    RUN,
    Group,
    harm_detections,
    quality_of,
    score_names,
)
from experiments.label_free.experiment_runs import (
    ExperimentRun,
    find_runs,
    source_only_of,
)
from experiments.label_free.experiment_tables import report_text
from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.harm_alarms import Evidence
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.errors import ConfigError, DataError


def group(name, truth, **scores):
    rows = [
        {key: values[index] for key, values in scores.items()}
        for index in range(len(truth))
    ]
    return Group(RUN, name, truth, rows)


PERFECT = group('a', [1.0, 2.0, 3.0], BNM=[1, 2, 3], certainty=[3, 2, 1])
WORSE = group('b', [5.0, 4.0, 9.0], BNM=[2, 1, 0], certainty=[1, 1, 1])


def test_a_perfect_score_and_its_opposite():
    perfect, opposite = (
        quality_of([PERFECT], name) for name in ('BNM', 'certainty')
    )
    assert perfect.spearman == perfect.weighted_spearman == pytest.approx(1)
    assert (perfect.regret, perfect.worst_hits) == (0, 0)
    assert opposite.spearman == pytest.approx(-1)
    assert (opposite.regret, opposite.worst_hits) == (2, 1)
    assert perfect.top == opposite.top == 2


def test_means_over_groups():
    found = quality_of([PERFECT, WORSE], 'BNM')
    assert found.groups == 2
    assert found.regret == 2
    assert found.largest_regret == 4
    # of b: ranks 3, 2, 1 against 2, 1, 3
    assert found.spearman == pytest.approx((1 - 0.5) / 2)


def test_a_score_that_does_not_vary_has_no_correlation():
    found = quality_of([WORSE], 'certainty')
    assert math.isnan(found.spearman)
    assert found.regret == pytest.approx(3)
    assert found.worst_hits == 1


def test_a_score_that_nobody_has():
    assert quality_of([PERFECT], 'EnsV') is None
    assert score_names([PERFECT]) == [FUSED_ORDER, 'BNM', 'certainty']


def run_of(pool='p', name='r', method='minent', seed=0, source_only=False):
    role = 'source_only' if source_only else 'method'
    return ExperimentRun(pool, name, Path('a.py'), (), method, seed, role)


def record(pool, harmful, alarms, loss):
    state = Evidence(LabelFreeState(2))
    return Record(
        run_of(pool),
        1,
        30.0,
        state,
        None,
        None,
        alarms=alarms,
        harmful=harmful,
        losses=dict(BNM_r=loss),
    )


def test_text_of_the_results():
    records = [
        record('a', True, ('collapse', 'takeover'), 3.0),
        record('b', False, (), 1.0),
    ]
    text = report_text(
        records, [PERFECT, WORSE], harm_detections(records), ['a note']
    )
    assert '| BNM | 2 | ' in text
    assert '## Choosing among checkpoints of a run' in text
    assert '1 of 2 adapted checkpoints' in text
    assert '- a note' in text
    widths = {
        line.count('|') for line in text.splitlines() if line[:2] == '| '
    }
    assert widths == {6, 8, 10}


def test_source_only_of_the_same_seed():
    runs = [
        run_of(name='s0', seed=0, source_only=True),
        run_of(name='s1', seed=1, source_only=True),
        run_of('q', 's1', seed=1, source_only=True),
    ]
    assert source_only_of(run_of(seed=1), runs) is runs[1]
    assert source_only_of(run_of(seed=7), runs) is runs[0]
    assert source_only_of(run_of('z'), runs) is None


def test_sums_are_kept_as_they_are(tmp_path):
    cache, state, source = (
        ExperimentCache(tmp_path),
        LabelFreeState(3),
        SourceState(3),
    )
    p = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    state.update(p)
    source.update(p.softmax(1), torch.zeros(2, 4, 5).long())
    cache.write_evidence('a', Evidence(state, source))
    found = cache.read_evidence('a')
    for name, value in state.sums.items():
        assert torch.equal(found.state[name], value)
    assert torch.equal(
        found.state.confidences.counts, state.confidences.counts
    )
    for name in ('confusion', 'confidence', 'images'):
        assert torch.equal(getattr(found.source, name), vars(source)[name])
    assert torch.equal(found.source.right.counts, source.right.counts)
    assert torch.equal(found.source.wrong.counts, source.wrong.counts)
    assert cache.read_evidence('b') is None
    assert cache.read('b') is None


def test_damaged_sums(tmp_path):
    (tmp_path / 'a.npz').write_bytes(b'nothing')
    with pytest.raises(DataError, match='damaged'):
        ExperimentCache(tmp_path).read_evidence('a')


def test_values_that_are_no_numbers_can_be_read_again(tmp_path):
    cache = ExperimentCache(tmp_path)
    cache.write('a', dict(agreement=[math.nan, 50.0]))
    assert cache.read('a') == dict(agreement=[None, 50.0])


class Truth(TypedDict):
    mIoU: float


def test_kept_values_of_another_kind_are_damaged(tmp_path):
    cache = ExperimentCache(tmp_path)
    for content in ({}, {'mIoU': '3'}):
        cache.write('a', content)
        with pytest.raises(DataError, match='is damaged.*mIoU'):
            cache.read('a', Truth)


def test_names_of_what_is_kept():
    key = CacheKey(Sampling(), 'data')
    assert key.of(['a']) == CacheKey(Sampling(workers=9), 'data').of(['a'])
    others = [
        key.of(['b']),
        key.of(['a', 'b']),
        CacheKey(Sampling(images='val'), 'data').of(['a']),
        CacheKey(Sampling(), 'other').of(['a']),
        CacheKey(Sampling(precision='bf16'), 'data').of(['a']),
        CacheKey(Sampling(), 'data', 'network').of(['a']),
    ]
    assert len({key.of(['a']), *others}) == 7


def write_runs(folder):
    """A source-only run with two checkpoints and an adapted one with two."""
    cfg, files = demo_pool(folder, 4)
    root = folder / 'pools'
    for index, (name, method) in enumerate(
        (('first', 'SourceOnly'), ('second', 'MinEnt'))
    ):
        run = root / 'streets' / name
        run.mkdir(parents=True)
        own = Config(cfg.to_dict())
        own.randomness = dict(seed=3)
        if method == 'SourceOnly':
            own.model.type = method
            own.model.pop('entropy_weights')
            own.model.pop('warmup_iters', None)
            own.train_dataloader.dataset.pop('target')
        own.dump(run / f'{method}.py')
        for number, file in enumerate(files[2 * index :][:2], 1):
            shutil.copyfile(file, run / f'iter_{number}.pth')
    return root


@pytest.fixture(scope='module')
def pools(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp('experiment'))


def experiment(pools, out, monkeypatch, capsys):
    words = [pools, '--out', out, '--workers', 0, '--max-images', 2]
    words += ['--max-source-images', 2, '--second-view-every', 1]
    tool = load_tool('analysis_tools/label_free_experiment.py')
    code, printed = run_loaded(tool, words, monkeypatch, capsys)
    assert code == 0, printed
    return printed


def test_runs_are_found(pools):
    first, second = find_runs(pools)
    assert (first.pool, first.name, first.seed) == ('streets', 'first', 3)
    assert (first.is_source_only, second.is_source_only) == (True, False)
    assert [p.name for p in second.checkpoints] == [
        'iter_1.pth',
        'iter_2.pth',
    ]


def test_an_experiment_is_continued(pools, tmp_path, monkeypatch, capsys):
    printed = experiment(pools, tmp_path, monkeypatch, capsys)
    assert printed.count('mIoU') > 4
    results = json.loads((tmp_path / 'results.json').read_text())
    records = results['records']
    assert [r['run'] for r in records] == ['first'] * 2 + ['second'] * 2
    assert all(0 <= r['mIoU'] <= 100 for r in records)
    assert [r['harmful'] is None for r in records] == [True] * 2 + [False] * 2
    assert [r['role'] for r in records[1:3]] == ['source_only', 'method']
    # Of the pool's last two, which see their mean from either side.
    assert [r['across'] is None for r in records] == [True, False] * 2
    judged = results['harm']['against the pool']['streets']
    own, source_only = records[3]['across'], records[1]['across']
    warned = 'against the pool' in records[3]['alarms']
    assert (warned, judged['count']) == (own < source_only, 1)
    kinds = [group['kind'] for group in results['groups']]
    assert kinds == ['checkpoints of a run', 'checkpoints of a run', 'methods']
    assert all('EnsV' in row for row in results['groups'][2]['rows'])
    assert '## Finding harm' in (tmp_path / 'results.md').read_text() or all(
        r['harmful'] is None for r in records
    )

    def fail(*_):
        raise AssertionError('computed twice')

    monkeypatch.setattr(module, 'evaluate_pool', fail)
    monkeypatch.setattr(module, 'true_miou', fail)
    experiment(pools, tmp_path, monkeypatch, capsys)
    again = json.loads((tmp_path / 'results.json').read_text())
    assert again == results
    assert again['precision'] == 'fp32'


def test_kept_files_may_be_removed(pools, tmp_path, monkeypatch, capsys):
    experiment(pools, tmp_path, monkeypatch, capsys)
    results = (tmp_path / 'results.json').read_text()
    # As the message about a damaged one says.
    min((tmp_path / 'cache').glob('*.npz')).unlink()
    experiment(pools, tmp_path, monkeypatch, capsys)
    assert (tmp_path / 'results.json').read_text() == results


def test_a_run_of_one_checkpoint(pools, tmp_path, monkeypatch, capsys):
    kept = tmp_path / 'pools'
    shutil.copytree(pools, kept)
    (kept / 'streets' / 'second' / 'iter_1.pth').unlink()
    for _ in range(2):
        experiment(kept, tmp_path / 'out', monkeypatch, capsys)
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    runs = [record['run'] for record in results['records']]
    assert runs == ['first', 'first', 'second']


def test_runs_of_another_network_are_ranked_too(
    pools, tmp_path, monkeypatch, capsys
):
    """It is smaller, sees smaller images, and its teacher is tested."""
    kept = tmp_path / 'pools'
    shutil.copytree(pools, kept)
    (run,) = (kept / 'streets').glob('second')
    for name in ('first', 'second'):
        (kept / 'streets' / name / 'iter_1.pth').unlink()
    cfg = find_runs(kept)[1].load()
    segmentor = cfg.model.segmentor
    segmentor.backbone |= dict(base_channels=4, stem_channels=4)
    segmentor.decode_head.in_channels = 16
    segmentor.auxiliary_head.in_channels = 8
    cfg.model |= dict(teacher=True, predict_on='teacher')
    cfg.val_dataloader.dataset.pipeline[1].scale = (128, 64)
    third = run.with_name('third')
    third.mkdir()
    cfg.dump(third / 'Small.py')
    write_checkpoints(third, cfg.model, cfg_classes(cfg), 1)
    experiment(kept, tmp_path / 'out', monkeypatch, capsys)
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert results['notes'] == []
    assert [r['run'] for r in results['records']] == [
        *('first', 'second', 'third')
    ]
    (group,) = results['groups']
    agreements = [row['EnsV'] for row in group['rows']]
    assert all(0 <= value <= 100 for value in agreements)
    assert max(agreements) > 0
    cache = ExperimentCache(tmp_path / 'out' / 'cache')
    pixels = sorted(
        int(cache.read_evidence(file.stem).state['pixels'])
        for file in cache.folder.glob('*.npz')
    )
    # of two images, at an eighth of their size
    assert pixels == [2 * 9 * 17, 2 * 17 * 33, 2 * 17 * 33]


def test_the_truth_is_that_of_the_test_tool(
    pools, tmp_path, monkeypatch, capsys
):
    experiment(pools, tmp_path, monkeypatch, capsys)
    results = json.loads((tmp_path / 'results.json').read_text())
    checkpoint = pools / 'streets' / 'second' / 'iter_2.pth'
    config = pools / 'streets' / 'second' / 'MinEnt.py'
    words = [config, checkpoint, '--work-dir', tmp_path / 'test']
    code, printed = run_loaded(
        load_tool('test.py'), words, monkeypatch, capsys
    )
    assert code == 0, printed
    (scalars,) = (tmp_path / 'test').glob('*/*.json')
    found = json.loads(scalars.read_text())['cityscapes/mIoU']
    assert results['records'][3]['mIoU'] == pytest.approx(found, abs=0.006)


def test_each_of_several_targets_is_a_pool():
    runs = [run_of('p', 'a'), run_of('p', 'b'), run_of('q', 'a')]
    targets = dict(rome=dict(type='A'), oslo=dict(type='A'))
    several = Config(
        dict(train_dataloader=dict(dataset=dict(targets=targets)))
    )
    single = Config(
        dict(train_dataloader=dict(dataset=dict(target=dict(type='A'))))
    )
    data = dict(p=several, q=single)
    found, configs = runs_by_target(runs, data, None)
    assert [(run.pool, run.name, run.domain) for run in found] == [
        ('p/oslo', 'a', 'oslo'),
        ('p/oslo', 'b', 'oslo'),
        ('p/rome', 'a', 'rome'),
        ('p/rome', 'b', 'rome'),
        ('q', 'a', None),
    ]
    assert configs['p/rome'] is configs['p/oslo'] is several
    found, configs = runs_by_target(runs[:2], data, 'rome')
    assert [(run.pool, run.domain) for run in found] == [('p', 'rome')] * 2


def test_no_runs(tmp_path):
    with pytest.raises(DataError, match='has no runs'):
        find_runs(tmp_path)


def test_a_run_without_its_config(tmp_path):
    run = tmp_path / 'pool' / 'run'
    run.mkdir(parents=True)
    (run / 'iter_1.pth').touch()
    with pytest.raises(ConfigError, match='has 0 configs'):
        find_runs(tmp_path)
