"""dist_generate_pseudo_labels.sh writes what one process writes."""

import cv2
import demo_data
import numpy as np
import pytest
import test_tools_train_and_test as tools
from gloo import free_port

from mmuda.utils.locks import LOCK

CONFIG = 'configs/demo/demo_esl_gta2cs.py'
ADVENT = 'configs/demo/demo_advent_gta2cs.py'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    data = demo_data.write(tmp_path_factory.mktemp('processes'))
    work_dir = tmp_path_factory.mktemp('trained')
    options = tools.overrides(data, **{'train_cfg.max_iters': 1})
    config = demo_data.ROOT / ADVENT
    tools.run('train.py', config, '--work-dir', work_dir, *options)
    return data, work_dir / 'iter_1.pth'


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        # the lock names the process that wrote them
        if path.is_file() and path.name != LOCK
    }


def test_processes_write_the_bytes_of_one(trained, tmp_path):
    data, checkpoint = trained
    config = demo_data.ROOT / CONFIG
    # an untrained network sees one class, so the mask makes the pictures
    mask = tmp_path / 'mask.bmp'
    cv2.imwrite(str(mask), np.eye(16, dtype=np.uint8))
    options = ['pseudo_labels.batch_size=2', 'pseudo_labels.soft_top_k=3']
    options += [f'pseudo_labels.ego_mask={mask}']
    options = [*tools.overrides(data), *options]
    tools.run(
        'generate_pseudo_labels.py',
        *(config, checkpoint, '--out', tmp_path / 'one', *options),
    )
    tools.run(
        'dist_generate_pseudo_labels.sh',
        *(config, checkpoint, 2, '--out', tmp_path / 'two', *options),
        PORT=str(free_port()),
    )
    expected = files_of(tmp_path / 'one')
    assert len(expected) == 2 * 5 + 2
    labels = [cv2.imread(str(f), -1) for f in tmp_path.rglob('*.png')]
    assert all(len(np.unique(label)) > 1 for label in labels)
    assert files_of(tmp_path / 'two') == expected
