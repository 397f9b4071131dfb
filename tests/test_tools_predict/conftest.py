"""The tool with a small network, and what it predicts."""

import shutil

import mmcv
import numpy as np
import predicting_network
import pytest
from tools_in_process import load_tool, run_loaded

from mmuda.apis.video_files import written_video


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return predicting_network.write(tmp_path_factory.mktemp('small'))


@pytest.fixture
def predict(small, monkeypatch, capsys):
    """Run the tool with the checkpoint."""
    tool = load_tool('predict.py')

    def run(*words, checkpoint=small['checkpoint'], device='cpu'):
        words = [*words, '--checkpoint', checkpoint, '--device', device]
        return run_loaded(tool, words, monkeypatch, capsys)

    return run


@pytest.fixture
def images(small, tmp_path):
    """Two images that differ in their ending alone, and one in a folder."""
    first, second = predicting_network.images_below(small['images'])
    folder = tmp_path / 'images'
    (folder / 'town').mkdir(parents=True)
    shutil.copy(first, folder / 'a.png')
    shutil.copy(second, folder / 'town/a.png')
    mmcv.imwrite(mmcv.imread(second), str(folder / 'a.jpg'))
    return folder


@pytest.fixture
def video(small, tmp_path):
    path = tmp_path / 'drive.avi'
    image = mmcv.imread(predicting_network.images_below(small['images'])[0])
    with written_video(path, 10) as writer:
        for number in range(4):
            writer.add(np.roll(image[..., ::-1], 7 * number, axis=1))
    return path
