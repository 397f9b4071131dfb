from pathlib import Path

import mmengine.fileio
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import save_checkpoint
from torch import nn

from mmuda.engine.checkpoint import AtomicBackend, accumulation_period

ATOMIC = dict(backend='atomic')


def test_backend_is_registered():
    backend = mmengine.fileio.get_file_backend(backend_args=ATOMIC)
    assert isinstance(backend, AtomicBackend)


def test_bytes(tmp_path):
    AtomicBackend().put(b'new', tmp_path / 'folder/file')
    assert (tmp_path / 'folder/file').read_bytes() == b'new'


def test_text_encoding(tmp_path):
    AtomicBackend().put_text('ä', tmp_path / 'file', encoding='latin-1')
    assert (tmp_path / 'file').read_bytes() == b'\xe4'


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'model.pth'
    save_checkpoint({'value': 1}, str(path), backend_args=ATOMIC)

    def write_half(self, data):
        with self.open('wb') as file:
            file.write(data[: len(data) // 2])
        raise OSError('disk full')

    monkeypatch.setattr(Path, 'write_bytes', write_half)
    with pytest.raises(OSError, match='disk full'):
        save_checkpoint({'value': 2}, str(path), backend_args=ATOMIC)
    assert torch.load(path) == {'value': 1}
    assert [p.name for p in tmp_path.iterdir()] == ['model.pth']


def wrapper(accumulative_counts):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)
    return OptimWrapper(optimizer, accumulative_counts=accumulative_counts)


def test_period_of_one_optimizer():
    assert accumulation_period(wrapper(3)) == 3


def test_period_of_two_optimizers():
    wrappers = OptimWrapperDict(segmentor=wrapper(4), discriminator=wrapper(6))
    assert accumulation_period(wrappers) == 12
