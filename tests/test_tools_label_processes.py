"""dist_generate_pseudo_labels.sh writes what one process writes."""

import demo_data
import pytest
import test_tools_train_and_test as tools
from gloo import free_port

CONFIG = 'configs/demo/esl_gta2cs.py'
ADVENT = 'configs/demo/advent_gta2cs.py'


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
        if path.is_file()
    }


def test_processes_write_the_bytes_of_one(trained, tmp_path):
    data, checkpoint = trained
    config = demo_data.ROOT / CONFIG
    options = ['pseudo_labels.batch_size=2', 'pseudo_labels.soft_top_k=3']
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
    assert len(expected) == 2 * 5 + 1
    assert files_of(tmp_path / 'two') == expected
