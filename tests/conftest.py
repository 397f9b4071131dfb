import pytest
import torch

from mmuda.utils.setup_env import register_all_modules

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def mmuda_scope():
    """Each test runs under the default scope that configs set."""
    register_all_modules()
