import os

import gloo
import pytest
import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device

from mmuda.utils.distributed import files_of_main_process, init_distributed
from mmuda.utils.errors import ConfigError, DataError

needs_no_gpu = pytest.mark.skipif(
    get_device() != 'cpu', reason='about machines without a GPU'
)


def test_one_process_stays_unconnected():
    init_distributed('none', Config())
    assert not dist.is_initialized()


def test_process_not_started_by_torchrun_is_told_so(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match='RANK, .* tools/dist_train.sh'):
        init_distributed('pytorch', Config())


@needs_no_gpu
def test_slurm_without_gpu_is_refused():
    with pytest.raises(ConfigError, match='--launcher slurm needs a GPU'):
        init_distributed('slurm', Config())


@needs_no_gpu
def test_processes_without_gpu_are_connected_by_gloo(monkeypatch):
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('WORLD_SIZE', '1')
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    monkeypatch.setenv('MASTER_PORT', '0')
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(timeout=60))))
    init_distributed('pytorch', cfg)
    try:
        assert dist.get_backend() == 'gloo'
    finally:
        dist.destroy_process_group()


def in_folder_of_rank(folder):
    """What each process makes of a choice of files."""
    rank = dist.get_rank()
    os.chdir(os.path.join(folder, str(rank)))
    found = [files_of_main_process(['both.pth'] if rank == 0 else ['other'])]
    try:
        files_of_main_process(['both.pth', 'main.pth'])
    except DataError as error:
        found.append(str(error))
    return found


def test_a_file_that_a_process_does_not_see_stops_all(tmp_path):
    for name in ('0/both.pth', '0/main.pth', '1/both.pth'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for files, message in gloo.run(in_folder_of_rank, tmp_path, str(tmp_path)):
        assert files == ['both.pth']
        assert message.startswith('process 1 does not see main.pth')
