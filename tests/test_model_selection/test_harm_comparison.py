"""Comparing with source-only: tool and options."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tools_in_process import load_tool, run_loaded
from toy_pools import demo_pool

from mmuda.model_selection.checkpoint_scores import SEEN_SOURCE
from mmuda.model_selection.harm_comparison import (
    ONE_RUN,
    compare_with_source_only,
    thresholds_of,
)
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.errors import CheckpointError, ConfigError

SAMPLING = Sampling(target_count=2, source_count=2, workers=0)


@pytest.fixture(scope='module')
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp('harm')
    cfg, files = demo_pool(folder)
    # The third takes all for road.
    state = torch.load(files[2], weights_only=False)
    for name, value in state['state_dict'].items():
        if 'decode_head' in name and value.shape == (19,):
            value.zero_()[0] = 100
    torch.save(state, files[2])
    config = folder / 'config.py'
    cfg.dump(config)
    return cfg, files, config


def run(tool, pool, words, monkeypatch, capsys):
    sampling = ['--max-images', 2, '--max-source-images', 2, '--workers', 0]
    loaded = load_tool(f'analysis_tools/{tool}.py')
    return run_loaded(
        loaded, [pool[2], *words, *sampling], monkeypatch, capsys
    )


def test_all_road_harms(pool):
    cfg, (first, second, road), _ = pool
    found = compare_with_source_only(
        cfg, road, first, [second], SAMPLING, lambda *_: None
    )
    assert found.report.harms
    names = [alarm.name for alarm in found.report.alarms]
    assert 'takeover' in names
    assert found.report.unknown[-1] == ONE_RUN
    assert found.voters == tuple(found.scores.names)
    scores = found.scores
    assert scores.rows[0]['BNM_r'] == pytest.approx(
        1 / math.sqrt(19), rel=1e-3
    )


def test_the_same_does_not_harm(pool, tmp_path):
    cfg, (first, *_), _ = pool
    copy = tmp_path / 'copy.pth'
    shutil.copyfile(first, copy)
    found = compare_with_source_only(
        cfg, str(copy), first, [], SAMPLING, lambda *_: None
    )
    assert found.report.alarms == ()


def taught(pool, tested, folder):
    """An adapted checkpoint with a teacher that takes all for road."""
    cfg = pool[0].copy()
    cfg.model = cfg.model | dict(teacher=True, predict_on=tested)
    states = [
        torch.load(file, weights_only=False)['state_dict']
        for file in (pool[1][1], pool[1][2])
    ]
    student, road = states
    state = student | {
        name.replace('segmentor', 'teacher', 1): value
        for name, value in road.items()
        if name.startswith('segmentor.')
    }
    torch.save(dict(state_dict=state), folder / 'iter_9.pth')
    return cfg, str(folder / 'iter_9.pth')


def test_the_network_that_is_tested_is_judged(pool, tmp_path):
    first = pool[1][0]
    found = {}
    for tested in ('teacher', 'segmentor'):
        cfg, file = taught(pool, tested, tmp_path)
        # Source-only has no teacher.
        found[tested] = compare_with_source_only(
            cfg, file, first, [], SAMPLING, lambda *_: None
        )
    road, student = found.values()
    names = [alarm.name for alarm in road.report.alarms]
    assert 'takeover' in names
    assert 'takeover' not in [a.name for a in student.report.alarms]
    assert [name.partition('.pth')[2] for name in road.scores.names] == [
        *('', ' (segmentor)', ' (segmentor)')
    ]
    assert [name.partition('.pth')[2] for name in student.scores.names] == [
        *('', '', ' (teacher)')
    ]
    # The same three networks, in another order.
    for one, other in ((0, 2), (1, 1), (2, 0)):
        sums = road.scores.evidence.states[one]['gram']
        others = student.scores.evidence.states[other]['gram']
        assert torch.equal(sums, others)
    assert road.disagreement == student.disagreement
    ratio = student.scores.evidence.states[0]['predicted']
    expected = 1 - float(ratio[0] / ratio.sum())
    assert road.disagreement == pytest.approx(expected)
    assert road.content()['teacher_disagreement'] == road.disagreement
    share = f'{100 * road.disagreement:.1f} %'
    assert road.lines()[0].startswith(f'student and teacher differ on {share}')


def test_of_a_teacher_of_no_numbers_no_disagreement_is_known(pool, tmp_path):
    cfg, file = taught(pool, 'segmentor', tmp_path)
    content = torch.load(file, weights_only=False)
    for name, value in content['state_dict'].items():
        if name.startswith('teacher.') and value.is_floating_point():
            # Finite, and its products are not.
            value.fill_(3e38)
    torch.save(content, file)
    found = compare_with_source_only(
        cfg, file, pool[1][0], [], SAMPLING, lambda *_: None
    )
    assert found.disagreement is None
    assert found.content()['teacher_disagreement'] is None
    assert not any('differ on' in line for line in found.lines())


def test_without_other_runs_the_teacher_is_one_of_the_pool(pool, tmp_path):
    cfg, file = taught(pool, 'segmentor', tmp_path)
    found = compare_with_source_only(
        cfg, file, pool[1][0], [], SAMPLING, lambda *_: None
    )
    evidence = found.scores.evidence
    assert len(evidence.ensemble) == 3
    plain, student_alone = pool[0].copy(), tmp_path / 'iter_8.pth'
    shutil.copyfile(file, student_alone)
    two = compare_with_source_only(
        plain, str(student_alone), pool[1][0], [], SAMPLING, lambda *_: None
    )
    assert len(two.scores.evidence.ensemble) == 2
    assert two.disagreement is None
    # The road's certain vote moves the mean.
    assert not torch.equal(
        evidence.ensemble[0], two.scores.evidence.ensemble[0]
    )


def test_other_runs_are_asked_without_what_agrees_anyway(pool, tmp_path):
    """No teacher of the judged run, and no earlier checkpoint of it."""
    first, second, road = pool[1]
    cfg, file = taught(pool, 'segmentor', tmp_path)
    earlier, other = tmp_path / 'iter_5.pth', tmp_path / 'b' / 'iter_9.pth'
    other.parent.mkdir()
    shutil.copyfile(road, earlier)
    shutil.copyfile(second, other)
    asked = [str(earlier), str(other), second]
    found = compare_with_source_only(
        cfg, file, first, asked, SAMPLING, lambda *_: None
    )
    # The last one is of the run of source-only.
    names = found.scores.names
    assert found.voters == (*names[:2], names[3])
    assert found.content()['pool'] == list(found.voters)
    assert ONE_RUN not in found.report.unknown
    assert 'earlier checkpoint' not in str(found.report.unknown)
    alone = compare_with_source_only(
        pool[0], file, first, [str(other)], SAMPLING, lambda *_: None
    )
    sums = found.scores.evidence.ensemble
    assert torch.equal(sums[[0, 1, 3]], alone.scores.evidence.ensemble)
    # Those without a vote are compared with the mean, too.
    pixels = sums.sum((1, 2)).tolist()
    assert pixels == [pixels[0]] * 6
    assert pixels[0] > 0


def test_report_by_the_tool(pool, monkeypatch, capsys, tmp_path):
    _, (first, second, road), _ = pool
    out = tmp_path / 'report.json'
    words = [road, '--source-only', first, '--pool', second, '--out', out]
    code, printed = run('harm_report', pool, words, monkeypatch, capsys)
    assert code == 3, printed
    assert 'takeover: road has 100.0 % of the target' in printed
    assert 'adaptation probably harms' in printed
    content = json.loads(out.read_text())
    assert content['harms'] is True
    assert 'takeover' in content['alarms']
    assert content['thresholds']['alarms'] == 2
    assert len(content['scores']['checkpoints']) == 3
    assert content['scores']['precision'] == 'fp32'


def test_lines_of_the_tools_are_whole(pool, monkeypatch, capsys, tmp_path):
    """Also in a file, where nobody knows how wide a line may be."""
    _, (first, second, road), _ = pool
    out = tmp_path / 'a_long_name_of_a_folder' / f'{"report" * 9}.json'
    out.parent.mkdir()
    harm = [road, '--source-only', first, '--pool', second, '--out', out]
    select = [*pool[1], '--out', out]
    for tool, words in (('harm_report', harm), ('select_checkpoint', select)):
        _, printed = run(tool, pool, words, monkeypatch, capsys)
        lines = printed.splitlines()
        assert f'note: {SEEN_SOURCE}' in lines
        assert f'written: {out}' in lines


def test_thresholds_by_the_tool(pool, monkeypatch, capsys):
    _, (first, _, road), _ = pool
    words = [road, '--source-only', first, '--pool', '--cfg-options']
    words += ['harm_report.takeover_share=1.0', 'harm_report.common_class=1']
    words += ['harm_report.ratio_left=0', 'harm_report.alarms=4']
    code, printed = run('harm_report', pool, words, monkeypatch, capsys)
    assert 'takeover:' not in printed
    assert 'collapse:' not in printed
    assert code == 0, printed


def test_unknown_threshold():
    with pytest.raises(ConfigError, match="no 'take_over'.*takeover"):
        thresholds_of(Config(dict(harm_report=dict(take_over=1))))


def test_order_by_the_tool(pool, monkeypatch, capsys, tmp_path):
    _, files, _ = pool
    out = tmp_path / 'scores.json'
    words = [*files, '--images', 'val', '--out', out]
    code, printed = run('select_checkpoint', pool, words, monkeypatch, capsys)
    assert code == 0, printed
    content = json.loads(out.read_text())
    assert f'best: {content["best"]}' in printed
    assert sorted(content['order']) == [f'iter_{i}.pth' for i in (1, 2, 3)]
    by_name = {row['name']: row for row in content['checkpoints']}
    ranks = [by_name[name]['mean_rank'] for name in content['order']]
    guarded = [by_name[name]['passes_guard'] for name in content['order']]
    assert guarded == sorted(guarded, reverse=True)
    first = guarded.count(True)
    assert ranks[:first] == sorted(ranks[:first])
    assert 'source images are those of training' in printed


def test_without_a_teacher_the_only_network_is_judged(
    pool, monkeypatch, capsys, tmp_path
):
    cfg, file = taught(pool, 'teacher', tmp_path)
    config, out = tmp_path / 'taught.py', tmp_path / 'scores.json'
    cfg.dump(config)
    changed = cfg, pool[1], config
    first = pool[1][0]
    scores = {}
    # Whichever of them the network is built from.
    for files in ([first, file], [file, first]):
        words = [*files, '--out', out]
        code, printed = run(
            'select_checkpoint', changed, words, monkeypatch, capsys
        )
        assert code == 0, printed
        content = json.loads(out.read_text())
        found = {row['name']: row for row in content['checkpoints']}
        names = sorted(found, key=len)
        assert names[0].endswith('iter_9.pth')
        assert names[1].endswith('iter_1.pth (segmentor)')
        note = content['notes'][0]
        assert note.startswith('the config tests a teacher, which these have')
        assert note.endswith(f'judged: {names[1]}')
        scores[files[0]] = [found[name]['scores'] for name in names]
    assert scores[first] == scores[file]
    # The teacher takes all for road.
    assert scores[file][0]['BNM_r'] == pytest.approx(1 / math.sqrt(19), 1e-3)
    plain = pool[0], pool[1], pool[2]
    words = [first, '--out', out]
    run('select_checkpoint', plain, words, monkeypatch, capsys)
    (alone,) = json.loads(out.read_text())['checkpoints']
    assert alone['scores']['BNM'] == scores[file][1]['BNM']


def test_the_judged_checkpoint_must_have_what_is_tested(pool, tmp_path):
    cfg, _ = taught(pool, 'teacher', tmp_path)
    with pytest.raises(CheckpointError, match='has no teacher'):
        compare_with_source_only(
            cfg, pool[1][1], pool[1][0], [], SAMPLING, lambda *_: None
        )


def test_scores_in_16_bits_say_so(pool, monkeypatch, capsys, tmp_path):
    out = tmp_path / 'scores.json'
    words = [*pool[1][:2], '--second-view-every', 0]
    found = {}
    for precision in ('fp32', 'bf16'):
        amp = [] if precision == 'fp32' else ['--amp', precision]
        code, printed = run(
            'select_checkpoint',
            pool,
            [*words, '--out', out, *amp],
            monkeypatch,
            capsys,
        )
        assert code == 0, printed
        content = json.loads(out.read_text())
        assert content['precision'] == precision
        found[precision] = [
            row['scores']['BNM'] for row in content['checkpoints']
        ]
    assert found['bf16'] != found['fp32']
    assert found['bf16'] == pytest.approx(found['fp32'], rel=0.02)


@pytest.mark.parametrize('linked', [False, True])
def test_a_checkpoint_twice(pool, monkeypatch, capsys, tmp_path, linked):
    other, first = pool[1][:2]
    again = first
    if linked:
        again = str(tmp_path / 'again.pth')
        Path(again).symlink_to(Path(first).resolve())
    words = [other, first, again]
    code, printed = run('select_checkpoint', pool, words, monkeypatch, capsys)
    assert code == 2
    assert f"'{Path(first).resolve()}' is named twice" in printed


def test_no_source_labels_are_said(pool, monkeypatch, capsys, tmp_path):
    cfg = Config.fromfile(pool[2])
    steps = cfg.train_dataloader.dataset.source.pipeline
    kept = [step for step in steps if step.type != 'LoadLabels']
    cfg.train_dataloader.dataset.source.pipeline = kept
    config = tmp_path / 'unlabelled.py'
    cfg.dump(config)
    changed = pool[0], pool[1], config
    code, printed = run(
        'select_checkpoint', changed, pool[1][:2], monkeypatch, capsys
    )
    assert code == 0
    assert 'ATC_mIoU, DoC and IM_s are left out' in printed
    assert 'BNM_r' in printed
