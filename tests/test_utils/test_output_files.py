"""Files that a tool is told to write."""

import os

import pytest

from mmuda.utils.errors import ConfigError
from mmuda.utils.output_files import require_outputs


@pytest.mark.parametrize('name', ['a.pth', './b/../a.pth', 'link.pth'])
def test_an_input_is_no_output(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.pth').write_text('weights')
    (tmp_path / 'link.pth').symlink_to('a.pth')
    with pytest.raises(ConfigError, match=r"--out: .* the input '.*a\.pth'"):
        require_outputs({'--out': name}, [tmp_path / 'a.pth'])


def test_two_outputs_are_two_files(tmp_path):
    files = {'--out': tmp_path / 'a', '--ratios': tmp_path / 'b/../a'}
    with pytest.raises(ConfigError, match=r'--ratios: .* that of --out'):
        require_outputs(files, [])


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(ConfigError, match=r'--out: .* is a folder'):
        require_outputs({'--out': tmp_path}, [])


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / 'a').write_text('')
    with pytest.raises(ConfigError, match='--out: cannot write to'):
        require_outputs({'--out': tmp_path / 'a' / 'b.pth'}, [])


def test_other_files_are_let_through(tmp_path):
    source = tmp_path / 'a.pth'
    files = {'--out': tmp_path / 'new' / 'a.pth', '--ratios': None}
    require_outputs(files, [source, 'https://example.org/a.pth'])
    assert os.listdir(tmp_path / 'new') == []
