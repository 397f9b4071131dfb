import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import on_full_disk
from PIL import Image

from mmuda.utils import files
from mmuda.utils.errors import DataError, DiskFullError
from mmuda.utils.files import atomic_path, atomic_write

FULL = Path('/dev/full')


def old_file(tmp_path):
    path = tmp_path / 'folder/labels.png'
    atomic_write(path, 'old')
    return path


def fail(code):
    def function(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return function


def assert_untouched(path):
    assert path.read_text() == 'old'
    assert [p.name for p in path.parent.iterdir()] == ['labels.png']


def test_new_content(tmp_path):
    path = old_file(tmp_path)
    atomic_write(path, b'new')
    assert path.read_text() == 'new'


def test_temporary_file_keeps_folder_and_extension(tmp_path):
    with atomic_path(tmp_path / 'a.png') as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == '.png'
        assert not (tmp_path / 'a.png').exists()


@pytest.mark.parametrize('stem', ['n' * 251, '\u3042' * 83])
def test_the_longest_names_are_written(tmp_path, stem):
    atomic_write(tmp_path / f'{stem}.png', 'x')
    assert [path.name for path in tmp_path.iterdir()] == [f'{stem}.png']


@pytest.mark.parametrize(('umask', 'mode'), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / 'a', 'x')
        assert (tmp_path / 'a').stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_permissions_of_a_writer_that_replaces_the_file(tmp_path):
    with atomic_path(tmp_path / 'a') as temporary:
        mode = temporary.stat().st_mode
        temporary.chmod(0o600)
    assert (tmp_path / 'a').stat().st_mode == mode


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(DataError, match=r"pipe': it is a pipe, a socket or"):
        atomic_write(tmp_path / 'pipe', 'x')
    assert (tmp_path / 'pipe').is_fifo()


@pytest.mark.skipif(not FULL.exists(), reason='no device that is always full')
def test_disk_that_fills_up_while_writing(tmp_path):
    path = old_file(tmp_path)
    expected = rf"disk full: cannot write '{path}' \(No space left"
    with pytest.raises(DataError, match=expected), atomic_path(path):
        FULL.write_bytes(b'new')
    assert_untouched(path)


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    'place', ['os.replace', 'pathlib.Path.write_bytes', 'pathlib.Path.touch']
)
def test_full_disk_is_one_clear_error(tmp_path, monkeypatch, code, place):
    path = old_file(tmp_path)
    monkeypatch.setattr(place, fail(code))
    with pytest.raises(DataError, match='disk full.*make space'):
        atomic_write(path, 'new')
    assert_untouched(path)


def test_half_a_file_is_removed(tmp_path, monkeypatch):
    path = old_file(tmp_path)

    def write_half(self, data):
        with self.open('wb') as file:
            file.write(data[: len(data) // 2])
        fail(errno.ENOSPC)()

    monkeypatch.setattr(Path, 'write_bytes', write_half)
    with pytest.raises(DataError, match='disk full'):
        atomic_write(path, 'new')
    assert_untouched(path)


def test_other_faults_pass_as_they_are(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    monkeypatch.setattr(os, 'replace', fail(errno.EACCES))
    with pytest.raises(PermissionError):
        atomic_write(path, 'new')
    assert_untouched(path)


@pytest.mark.parametrize('elsewhere', [False, True])
def test_content_and_rename_survive_a_power_cut(
    tmp_path, monkeypatch, elsewhere
):
    path = old_file(tmp_path)
    events, replace, fsync = [], os.replace, os.fsync

    def note_replace(source, target):
        events.append(('rename', os.stat(source).st_ino, Path(target)))
        replace(source, target)

    def note_fsync(descriptor):
        fsync(descriptor)
        events.append(('sync', os.fstat(descriptor).st_ino))

    monkeypatch.setattr(os, 'replace', note_replace)
    monkeypatch.setattr(os, 'fsync', note_fsync)
    atomic_write(path, 'new', tmp_path if elsewhere else None)
    file, folder = path.stat().st_ino, path.parent.stat().st_ino
    assert events == [('sync', file), ('rename', file, path), ('sync', folder)]


def test_full_disk_that_shows_when_syncing(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    monkeypatch.setattr(os, 'fsync', fail(errno.ENOSPC))
    with pytest.raises(DataError, match='disk full.*make space'):
        atomic_write(path, 'new')
    assert_untouched(path)


def test_folder_that_cannot_be_synced(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    monkeypatch.setattr(os, 'fsync', fail(errno.EINVAL))
    atomic_write(path, 'new')
    assert path.read_text() == 'new'


WRITERS = {
    'bytes': lambda path: path.write_bytes(bytes(5000)),
    'numpy': lambda path: np.save(path.open('r+b'), np.zeros(5000)),
    'torch': lambda path: torch.save(torch.zeros(5000), path),
    'pillow': lambda path: Image.effect_noise((99, 99), 50).save(path),
}


@pytest.mark.parametrize('name', WRITERS)
def test_every_writer_on_a_full_disk(tmp_path, name):
    path = tmp_path / 'folder/labels.png'

    def write():
        with atomic_path(path) as temporary:
            WRITERS[name](temporary)

    error = on_full_disk(write)
    assert isinstance(error, DiskFullError)
    assert f"disk full: cannot write '{path}'" in str(error)
    assert list(path.parent.iterdir()) == []


def test_systems_that_open_no_folders(tmp_path, monkeypatch):
    """Windows, which also renames no file that is open."""
    opened = os.open

    def open_files(path, flags, *args):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, *args)

    def rename_closed(source, target):
        for descriptor in Path('/proc/self/fd').iterdir():
            assert os.path.realpath(descriptor) != str(source)
        source.rename(target)

    monkeypatch.setattr(files, '_IS_WINDOWS', True)
    monkeypatch.setattr(os, 'open', open_files)
    monkeypatch.setattr(os, 'replace', rename_closed)
    atomic_write(tmp_path / 'labels.png', 'new')
    assert (tmp_path / 'labels.png').read_text() == 'new'


def test_error_that_hides_the_full_disk(tmp_path):
    def write():
        with atomic_path(tmp_path / 'a') as temporary:
            temporary.write_bytes(bytes(1000))
            raise RuntimeError('failed')

    assert isinstance(on_full_disk(write), DiskFullError)


def test_error_on_a_disk_with_space(tmp_path):
    path = old_file(tmp_path)
    with pytest.raises(RuntimeError, match='other'), atomic_path(path):
        raise RuntimeError('other')
    assert_untouched(path)
