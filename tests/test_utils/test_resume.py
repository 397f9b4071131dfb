import os
import zipfile

import pytest
import torch

from mmuda.utils.errors import CheckpointError
from mmuda.utils.resume import (
    checkpoints_by_iteration,
    find_resume_checkpoint,
    resume_point,
)


def save(path):
    torch.save({'weight': torch.zeros(64)}, path)
    return path


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_pointer_decides(tmp_path):
    older_run = save(tmp_path / 'iter_9000.pth')
    newer_run = save(tmp_path / 'iter_200.pth')
    (tmp_path / 'last_checkpoint').write_text(str(newer_run))
    assert find_resume_checkpoint(tmp_path) == newer_run
    assert older_run.exists()


def test_highest_iteration_without_pointer(tmp_path):
    save(tmp_path / 'iter_900.pth')
    newest = save(tmp_path / 'iter_1000.pth')
    assert find_resume_checkpoint(tmp_path) == newest


def test_empty_pointer_is_passed_over(tmp_path):
    newest = save(tmp_path / 'iter_10.pth')
    (tmp_path / 'last_checkpoint').write_text('')
    assert find_resume_checkpoint(tmp_path) == newest


def test_pointer_cut_off_is_passed_over(tmp_path):
    newest = save(tmp_path / 'iter_10.pth')
    (tmp_path / 'last_checkpoint').write_text(str(newest)[:-6])
    assert find_resume_checkpoint(tmp_path) == newest


def test_unreadable_pointer_is_passed_over(tmp_path):
    newest = save(tmp_path / 'iter_10.pth')
    (tmp_path / 'last_checkpoint').write_bytes(b'\xff\xfe\x00')
    assert find_resume_checkpoint(tmp_path) == newest


@pytest.mark.parametrize('name', ['x' * 5000, 'x' * 50_000, 'a\0b', '.'])
def test_pointer_to_what_can_be_no_file(tmp_path, name):
    newest = save(tmp_path / 'iter_10.pth')
    (tmp_path / 'last_checkpoint').write_text(name)
    assert find_resume_checkpoint(tmp_path) == newest


def test_pointer_that_is_a_pipe(tmp_path):
    newest = save(tmp_path / 'iter_10.pth')
    os.mkfifo(tmp_path / 'last_checkpoint')
    assert find_resume_checkpoint(tmp_path) == newest


def test_checkpoint_cut_off_is_passed_over(tmp_path):
    whole = save(tmp_path / 'iter_10.pth')
    broken = save(tmp_path / 'iter_20.pth')
    cut_off(broken)
    (tmp_path / 'last_checkpoint').write_text(str(broken))
    assert find_resume_checkpoint(tmp_path) == whole


def test_copied_folder_continues_with_its_own_checkpoint(tmp_path):
    for name in ('first', 'copy'):
        (tmp_path / name).mkdir()
        save(tmp_path / name / 'iter_10.pth')
        (tmp_path / name / 'last_checkpoint').write_text(
            str(tmp_path / 'first' / 'iter_10.pth')
        )
    expected = tmp_path / 'copy' / 'iter_10.pth'
    assert find_resume_checkpoint(tmp_path / 'copy') == expected


def test_checkpoint_in_another_folder_is_found(tmp_path):
    (tmp_path / 'work').mkdir()
    elsewhere = save(tmp_path / 'iter_10.pth')
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(elsewhere))
    assert find_resume_checkpoint(tmp_path / 'work') == elsewhere


def test_nothing_to_continue_with(tmp_path):
    (tmp_path / 'best_mIoU_iter_10.pth').write_bytes(b'')
    assert find_resume_checkpoint(tmp_path) is None
    assert find_resume_checkpoint(tmp_path / 'missing') is None


def test_checkpoints_of_iterations_only(tmp_path):
    for name in ('iter_40.pth', 'iter_9.pth', 'best_mIoU_iter_5.pth'):
        save(tmp_path / name)
    save(tmp_path / 'iter_last.pth')
    assert sorted(checkpoints_by_iteration(tmp_path)) == [9, 40]


def damage(path):
    """Flip a bit of a tensor."""
    with zipfile.ZipFile(path) as file:
        tensor = file.read(f'{path.stem}/data/0')
    data = bytearray(path.read_bytes())
    data[data.index(tensor)] ^= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize('fault', [damage, cut_off])
def test_damaged_checkpoints_are_passed_over_and_named(tmp_path, fault):
    whole = save(tmp_path / 'iter_10.pth')
    for number in (20, 30):
        fault(save(tmp_path / f'iter_{number}.pth'))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_30.pth'))
    path, message = resume_point(tmp_path)
    assert path == whole
    parts = [f'{tmp_path}/iter_{number}.pth is damaged' for number in (30, 20)]
    assert [message.count(part) for part in parts] == [1, 1]
    assert message.index(parts[0]) < message.index(parts[1])
    assert message.endswith(f'continue from {whole} before it')


def test_nothing_to_say_if_the_newest_is_whole(tmp_path):
    damage(save(tmp_path / 'iter_10.pth'))
    newest = save(tmp_path / 'iter_20.pth')
    assert resume_point(tmp_path) == (newest, '')


@pytest.mark.parametrize('pointer', [False, True])
def test_no_new_start_over_damaged_checkpoints(tmp_path, pointer):
    path = damage(save(tmp_path / 'iter_10.pth'))
    if pointer:
        (tmp_path / 'last_checkpoint').write_text(str(path))
    with pytest.raises(CheckpointError) as error:
        find_resume_checkpoint(tmp_path)
    text = str(error.value)
    assert f'{path} is damaged (iter_10/data/0 does not fit' in text
    assert 'move the damaged ones away' in text


def test_checkpoint_that_is_gone_is_not_damaged(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('iter_10.pth')
    assert resume_point(tmp_path) == (None, '')


def test_an_earlier_and_longer_run_is_not_continued(tmp_path):
    save(tmp_path / 'iter_9000.pth')
    whole = save(tmp_path / 'iter_100.pth')
    broken = damage(save(tmp_path / 'iter_200.pth'))
    (tmp_path / 'last_checkpoint').write_text(str(broken))
    path, message = resume_point(tmp_path)
    assert path == whole
    assert message.endswith(f'continue from {whole} before it')


def test_without_a_lower_one_it_is_not_called_one_before(tmp_path):
    longer = save(tmp_path / 'iter_9000.pth')
    broken = damage(save(tmp_path / 'iter_200.pth'))
    (tmp_path / 'last_checkpoint').write_text(str(broken))
    path, message = resume_point(tmp_path)
    assert path == longer
    assert message.endswith(f'; continue from {longer}')


def test_damaged_in_another_folder(tmp_path):
    (tmp_path / 'work').mkdir()
    whole = save(tmp_path / 'iter_10.pth')
    broken = damage(save(tmp_path / 'iter_20.pth'))
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(broken))
    path, message = resume_point(tmp_path / 'work')
    assert path == whole
    assert f'{broken} is damaged' in message
