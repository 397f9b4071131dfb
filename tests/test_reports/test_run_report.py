"""report.html: what is on it, that it is safe, small and up to date."""

import json
import os
import re

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from test_run_history import trained, write_run

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
)
from mmuda.reports.html_pages import table_html
from mmuda.reports.label_quality import label_quality_html
from mmuda.reports.run_pictures import pictures_html
from mmuda.reports.run_report import (
    classes_html,
    report_html,
    write_report,
)
from mmuda.utils.written_configs import read_dumped_config

EVIL = '<script>alert(1)</script>'
LIMIT = 5 * 2**20


def draw(work_dir, name, size=(40, 90), seed=0):
    folder = work_dir / 'vis_data/domains'
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(folder / name)


def write_training(work_dir, **config):
    records = [
        trained(step, **{'loss.segmentor': -step, EVIL: 1})
        for step in range(10, 100, 10)
    ]
    names = ('mIoU', f'IoU.{EVIL}', 'IoU.car')
    records += [
        dict.fromkeys(names, step) | dict(step=step) for step in (50, 90)
    ]
    run = write_run(work_dir, '20260101_000000', records).parent
    Config(dict(model=dict(type='AdvEnt'), **config)).dump(run / 'config.py')
    draw(work_dir, 'iter_50_source.png')
    return work_dir


def text_of(page):
    """What a page says, without its pictures."""
    return re.sub('data:[^"]*', '', page)


def test_names_and_paths_are_no_markup(tmp_path):
    folder = tmp_path / EVIL.replace('/', '-')
    write_training(folder, note=EVIL, classes=[EVIL])
    harm = dict(harms=True, alarms={EVIL: [EVIL]}, unknown=[EVIL])
    (folder / 'harm_report.json').write_text(json.dumps(harm))
    draw(folder, 'iter_50_<script>.png')
    page = report_html(folder)
    assert '<script' not in page
    # Series, class, reasons of harm, config.
    assert text_of(page).count('&lt;script&gt;alert(1)') >= 6
    assert "default-src 'none'" in page


def test_the_page_needs_nothing_from_outside(tmp_path):
    page = report_html(write_training(tmp_path))
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith('data:image/') for address in addresses)


def test_numbers_of_the_training(tmp_path):
    write_training(tmp_path, train_cfg=dict(max_iters=200))
    text = text_of(report_html(tmp_path))
    assert '<td>90 of 200 in the log</td>' in text
    assert '<td>about 0:00:45 hours, estimated from the log<' in text
    assert '90.00 at the end, highest 90.00 at iteration 90' in text
    row = ''.join(
        f'<td class="number">{v}</td>' for v in ('50.00', '90.00', '90.00')
    )
    assert f'<td>car</td>{row}<td class="number">40.00</td>' in text


@pytest.mark.parametrize(
    ('steps', 'heads'),
    [((9,), 'IoU'), ((5, 9), 'first last highest change')],
)
def test_columns_of_a_single_validation(steps, heads):
    values = np.array(steps, float)
    page = ''.join(classes_html({'cs/IoU.car': (np.array(steps), values)}))
    assert re.findall('<th[^>]*>([^<]*)<', page) == ['class', *heads.split()]
    assert page.count('9.00') == (1 if heads == 'IoU' else 2)


def test_many_large_pictures_leave_the_page_small(tmp_path):
    write_training(tmp_path)
    for step in range(6):
        draw(tmp_path, f'iter_{step}_noise.png', (900, 1300), step)
    assert len(write_report(tmp_path).read_bytes()) < LIMIT
    text = text_of(report_html(tmp_path))
    shown = re.findall(r'<figcaption>iteration ([\d,]+)</figcaption>', text)
    # The last comes first in line, then the first.
    assert {'5', '50'} <= {*shown}
    assert 'picture(s) would be too large' in text


def test_pictures_are_spread_from_first_to_last(tmp_path):
    for step in range(1, 10):
        draw(tmp_path, f'iter_{step}_source.png', (4, 4))
    shown = re.findall('iteration ([0-9]+)<', ''.join(pictures_html(tmp_path)))
    assert shown == ['1', '3', '5', '7', '9']


def test_a_training_that_was_there_before_is_not_shown(tmp_path):
    old = write_training(tmp_path)
    for step in (1000, 2000):
        draw(old, f'iter_{step}_source.png')
    draw(old, 'iter_20_source.png')
    harm = dict(harms=True, alarms={}, unknown=[])
    (old / 'harm_report.json').write_text(json.dumps(harm))
    run = write_run(tmp_path, '20260102_000000', [trained(10), trained(20)])
    content = dict(started='2026-01-02 05:00:00+0500')
    (run.parent / 'environment.json').write_text(json.dumps(content))
    # In time: iteration 20 of the training before, the harm report, the run.
    start = 1767312000
    for name in ('vis_data/domains/iter_20_source.png', 'harm_report.json'):
        os.utime(tmp_path / name, (start - 1, start - 1))
    draw(tmp_path, 'iter_10_source.png')
    text = text_of(report_html(tmp_path))
    shown = re.findall(r'<figcaption>iteration ([\d,]+)</figcaption>', text)
    assert shown == ['10']
    # Those of 20, 50, 1,000 and 2,000.
    assert '4 picture(s) in vis_data/domains are left out' in text
    assert 'probably harmed' not in text
    assert 'harm_report.json is older than the last run' in text


def test_pictures_after_the_last_line_of_the_log_are_shown(tmp_path):
    write_run(tmp_path, '20260101_000000', [trained(10), trained(20)])
    for step in (20, 29, 30):
        draw(tmp_path, f'iter_{step}_source.png', (4, 4))
    text = text_of(report_html(tmp_path))
    assert re.findall('iteration ([0-9]+)<', text) == ['20', '29']


def test_a_log_of_iterations_alone_and_a_seed_of_words(tmp_path):
    run = write_run(tmp_path, '20260101_000000', [dict(iter=10, step=10)])
    content = dict(seed=['many'])
    (run.parent / 'environment.json').write_text(json.dumps(content))
    text = text_of(report_html(tmp_path))
    assert '<td>iterations</td><td>10</td>' in text
    assert '[&#x27;many&#x27;]' in text


@pytest.mark.parametrize('root', ['a' * 5000, 'a\0b'])
def test_labels_in_a_folder_that_no_system_names(root):
    (note,) = label_quality_html({'pipeline[0].pseudo_label_root': root})
    assert 'There are no labels in a' in note


def test_pseudo_labels_of_the_config(tmp_path):
    folder = tmp_path / 'labels'
    PseudoLabelManifest(
        classes=('road', 'car'),
        num_images=2,
        keys_sha256=keys_digest(['a', 'b']),
        rule=dict(type='ESL'),
        options={},
        thresholds=dict(road=0.25, car=None),
        pixels=dict(road=200, car=0),
        kept=dict(road=50, car=0),
        config='esl.py',
        checkpoints=[],
        domain='target',
    ).write(folder)
    classes = {
        name: dict(precision=value, recall=value)
        for name, value in dict(road=80.0, car=None).items()
    }
    accuracy = dict(overall=80.0, classes=classes)
    (folder / 'accuracy.json').write_text(json.dumps(accuracy))
    loader = dict(type='LoadPseudoLabels', pseudo_label_root=str(folder))
    write_training(tmp_path, pipeline=[loader])
    text = text_of(report_html(tmp_path))
    assert '80.0 % of the kept labels are right.' in text
    cells = ''.join(
        f'<td class="number">{v}</td>' for v in ('25.0', '0.25', '80', '80')
    )
    assert f'<td>road</td>{cells}' in text
    assert '<td>car</td>' + 4 * '<td class="number">–</td>' in text


@pytest.mark.parametrize(
    ('harms', 'reasons', 'kind', 'text'),
    [
        (True, ['pole'], 'bad', 'has probably harmed'),
        (False, ['pole'], 'note', 'Too few alarms'),
        (False, [], 'good', 'No sign'),
    ],
)
def test_the_harm_report_is_on_the_page(tmp_path, harms, reasons, kind, text):
    write_training(tmp_path)
    alarms = dict(collapse=reasons)
    content = dict(harms=harms, alarms=alarms, unknown=[])
    (tmp_path / 'harm_report.json').write_text(json.dumps(content))
    page = report_html(tmp_path)
    (shown,) = re.findall(f'<p class="{kind}">([^<]*{text}[^<]*)</p>', page)
    assert shown
    found = 'pole' if reasons else 'no'
    assert f'<td>collapse</td><td>{found}</td>' in page


def test_a_config_is_read_and_not_run(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text(
        "a = dict(b=[1, dict(c='x')], d=-0.5)\n"
        "e = __import__('os').abort()\nf = {'g': (None,), **h}\n"
    )
    assert read_dumped_config(file) == {
        'a.b[0]': 1,
        'a.b[1].c': 'x',
        'a.d': -0.5,
        'e': "__import__('os').abort()",
        'f.g[0]': None,
        'f.**': 'h',
    }


def test_ids_of_labels_in_a_config_are_shown(tmp_path):
    """A dump writes keys that are no names as a call with a dict."""
    file = tmp_path / 'config.py'
    Config(dict(label_table={7: 0, 'others': 255})).dump(file)
    assert 'dict({7:' in ''.join(file.read_text().split())
    assert read_dumped_config(file) == {
        'label_table.7': 0,
        'label_table.others': 255,
    }


@pytest.mark.parametrize('text', ['', '# nothing', 'import a'])
def test_a_config_that_assigns_nothing(tmp_path, text):
    file = tmp_path / 'config.py'
    file.write_text(text)
    assert read_dumped_config(file) == {}


@pytest.mark.parametrize('text', ['a = dict(', 'a = ' + '-' * 5000 + '1'])
def test_a_file_that_is_no_config(tmp_path, text):
    file = tmp_path / 'config.py'
    file.write_text(text)
    found = read_dumped_config(file)
    assert list(found) == ['config.py']
    assert found['config.py'].startswith('no config (')


def test_only_columns_of_numbers_are_aligned():
    table = table_html([('2 km', '39.8 % of all', '-1.5')], ('a', 'b', 'c'))
    assert '<td>2 km</td><td>39.8 % of all</td>' in table
    assert '<td class="number">-1.5</td>' in table
