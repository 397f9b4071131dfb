"""Configs with several targets: they agree with their names and the data."""

from pathlib import Path

import pytest
from mtda_leaves import (
    DATASETS,
    LEAVES,
    OTHER_NETWORKS,
    SETTINGS,
    SINGLE,
    build,
    classes_of,
    domains_of,
    is_carla,
    label_set_of,
    load,
    method_of,
    pipeline_types,
)

from mmuda.utils.config_keys import check_config_keys

SELF_TRAINED = ('coast', 'mlcl')
MLCL = (
    *SETTINGS,
    *('c2mi_19', 'g2cmbi_19'),
    'g2ci_segformer_mit-b5',
    'g2ci_19_segformer_mit-b5',
    'g2ci_vgg16',
)
NAMES = dict(
    baseline=SETTINGS,
    multi_dis=SETTINGS,
    mtkt=SETTINGS,
    ccl=SETTINGS,
    coast=SETTINGS,
    mlcl=MLCL,
    warm_up=MLCL,
    single=SINGLE,
    source_only=(
        *('g2cmi', 'g2cmi_19', 'c2mi', 'i2cm', 'm2ci', 'carla2camvid'),
    ),
)
LIGHT_ENSEMBLE = (
    *('g2cm', 'g2mi', 'g2cmi'),
    *('g2ci_19', 'g2cm_19', 'g2mi_19', 'g2cmi_19', 'g2cmbi_19'),
)


@pytest.fixture(params=LEAVES)
def leaf(request):
    return request.param


def targets_of(leaf):
    return load(leaf).train_dataloader.dataset.get('targets') or {}


@pytest.mark.parametrize('method', NAMES)
def test_leaves_are_those_of_the_settings(method):
    found = {Path(leaf).stem for leaf in LEAVES if method_of(leaf) == method}
    assert found == set(NAMES[method])


def test_there_are_no_other_methods():
    assert {method_of(leaf) for leaf in LEAVES} == set(NAMES)


def test_config_has_no_unknown_keys(leaf):
    check_config_keys(load(leaf))


def test_trained_targets_are_those_of_the_name(leaf):
    expected = domains_of(leaf)[1] * (method_of(leaf) != 'source_only')
    assert list(targets_of(leaf)) == expected


def test_targets_of_the_model_are_those_of_the_name(leaf):
    model = load(leaf).model
    named = [
        part.targets
        for part in (model, model.segmentor)
        if part.get('targets')
    ]
    alone = ('baseline', 'single', 'source_only')
    count = 0 if method_of(leaf) in alone else 1
    if model.segmentor.type == 'MultiHeadEncoderDecoder':
        count = 2
    assert named == [domains_of(leaf)[1]] * count


@pytest.mark.parametrize('part', ['val', 'test'])
def test_evaluated_targets_are_those_of_the_name(leaf, part):
    metrics = load(leaf)[f'{part}_evaluator']
    assert [metric.prefix for metric in metrics] == domains_of(leaf)[1]


def test_source_is_that_of_the_name(leaf):
    source = load(leaf).train_dataloader.dataset.source
    assert source.type == DATASETS[domains_of(leaf)[0]]


def test_source_loads_labels(leaf):
    source = load(leaf).train_dataloader.dataset.source
    assert 'seg_map_path' in source.data_prefix
    assert 'LoadLabels' in pipeline_types(source)


def test_targets_load_no_labels(leaf):
    for target in targets_of(leaf).values():
        assert 'seg_map_path' not in target.data_prefix
        assert 'LoadLabels' not in pipeline_types(target)


@pytest.mark.parametrize('part', ['val', 'test'])
def test_each_target_is_evaluated_on_its_own_data(leaf, part):
    cfg = load(leaf)
    datasets = [loader.dataset for loader in cfg[f'{part}_dataloader']]
    names = domains_of(leaf)[1]
    assert [dataset.type for dataset in datasets] == [
        DATASETS[name] for name in names
    ]
    for name, dataset in zip(names, datasets, strict=True):
        trained = targets_of(leaf).get(name, dataset)
        for key in ('data_root', 'ann_file'):
            assert dataset.get(key) == trained.get(key)


def test_all_data_sets_have_the_classes_of_the_name(leaf):
    cfg = load(leaf)
    loaders = [*cfg.val_dataloader, *cfg.test_dataloader]
    datasets = [
        cfg.train_dataloader.dataset.source,
        *targets_of(leaf).values(),
        *(loader.dataset for loader in loaders),
    ]
    expected = {classes_of(leaf)[1]}
    assert {label_set_of(dataset) for dataset in datasets} == expected


def test_networks_have_the_classes_of_the_name(leaf):
    model = load(leaf).model
    heads = (model.segmentor.get(f'{n}_head') for n in ('decode', 'auxiliary'))
    numbers = [head.num_classes for head in heads if head]
    if 'discriminator' in model:
        numbers.append(model.discriminator.in_channels)
    assert set(numbers) == {classes_of(leaf)[0]}


def test_no_checkpoint_is_chosen_by_labels_of_targets(leaf):
    assert 'save_best' not in load(leaf).default_hooks.checkpoint


def test_rate_ends_with_the_published_horizon(leaf):
    cfg = load(leaf)
    horizon = (
        60000 if method_of(leaf) in ('warm_up', *SELF_TRAINED) else 250000
    )
    if is_carla(leaf):
        horizon = cfg.train_cfg.max_iters
    assert cfg.param_scheduler[-1].end == horizon + 1


@pytest.mark.parametrize('name', MLCL)
def test_weight_of_the_ensemble_is_that_of_the_published_run(name):
    expected = 0.01 if name in LIGHT_ENSEMBLE else 0.05
    assert load(f'mlcl/{name}.py').model.ensemble_weight == expected


@pytest.mark.parametrize('name', SETTINGS)
def test_divergence_of_mtkt_is_a_mean_over_classes(name):
    leaf = f'mtkt/{name}.py'
    classes, count = classes_of(leaf)[0], len(domains_of(leaf)[1])
    weights = build(leaf)[0].divergence_weights
    expected = dict(decode=1 / classes, aux=0.1 / classes / count)
    assert weights == pytest.approx(expected)


def test_idd_has_a_mean_without_train():
    metric = load('mlcl/g2ci_19.py').val_evaluator[1]
    assert len(set(metric.subsets.mIoU18)) == 18
    assert 'train' not in metric.subsets.mIoU18


@pytest.mark.parametrize('network', OTHER_NETWORKS)
def test_other_networks_are_trained_in_both_stages(network):
    found = [leaf for leaf in LEAVES if leaf.endswith(f'{network}.py')]
    assert {method_of(leaf) for leaf in found} == {'mlcl', 'warm_up'}
