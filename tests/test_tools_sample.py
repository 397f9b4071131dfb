"""Drawing target images with select_pseudo_labels.py."""

import demo_data
import pytest
from tools_in_process import load_tool, run_loaded

from mmuda.utils.cli import USER_ERROR

TOOL = load_tool('select_pseudo_labels.py')
CONFIG = demo_data.ROOT / 'configs/advent/gta2cs.py'
IMAGES = 6


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), IMAGES)


@pytest.fixture
def sample(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*words, code=0):
        roots = [f'source={data}/GTA5', f'target={data}/Cityscapes']
        words = ['sample', CONFIG, '--out', 'keys.txt', *words]
        words += ['--data-root', *roots]
        found, printed = run_loaded(TOOL, words, monkeypatch, capsys)
        assert found == code, printed
        written = tmp_path / 'keys.txt'
        return written.read_text().split() if code == 0 else printed

    return call


def test_all_images_in_order(sample):
    keys = sample('--number', 'all')
    assert (len(keys), keys) == (IMAGES, sorted(keys))


def test_a_seed_draws_the_same(sample):
    first = sample('--number', 3, '--seed', 5)
    assert sample('--number', 3, '--seed', 5) == first


def test_seeds_differ(sample):
    drawn = {tuple(sample('--number', 3, '--seed', seed)) for seed in range(5)}
    assert len(drawn) > 1


def test_a_step_leaves_out_neighbours(sample):
    """Every second of six images, beginning with a random one."""
    every = sample('--number', 'all')
    assert sample('--number', 'all', '--step', 2) in (every[::2], every[1::2])


def test_a_number_is_needed(sample):
    printed = sample('--number', 'many', code=USER_ERROR)
    assert "--number many: a number, or 'all'" in printed
