"""Pseudo-labels kept by the precision that source images tell."""

import json

import demo_data
import pytest
from mmengine.config import Config
from several_target_tools import call

from mmuda.procedures.curves import gather_selections
from mmuda.procedures.stage import Stage
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    read_precision,
)
from mmuda.utils.errors import DataError
from mmuda.utils.names import MANIFEST

CONFIG = demo_data.ROOT / 'configs/demo/demo_esl_gta2cs.py'


def options(data, **changes):
    given = demo_data.options(data, max_iters=2)
    given['pseudo_labels.num_workers'] = 0
    return given | changes


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('precision')


@pytest.fixture(scope='module')
def data(folder):
    return demo_data.write(folder / 'data', 2)


@pytest.fixture(scope='module')
def checkpoint(folder, data):
    config = demo_data.ROOT / 'configs/demo/demo_minent_gta2cs.py'
    changes = options(data)
    del changes['model.discriminator.base_channels']
    del changes['pseudo_labels.num_workers']
    call('train.py', [config, '--work-dir', folder / 'run'], changes)
    return folder / 'run/iter_2.pth'


@pytest.fixture(scope='module')
def accuracy(folder, data, checkpoint):
    words = [CONFIG, checkpoint, '--domain', 'source', '--out', folder / 'on']
    changes = {
        'pseudo_labels.rule.floor': 1.0,
        'pseudo_labels.ground_truth': 'labels',
    }
    call('generate_pseudo_labels.py', words, options(data, **changes))
    return folder / 'on/accuracy.json'


def test_images_of_the_source_are_labelled_and_measured(folder, accuracy):
    assert len([*folder.glob('on/**/*.png')]) == 2
    manifest = json.loads((folder / 'on/manifest.json').read_text())
    assert manifest['kept'] == manifest['pixels']
    found = read_precision(str(accuracy))
    assert len(found) == 19
    labelled = [name for name, count in manifest['pixels'].items() if count]
    assert all(found[name] is not None for name in labelled)


def test_manifest_says_what_the_precision_was(
    folder, data, checkpoint, accuracy
):
    words = [CONFIG, checkpoint, '--out', folder / 'target']
    changes = {
        'pseudo_labels.rule.precision': accuracy,
        'pseudo_labels.rule.quantile': 1.0,
        'pseudo_labels.rule.floor': 0.0,
    }
    call('generate_pseudo_labels.py', words, options(data, **changes))
    manifest = json.loads((folder / 'target/manifest.json').read_text())
    assert manifest['rule']['precision'] == read_precision(str(accuracy))


def test_table_of_a_procedure_reads_what_labelling_measured(accuracy):
    stage = Stage('cycle_0/label', '', (), accuracy.with_name(MANIFEST))
    found = {row.name: row.precision for row in gather_selections([(stage,)])}
    assert found == read_precision(str(accuracy))
    assert max(filter(None, found.values())) <= 1


def test_file_gives_each_class_its_number(tmp_path):
    file = tmp_path / 'accuracy.json'
    classes = dict(
        sky=dict(precision=97.5, recall=1.0),
        road=dict(precision=None, recall=None),
    )
    file.write_text(json.dumps(dict(overall=9.0, classes=classes)))
    rule = dict(type='EntropyQuantile', precision=str(file))
    cfg = Config(
        dict(pseudo_labels=dict(rule=rule, pipeline=[dict(type='A')]))
    )
    made = PseudoLabelOptions.from_config(cfg).build_rule(('road', 'sky'))
    assert made.precision == [0.0, 0.975]


def test_damaged_file_is_told(tmp_path):
    file = tmp_path / 'accuracy.json'
    file.write_text('{"classes": {"road": {"recall": 1}}}')
    with pytest.raises(DataError, match='accuracy.json.*precision'):
        read_precision(str(file))
