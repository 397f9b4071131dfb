import pytest
from toy_images import (
    LOAD,
    RANDOM,
    domain_configs,
    folder_config,
    make_folder,
)

from mmuda.datasets import DomainDataset, DomainIndex
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError


@pytest.fixture
def source(tmp_path):
    return domain_configs(tmp_path)['source']


@pytest.fixture
def target(tmp_path):
    return domain_configs(tmp_path)['target']


def test_no_domain():
    with pytest.raises(ConfigError, match='no domain'):
        DomainDataset()


def test_target_and_targets(target):
    with pytest.raises(ConfigError, match='target and targets'):
        DomainDataset(target=target, targets={'idd': target})


def test_target_called_source(target):
    with pytest.raises(ConfigError, match="called 'source'"):
        DomainDataset(targets={'source': target})


def test_classes_disagree(source, target):
    target['label_set'] = 'seven_class'
    with pytest.raises(ConfigError, match=r"'source' and 'target'.*has 7 "):
        DomainDataset(source=source, target=target)


def test_classes_disagree_within_a_domain(source):
    other = {**source, 'label_set': 'cityscapes19'}
    with pytest.raises(ConfigError, match=r"'source\[0\]' and 'source\[1\]'"):
        DomainDataset(source=[source, other])


def test_empty_domain(source):
    # More than nothing in the folder, but nothing selected.
    source['indices'] = []
    source['serialize_data'] = False
    with pytest.raises(ConfigError, match='indices=.. leaves no image'):
        DomainDataset(source=source)


def test_bad_domain_config():
    with pytest.raises(ConfigError, match="'source' must be a dataset config"):
        DomainDataset(source=[])


@pytest.mark.parametrize('loader', ['LoadLabels', 'LoadAnnotations'])
@pytest.mark.parametrize('nested', [False, True])
def test_target_that_loads_labels(target, loader, nested):
    step = {'type': loader}
    if nested:
        step = {'type': 'RandomApply', 'transforms': [step], 'prob': 0.5}
    target['pipeline'] = [LOAD[0], step, *RANDOM]
    with pytest.raises(ConfigError, match=r"'target' loads ground truth"):
        DomainDataset(target=target)


def test_concatenated_target_that_loads_labels(source, target):
    with pytest.raises(ConfigError, match=r"'idd' loads ground truth"):
        DomainDataset(targets={'idd': [target, source]})


def test_target_with_ground_truth_of_unknown_origin(target):
    dataset = DomainDataset(target=target)
    domain = dataset.domains['target']
    domain.pipeline = lambda info: {'data_samples': {'gt_sem_seg': 1}}
    with pytest.raises(ConfigError, match=r"'target' loads ground truth"):
        _ = dataset[DomainIndex((0,), 0)]


def test_plain_index(source):
    with pytest.raises(ConfigError, match='DomainInfiniteSampler'):
        _ = DomainDataset(source=source)[0]


@pytest.mark.parametrize('indices', [1.5, ['a'], 'all', [True], {}])
def test_indices_that_are_no_numbers(tmp_path, indices):
    make_folder(tmp_path, ['a', 'b'])
    config = folder_config(tmp_path, pipeline=LOAD, indices=indices)
    with pytest.raises(ConfigError, match=r'FolderDataset: indices='):
        DATASETS.build(config)


def test_pipeline_that_packs_nothing(tmp_path):
    make_folder(tmp_path, ['a', 'b'])
    config = folder_config(tmp_path, pipeline=LOAD)
    dataset = DomainDataset(source=config)
    with pytest.raises(ConfigError, match=r"domain 'source': the pipeline do"):
        dataset[DomainIndex((0,), 0)]
