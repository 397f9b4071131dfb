import pytest
from mmengine.config import Config

from mmuda.utils.config_data import (
    data_set,
    data_sets,
    override_data_roots,
)
from mmuda.utils.errors import ConfigError


def loader(name):
    return dict(dataset=dict(type=name))


def training(**domains):
    return Config(dict(train_dataloader=dict(dataset=domains)))


def names_and_types(cfg):
    return {name: part['type'] for name, part in data_sets(cfg).items()}


def test_domains_of_the_training():
    cfg = training(source=dict(type='A'), target=dict(type='B'))
    assert names_and_types(cfg) == dict(source='A', target='B')


def test_several_targets():
    targets = dict(rome=dict(type='B'), oslo=dict(type='C'))
    cfg = training(source=dict(type='A'), targets=targets)
    assert names_and_types(cfg) == dict(source='A', rome='B', oslo='C')


def test_a_domain_that_is_none_is_left_out():
    cfg = training(source=dict(type='A'), target=None)
    assert names_and_types(cfg) == dict(source='A')


def test_evaluation_sets():
    cfg = Config(dict(val_dataloader=loader('A'), test_dataloader=loader('B')))
    assert names_and_types(cfg) == dict(val='A', test='B')


def test_several_evaluation_sets_have_the_names_of_their_evaluators():
    cfg = Config(
        dict(
            val_dataloader=[loader('A'), loader('B'), loader('C')],
            val_evaluator=[dict(prefix='rome'), [dict(prefix='oslo')]],
        )
    )
    wanted = {'val.rome': 'A', 'val.oslo': 'B', 'val.2': 'C'}
    assert names_and_types(cfg) == wanted


def test_unknown_name():
    cfg = training(source=dict(type='A'), target=dict(type='B'))
    message = r"--domain 'sourse': the config has source, target \(did you"
    with pytest.raises(ConfigError, match=message):
        data_set(cfg, 'sourse', '--domain')


def test_nothing_to_choose():
    with pytest.raises(ConfigError, match='has no data sets'):
        data_set(Config({}), 'source', '--domain')


def test_a_target_without_a_folder_does_not_follow_the_source():
    cfg = training(source=dict(type='A'))
    cfg.unseen_targets = dict(target=dict(type='B'))
    cfg.val_dataloader = loader('B')
    override_data_roots(cfg, dict(source='mine'))
    assert cfg.train_dataloader.dataset.source.data_root == 'mine'
    assert 'data_root' not in cfg.val_dataloader.dataset
