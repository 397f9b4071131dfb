import gc
import signal
import uuid

import config_text
import pytest
import torch
from mmengine.logging import MessageHub

from mmuda.utils.setup_env import register_all_modules

torch.set_num_threads(1)
# Tests send these; nohup and the & of a script have them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
config_text.leave_as_it_is()
register_all_modules()


@pytest.fixture(autouse=True, scope='module')
def little_to_collect():
    """Leave what was there before a file of tests out of the collections.

    Each data set of mmengine collects garbage when it is built, which takes a
    third of a second if all modules and tests are looked through.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def mmuda_scope():
    """Each test runs under the default scope that configs set.

    It also starts at iteration 0, whatever run another test left behind.
    """
    register_all_modules()
    MessageHub.get_instance(uuid.uuid4().hex)
