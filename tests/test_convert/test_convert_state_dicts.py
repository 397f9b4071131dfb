import pytest
import torch

from mmuda.convert import (
    find_state_dict,
    load_state_dict_file,
    write_checkpoint,
)
from mmuda.convert.state_dicts import rename_exactly
from mmuda.utils.errors import CheckpointError

ONE = torch.ones(1)


@pytest.mark.parametrize(
    'checkpoint',
    [
        {'a.weight': ONE},
        {'module.a.weight': ONE},
        {'state_dict': {'module.a.weight': ONE}, 'meta': {}},
        {'model': {'a.weight': ONE}, 'iteration': 3},
    ],
)
def test_tensors_are_found(checkpoint):
    assert find_state_dict(checkpoint, 'x.pth') == {'a.weight': ONE}


@pytest.mark.parametrize('checkpoint', [{}, [ONE], None, {'state_dict': {}}])
def test_file_without_tensors_is_refused(checkpoint):
    with pytest.raises(CheckpointError, match=r'x\.pth'):
        find_state_dict(checkpoint, 'x.pth')


def test_entry_that_is_no_tensor_is_named():
    with pytest.raises(CheckpointError, match="'epoch' is a int"):
        find_state_dict({'a': ONE, 'epoch': 3}, 'x.pth')


def test_missing_name_is_listed():
    with pytest.raises(CheckpointError, match=r'missing: b\. Hint'):
        rename_exactly({'a': ONE}, {'a': 'c', 'b': 'd'}, 'x.pth', 'Hint.')


def test_unknown_name_is_listed():
    with pytest.raises(CheckpointError, match=r'unknown: b\. Hint'):
        rename_exactly({'a': ONE, 'b': ONE}, {'a': 'c'}, 'x.pth', 'Hint.')


def test_long_lists_are_shortened():
    names = {f'n{i}': f'm{i}' for i in range(9)}
    with pytest.raises(CheckpointError, match='n2 and 6 more'):
        rename_exactly({}, names, 'x.pth', '')


def test_missing_batch_counter_becomes_zero():
    names = {'num_batches_tracked': 'bn.num_batches_tracked'}
    renamed = rename_exactly({}, names, 'x.pth', '')
    assert renamed['bn.num_batches_tracked'].dtype == torch.long


def test_written_checkpoint_is_read_again(tmp_path):
    file = tmp_path / 'x.pth'
    write_checkpoint(dict(meta={}, state_dict={'module.a': ONE}), file)
    assert load_state_dict_file(file) == {'a': ONE}
