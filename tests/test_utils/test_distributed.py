import gloo
import pytest
import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device

from mmuda.utils.distributed import init_distributed, of_main_process
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


def refuse():
    raise DataError(f'process {dist.get_rank()} sees no file')


def work_and_fail():
    """What the main process finds, and its error, in each process."""
    found = of_main_process(lambda: dist.get_rank() + 7)
    with pytest.raises(DataError) as error:
        of_main_process(refuse)
    return found, str(error.value)


def test_an_error_of_the_main_process_ends_all(tmp_path):
    expected = 7, 'process 0 sees no file'
    assert gloo.run(work_and_fail, tmp_path) == [expected] * 2
