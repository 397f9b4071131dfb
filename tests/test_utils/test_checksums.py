"""Damaged checkpoints are noticed, wherever the damage is."""

import random
import zipfile

import pytest
import torch

from mmuda.utils.checksums import (
    checkpoint_fault,
    has_checksums,
    sha256_of,
)
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError


def content(size):
    generator = torch.Generator().manual_seed(0)
    state_dict = {
        f'layer{i}.weight': torch.randn(size, generator=generator)
        for i in range(8)
    }
    meta = dict(seed=5, iter=3, dataset_meta=dict(classes=('a', 'b')))
    return dict(state_dict=state_dict, meta=meta)


def save(path, size=64):
    torch.save(content(size), path)
    return path


def flip(path, positions, mask=0xFF):
    data = bytearray(path.read_bytes())
    for position in positions:
        data[position] ^= mask
    path.write_bytes(data)


def loaded_wrongly(path, size):
    """Whether a damaged file is read, and not as it was; None if refused."""
    try:
        loaded = load_checkpoint_file(path)
    except CheckpointError:
        return None
    expected = content(size)
    same = all(
        torch.equal(loaded['state_dict'][name], tensor)
        for name, tensor in expected['state_dict'].items()
    )
    return not (same and loaded['meta'] == expected['meta'])


# Of a small file more of the damage hits what is between the tensors.
@pytest.mark.parametrize('size', [16, 4096])
def test_flipped_bytes_never_change_weights_silently(tmp_path, size):
    whole = save(tmp_path / 'whole.pth', size).read_bytes()
    rng = random.Random(size)
    results = []
    for number in range(60):
        path = tmp_path / f'{number}.pth'
        path.write_bytes(whole)
        flip(path, rng.sample(range(len(whole)), 16), rng.randrange(1, 256))
        results.append(loaded_wrongly(path, size))
    assert True not in results
    # Padding, dates and the like may change.
    assert results.count(None) >= 50


def silently_wrong(path, positions, bits):
    """Places where a flipped bit changes what is read."""
    whole = path.read_bytes()
    found = []
    for position in positions:
        for bit in bits(position):
            path.write_bytes(whole)
            flip(path, [position], 1 << bit)
            if loaded_wrongly(path, 1):
                found.append((position, bit))
    return found


def test_a_bit_in_the_table_of_contents(tmp_path):
    path = save(tmp_path / 'a.pth', 1)
    data = path.read_bytes()
    positions = range(data.index(b'PK\x01\x02'), len(data))
    assert not silently_wrong(path, positions, lambda p: [p % 8])


@pytest.mark.slow
def test_each_bit_of_a_file(tmp_path):
    path = save(tmp_path / 'a.pth', 1)
    positions = range(path.stat().st_size)
    assert not silently_wrong(path, positions, lambda p: range(8))


def test_tensor_that_is_marked_as_a_folder(tmp_path):
    path = save(tmp_path / 'a.pth')
    with zipfile.ZipFile(path) as file:
        tensor = file.getinfo('a/data/0')
    data = path.read_bytes()
    entry = data.index(b'a/data/0', data.index(b'PK\x01\x02')) - 46
    assert data[entry + 38] == tensor.external_attr == 0
    # PyTorch would leave the memory of the tensor as it is.
    flip(path, [entry + 38], 0x10)
    assert checkpoint_fault(path) == 'a/data/0 is a folder'


@pytest.mark.parametrize('member', ['data/0', 'data.pkl', 'byteorder'])
def test_damaged_part_is_named(tmp_path, member):
    path = save(tmp_path / 'a.pth')
    with zipfile.ZipFile(path) as file:
        data = file.read(f'a/{member}')
    flip(path, [path.read_bytes().index(data)], 1)
    fault = checkpoint_fault(path)
    assert fault == f'a/{member} does not fit its checksum'
    with pytest.raises(CheckpointError, match=f'a.pth: .*damaged: {fault}'):
        load_checkpoint_file(path)


@pytest.mark.parametrize('kept', [1, 4, 100, -1, -30])
def test_cut_off(tmp_path, kept):
    path = save(tmp_path / 'a.pth')
    path.write_bytes(path.read_bytes()[:kept])
    assert checkpoint_fault(path).startswith('it is cut off')
    assert loaded_wrongly(path, 64) is None


def test_sizes_that_differ(tmp_path):
    path = save(tmp_path / 'a.pth')
    data = path.read_bytes()
    # The uncompressed size of the first entry of the table.
    flip(path, [data.index(b'PK\x01\x02') + 24], 0x80)
    assert checkpoint_fault(path) is not None


def test_whole_file(tmp_path):
    path = save(tmp_path / 'a.pth')
    assert checkpoint_fault(path) is None
    assert has_checksums(path)


@pytest.mark.parametrize(
    ('data', 'fault'),
    [(b'', 'it is empty'), (b'x' * 100, 'it is cut off or no zip file')],
)
def test_no_checkpoint_at_all(tmp_path, data, fault):
    path = tmp_path / 'a.pth'
    path.write_bytes(data)
    assert checkpoint_fault(path).startswith(fault)
    assert not has_checksums(path)


def test_file_saved_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / 'a.pth')
    finally:
        torch.serialization.set_crc32_options(True)
    assert checkpoint_fault(path) is None
    assert not has_checksums(path)
    assert loaded_wrongly(path, 64) is False


def test_torchscript_is_not_called_a_lost_copy(tmp_path):
    path = tmp_path / 'a.pt'
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))
    assert checkpoint_fault(path).endswith('is compressed, as in TorchScript')


def test_digest(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'abc')
    assert sha256_of(path).startswith('ba7816bf8f01cfea')
    with pytest.raises(CheckpointError, match='cannot read .*missing'):
        sha256_of(tmp_path / 'missing')
