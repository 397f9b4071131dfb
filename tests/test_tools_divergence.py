"""A training by train.py that diverges ends in one line."""

import demo_data
import pytest
from failing_tools import CONFIG, error_of

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.weights import not_finite


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=1)


@pytest.mark.parametrize(
    ('interval', 'saved'), [(1, ['iter_1.pth']), (100, [])]
)
def test_a_learning_rate_that_is_far_too_high(
    data, tmp_path, monkeypatch, capfd, interval, saved
):
    """The first step goes far; from the second on all losses are NaN."""
    options = demo_data.options(data, max_iters=8, interval=interval)
    options |= {
        'optim_wrapper.segmentor.optimizer.lr': 1e25,
        'default_hooks.checkpoint.max_keep_ckpts': 1,
    }
    words = [CONFIG, '--work-dir', tmp_path]
    error, _ = error_of('train.py', words, options, monkeypatch, capfd)
    assert error.startswith('error: the training has diverged')
    assert 'lower the learning rate' in error
    assert 'source.decode.loss_ce is nan' in error
    files = sorted(tmp_path.glob('*.pth'))
    assert [path.name for path in files] == saved
    if saved:
        assert str(files[0]) in error
        assert not not_finite(load_checkpoint_file(files[0])['state_dict'])
    else:
        assert 'stopped after iteration 4: ' in error
