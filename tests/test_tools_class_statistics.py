"""class_statistics.py on a config's data."""

import json
import re
from pathlib import Path

import demo_data
import numpy as np
import pytest
from PIL import Image
from tools_in_process import load_tool, run_loaded

from mmuda.datasets import GTA5Dataset
from mmuda.datasets.class_statistics import ClassStatistics

TOOL = load_tool('misc/class_statistics.py')
CONFIG = demo_data.ROOT / 'configs/advent/gta2cs.py'
SAMPLED = """
_base_ = ['{config}']
source = dict(
    type='GTA5Dataset',
    data_root='{data}/GTA5',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=[dict(type='LoadImage'), dict(type='LoadLabels')],
)
train_dataloader = dict(
    dataset=dict(source=dict({source}, _delete_=True))
)
"""
SAMPLING = (
    "type='RareClassSampling', dataset=source, temperature=0.5, "
    "min_pixels=7, statistics='{file}'"
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), 3)


@pytest.fixture
def run(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*words, config=CONFIG, code=0):
        roots = [f'source={data}/GTA5', f'target={data}/Cityscapes']
        words = [config, '--workers', 1, *words, '--data-root', *roots]
        found, printed = run_loaded(TOOL, words, monkeypatch, capsys)
        assert found == code, printed
        return printed

    return call


def sampled(data, folder, file):
    path = folder / 'sampled.py'
    source = SAMPLING.format(file=file)
    text = SAMPLED.format(config=CONFIG, data=data, source=source)
    path.write_text(text)
    return path


def rows(printed):
    """Cells of the table by class."""
    lines = [line.split('│') for line in printed.splitlines() if '│' in line]
    return {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in lines
    }


def plain_counts(data):
    """Pixels of each train id, counted without any of mmuda's readers."""
    lut = GTA5Dataset(
        data_root=str(data / 'GTA5'), data_prefix=dict(img_path='images')
    ).label_lut
    return [
        np.bincount(lut[np.asarray(Image.open(path))].ravel(), minlength=256)[
            :19
        ].tolist()
        for path in sorted((data / 'GTA5/labels').iterdir())
    ]


def test_counts_are_written(run, data):
    run('--out', 'counts.npz')
    found = ClassStatistics.read('counts.npz')
    assert found.pixels.tolist() == plain_counts(data)


def test_ratios_are_parts_of_the_labelled_pixels(run, data):
    run('--ratios', 'new/ratios.json')
    counts = np.sum(plain_counts(data), axis=0)
    ratios = json.loads(Path('new/ratios.json').read_text())
    assert ratios == pytest.approx((counts / counts.sum()).tolist())


def test_the_table_holds_shares_and_images(run, data):
    table = rows(run('--min-pixels', 50))
    counts = np.array(plain_counts(data))
    share, images, enough, *_ = table['sky']
    assert share == f'{100 * counts[:, 10].sum() / counts.sum():.4f}'
    assert int(images) == (counts[:, 10] > 0).sum()
    assert int(enough) == (counts[:, 10] > 50).sum()


def test_weights_are_printed_as_a_list_for_a_setting(run, data):
    printed = run('--largest-weight', 3)
    counts = np.sum(plain_counts(data), axis=0)
    wanted = [
        min((counts.sum() / (19 * n)) ** 0.5, 3) if n else 1 for n in counts
    ]
    assert {3, 1} < set(wanted)
    listed = re.search(r'class_weight: (\[.*\])', printed)[1]
    assert json.loads(listed) == pytest.approx(wanted, abs=0.005)
    assert float(rows(printed)['sky'][4]) == json.loads(listed)[10]


def test_probabilities_sum_to_1(run):
    table = rows(run('--min-pixels', 0))
    values = [float(cells[3]) for cells in table.values() if cells[3] != '-']
    assert sum(values) == pytest.approx(1, abs=1e-3)


def test_without_images_to_draw_there_is_still_a_table(run):
    table = rows(run('--min-pixels', 10**6))
    assert {cells[3] for cells in table.values()} == {'-'}


def test_a_second_run_reads_no_label(run):
    # The bar of the reading is there or not.
    found = ['3/3' in run('--out', 'counts.npz') for _ in range(2)]
    assert found == [True, False]


def test_default_file_is_that_of_the_sampling(run):
    printed = run()
    file = Path(re.search(r'statistics: (\S+)', printed)[1])
    assert file.parent == Path('work_dirs/class_statistics')
    assert file.is_file()


def test_options_are_those_of_the_config(run, data, tmp_path):
    config = sampled(data, tmp_path, tmp_path / 'of_config.npz')
    printed = run(config=config)
    assert 'temperature 0.5' in printed
    assert '> 7 px' in printed
    assert (tmp_path / 'of_config.npz').is_file()


def test_the_command_line_prevails(run, data, tmp_path):
    config = sampled(data, tmp_path, tmp_path / 'of_config.npz')
    printed = run('--temperature', 0.25, '--out', 'own.npz', config=config)
    assert 'temperature 0.25' in printed
    assert not (tmp_path / 'of_config.npz').exists()


def test_validation_labels(run):
    assert '2 labels' in run('--domain', 'val')


def test_a_target_without_labels(run):
    printed = run('--domain', 'target', code=2)
    assert 'without labels; give its data_prefix.seg_map_path' in printed


def test_an_unknown_domain(run):
    printed = run('--domain', 'sourc', code=2)
    assert "did you mean 'source'?" in printed
