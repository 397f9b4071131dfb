import warnings

import config_text
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmseg.models.losses import CrossEntropyLoss
from yapf.yapflib import yapf_api

from mmuda.utils.compat import load_from_file_or_url
from mmuda.utils.setup_env import register_all_modules


def test_scope_is_mmuda():
    register_all_modules()
    assert DefaultScope.get_current_instance().scope_name == 'mmuda'


def test_scope_can_be_left_alone():
    with DefaultScope.overwrite_default_scope('mmseg'):
        register_all_modules(init_default_scope=False)
        assert DefaultScope.get_current_instance().scope_name == 'mmseg'


def test_checkpoints_are_loaded_safely():
    register_all_modules(init_default_scope=False)
    loader = CheckpointLoader._get_checkpoint_loader('work_dirs/iter_1.pth')
    assert loader is load_from_file_or_url


def test_a_config_is_laid_out_once(monkeypatch):
    monkeypatch.setattr(yapf_api, 'FormatCode', config_text.lay_out)
    register_all_modules(init_default_scope=False)
    config = Config(dict(model=dict(type='AdvEnt', weights=[0.1] * 40)))
    text = config.pretty_text
    assert max(map(len, text.splitlines())) < 80
    hits = yapf_api.FormatCode.cache_info().hits
    assert config.pretty_text == text
    assert yapf_api.FormatCode.cache_info().hits == hits + 1
    config.model.type = 'MinEnt'
    assert config.pretty_text == text.replace('AdvEnt', 'MinEnt')


def test_a_mean_that_a_config_asks_for_is_not_warned_of():
    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        register_all_modules(init_default_scope=False)
        CrossEntropyLoss(avg_non_ignore=False)
    assert [str(warning.message) for warning in found] == []
