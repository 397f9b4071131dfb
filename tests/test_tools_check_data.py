"""check_data.py on configs that train on pseudo-labels."""

import os
import subprocess
import sys

import demo_data
import pytest
from mmengine.config import Config

TOOL = demo_data.ROOT / 'tools/misc/check_data.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=2)


@pytest.fixture
def config(data, tmp_path):
    """The demo's data with a target that loads pseudo-labels."""
    cfg = demo_data.config(data, tmp_path)
    pipeline = cfg.train_dataloader.dataset.target.pipeline
    pipeline.insert(1, dict(type='LoadPseudoLabels', resize=True))
    loaders = {k: cfg[k] for k in ('train_dataloader', 'val_dataloader')}
    path = tmp_path / 'labelled.py'
    Config(loaders).dump(path)
    return path


def run(config, *options):
    done = subprocess.run(
        [sys.executable, str(TOOL), str(config), *map(str, options)],
        env=os.environ | demo_data.ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_pseudo_labels_that_nobody_named(config):
    code, out, _ = run(config)
    assert code == 0
    assert 'pseudo-labels: none named, so none checked' in out


def test_pseudo_labels_that_are_not_there(config, tmp_path):
    code, _, err = run(config, '--pseudo-labels', tmp_path / 'none')
    assert code == 1
    assert str(tmp_path / 'none') in err


def test_config_without_pseudo_labels(data, tmp_path):
    cfg = demo_data.config(data, tmp_path)
    path = tmp_path / 'plain.py'
    Config(dict(train_dataloader=cfg.train_dataloader)).dump(path)
    code, _, err = run(path, '--pseudo-labels', tmp_path)
    assert code == 2
    assert 'no domain of this config loads pseudo-labels' in err
