from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader

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
