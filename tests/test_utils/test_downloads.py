"""Weights from web addresses, by a server on this machine."""

import http.server
import io
import threading

import pytest
import torch

from mmuda.utils.checksums import sha256_of
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.downloads import cached_path
from mmuda.utils.errors import CheckpointError


def weights(value):
    file = io.BytesIO()
    torch.save({'weight': torch.full((64,), float(value))}, file)
    return file.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Address of a server, its files by path, and the requests it had."""
    files, requests = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            if self.path not in files:
                self.send_error(404)
                return
            data, length = files[self.path]
            self.send_response(200)
            self.send_header('Content-Length', str(length))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{running.server_port}', files, requests
        running.shutdown()
        thread.join()


def offer(files, path, data, length=None):
    files[path] = (data, len(data) if length is None else length)


def value_of(url):
    return load_checkpoint_file(url)['weight'][0].item()


def test_downloaded_once(server):
    address, files, requests = server
    offer(files, '/a/resnet.pth', weights(1))
    assert [value_of(f'{address}/a/resnet.pth') for _ in range(2)] == [1, 1]
    assert requests == ['/a/resnet.pth']


def test_files_of_one_name_are_not_mixed_up(server):
    address, files, _ = server
    paths = ['/a/resnet.pth', '/b/resnet.pth', '/a/resnet.pth?version=2']
    for value, path in enumerate(paths):
        offer(files, path, weights(value))
    values = [value_of(address + path) for path in [*paths, *paths]]
    assert values == [0, 1, 2, 0, 1, 2]


def test_a_copy_of_torch_is_not_taken_by_its_name_alone(server):
    address, files, requests = server
    offer(files, '/resnet.pth', weights(1))
    folder = cached_path(f'{address}/resnet.pth').parents[2]
    folder.mkdir(parents=True)
    folder.joinpath('resnet.pth').write_bytes(weights(2))
    assert value_of(f'{address}/resnet.pth') == 1
    assert requests == ['/resnet.pth']


def test_a_copy_of_torch_is_taken_by_its_hash(server, tmp_path):
    address, _, requests = server
    data = tmp_path / 'data'
    data.write_bytes(weights(3))
    url = f'{address}/resnet-{sha256_of(data)}.pth'
    folder = cached_path(url).parents[2]
    folder.mkdir(parents=True)
    data.rename(folder / url.rpartition('/')[2])
    assert value_of(url) == 3
    assert requests == []


def test_another_file_than_its_hash_says(server):
    address, files, _ = server
    offer(files, '/resnet-0123abcd.pth', weights(1))
    with pytest.raises(CheckpointError, match='SHA-256 begins with') as error:
        value_of(f'{address}/resnet-0123abcd.pth')
    assert 'not with 0123abcd' in str(error.value)
    assert not cached_path(f'{address}/resnet-0123abcd.pth').exists()


def test_mmseg_names_files_by_what_they_were_before(server):
    address, files, _ = server
    whole = weights(1)
    for name in (
        'mit_b5_20220624-658746d9.pth',
        'a_20211206_072934-87a052ec.pth',
    ):
        offer(files, f'/{name}', whole)
        assert value_of(f'{address}/{name}') == 1


def test_a_date_and_damage_is_refused(server):
    address, files, _ = server
    file = io.BytesIO()
    torch.save({}, file, _use_new_zipfile_serialization=False)
    for data in (weights(1)[:-200], file.getvalue()):
        offer(files, '/mit_b5_20220624-658746d9.pth', data)
        with pytest.raises(CheckpointError, match='SHA-256 begins with'):
            value_of(f'{address}/mit_b5_20220624-658746d9.pth')


def test_a_date_is_no_hash(server):
    address, files, _ = server
    offer(files, '/resnet-20240131.pth', weights(1))
    assert value_of(f'{address}/resnet-20240131.pth') == 1


@pytest.mark.parametrize(
    ('data', 'length', 'message'),
    [
        (weights(1)[:-200], len(weights(1)), 'bytes arrived'),
        (
            weights(1).replace(b'\x00\x00\x80?', b'\x00\x00\x00@', 1),
            None,
            'does not fit its checksum',
        ),
        (b'<html>log in first</html>', None, 'damaged or another file'),
    ],
)
def test_what_arrives_damaged_is_not_kept(server, data, length, message):
    address, files, _ = server
    url = f'{address}/resnet.pth'
    offer(files, '/resnet.pth', data, length)
    with pytest.raises(CheckpointError, match=message):
        value_of(url)
    assert not cached_path(url).exists()
    offer(files, '/resnet.pth', weights(4))
    assert value_of(url) == 4


def test_copy_that_is_damaged_later(server):
    address, files, requests = server
    url = f'{address}/resnet.pth'
    offer(files, '/resnet.pth', weights(1))
    assert value_of(url) == 1
    copy = cached_path(url)
    one, two = b'\x00\x00\x80?', b'\x00\x00\x00@'
    copy.write_bytes(copy.read_bytes().replace(one, two, 1))
    with pytest.raises(CheckpointError) as error:
        value_of(url)
    assert f'remove it, and it is downloaded again from {url}' in str(
        error.value
    )
    copy.unlink()
    assert value_of(url) == 1
    assert len(requests) == 2


def test_missing_on_the_server(server):
    address, _, _ = server
    expected = f'{address}/none.pth: cannot be downloaded .*404.*by hand'
    with pytest.raises(CheckpointError, match=expected):
        value_of(f'{address}/none.pth')


@pytest.mark.parametrize(
    'url', ['http://', 'http://[::1/a.pth', 'https://:x/a.pth', 'HTTP:///a']
)
def test_malformed_address(url, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(CheckpointError, match='cannot be downloaded'):
        load_checkpoint_file(url)
