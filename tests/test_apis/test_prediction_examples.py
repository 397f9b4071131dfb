"""The examples of docs/predict.md run."""

import runpy
import shutil

import mmcv
import numpy as np
import predicting_network
import pytest
from doc_pages import examples
from PIL import Image

SCRIPTS = sorted(
    name
    for name, code in examples().items()
    if name.startswith('my_project/') and 'my_network.pth' in code
)


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp('project')
    small = predicting_network.write(folder / 'small')
    shutil.copy(small['config'], folder / 'my_config.py')
    shutil.copy(small['checkpoint'], folder / 'my_network.pth')
    shutil.copytree(small['images'], folder / 'drives')
    first = predicting_network.images_below(small['images'])[0]
    image = mmcv.imresize(mmcv.imread(first), (256, 128))
    mmcv.imwrite(image, str(folder / 'street.jpg'))
    return folder


def run(name, project, monkeypatch):
    monkeypatch.chdir(project)
    path = project / name.rpartition('/')[2]
    path.write_text(examples()[name])
    return runpy.run_path(str(path))


def test_scripts_are_found():
    assert len(SCRIPTS) == 3


@pytest.mark.filterwarnings('ignore::mmuda.apis.InputWarning')
@pytest.mark.parametrize('name', SCRIPTS)
def test_scripts_of_the_page_run(name, project, monkeypatch, capsys):
    run(name, project, monkeypatch)
    printed = capsys.readouterr().out
    if 'street.png' in examples()[name]:
        assert '(128, 256)' in printed
        label = np.asarray(Image.open(project / 'street.png'))
        assert label.shape == (128, 256)
    if "'drives'" in examples()[name]:
        assert printed.count('_leftImg8bit.png') == 2
