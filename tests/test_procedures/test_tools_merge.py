"""Merging the labels of two models with select_pseudo_labels.py."""

import pytest
from labelled_images import write_labels
from tools_in_process import load_tool, run_loaded

from mmuda.utils.cli import USER_ERROR

TOOL = load_tool('select_pseudo_labels.py')


@pytest.fixture
def merge(tmp_path, monkeypatch, capsys):
    label, score = {'c': [[0, 1]]}, {'c': [[3000, 3100]]}
    labels = [tmp_path / name for name in ('first', 'second')]
    for folder in labels:
        write_labels(folder, label, score)

    def run():
        words = ['merge', *labels, '--out', tmp_path / 'out']
        return run_loaded(TOOL, words, monkeypatch, capsys)

    return run


def test_folder_with_files_of_others_is_left_alone(merge, tmp_path):
    own = tmp_path / 'out/a/thesis.txt'
    own.parent.mkdir(parents=True)
    own.write_text('years of work')
    code, text = merge()
    assert (code, 'are no merged labels' in text) == (USER_ERROR, True), text
    assert own.read_text() == 'years of work'


def test_what_a_stopped_run_left_is_replaced(merge, tmp_path):
    assert merge()[0] == 0
    (tmp_path / 'out/b/manifest.json').unlink()
    (tmp_path / 'out/b/old.png').write_bytes(b'')
    code, text = merge()
    assert code == 0, text
    assert not (tmp_path / 'out/b/old.png').exists()
    assert (tmp_path / 'out/b/manifest.json').exists()
