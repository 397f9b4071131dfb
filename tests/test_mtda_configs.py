"""Configs with several targets: they agree with their names and the data."""

import pytest
from mtda_leaves import (
    DATASETS,
    KINDS,
    LEAVES,
    NETWORKS,
    build,
    classes_of,
    domains_of,
    is_small,
    label_set_of,
    load,
    method_of,
    parts_of,
    pipeline_types,
)

from mmuda.utils.config_keys import check_config_keys

METHODS = {
    *('advent', 'source_only', 'multi_dis', 'mtkt', 'ccl'),
    *('warm_up', 'coast', 'mlcl'),
}
SELF_TRAINED = ('coast', 'mlcl')
LIGHT_ENSEMBLE = (
    *('g2cm', 'g2mi', 'g2cmi'),
    *('g2ci_19', 'g2cm_19', 'g2mi_19', 'g2cmi_19'),
)
MLCL = [leaf for leaf in LEAVES if method_of(leaf) == 'mlcl']


@pytest.fixture(params=sorted({*LEAVES, *KINDS}))
def name(request):
    return request.param


def targets_of(name):
    return load(name).train_dataloader.dataset.get('targets') or {}


def test_there_is_every_method_for_every_kind_of_setting():
    assert {method_of(network + '_g2c') for network in NETWORKS} == METHODS
    for setting in ('carla2camvid', 'idda_cn2cs_hrn'):
        small = [leaf for leaf in LEAVES if parts_of(leaf)[2] == setting]
        assert {*map(method_of, small)} == METHODS


def test_a_name_ends_in_the_setting(name):
    if not is_small(name):
        assert load(name).setting == parts_of(name)[2]


def test_config_has_no_unknown_keys(name):
    check_config_keys(load(name))


def test_trained_data_is_that_of_the_name(name):
    source, targets = domains_of(name)
    labelled = load(name).train_dataloader.dataset.source
    assert labelled.type == DATASETS[source]
    assert 'seg_map_path' in labelled.data_prefix
    assert 'LoadLabels' in pipeline_types(labelled)
    found = targets_of(name)
    assert list(found) == targets * (method_of(name) != 'source_only')
    for target in found.values():
        assert 'seg_map_path' not in target.data_prefix
        assert 'LoadLabels' not in pipeline_types(target)


def test_targets_of_the_model_are_those_of_the_name(name):
    model = load(name).model
    named = [
        part.targets
        for part in (model, model.segmentor)
        if part.get('targets')
    ]
    count = 0 if method_of(name) in ('advent', 'source_only') else 1
    if model.segmentor.type == 'MultiHeadEncoderDecoder':
        count = 2
    assert named == [domains_of(name)[1]] * count


def test_each_target_is_evaluated_on_its_own_data(name):
    cfg, targets = load(name), domains_of(name)[1]
    for part in ('val', 'test'):
        metrics = cfg[f'{part}_evaluator']
        assert [metric.prefix for metric in metrics] == targets
        datasets = [loader.dataset for loader in cfg[f'{part}_dataloader']]
        assert [d.type for d in datasets] == [DATASETS[t] for t in targets]
        for target, dataset in zip(targets, datasets, strict=True):
            trained = targets_of(name).get(target, dataset)
            for key in ('data_root', 'ann_file'):
                assert dataset.get(key) == trained.get(key)


def test_data_and_networks_have_the_classes_of_the_name(name):
    cfg = load(name)
    loaders = [*cfg.val_dataloader, *cfg.test_dataloader]
    datasets = [
        cfg.train_dataloader.dataset.source,
        *targets_of(name).values(),
        *(loader.dataset for loader in loaders),
    ]
    classes, label_set = classes_of(name)
    assert {label_set_of(dataset) for dataset in datasets} == {label_set}
    heads = [
        cfg.model.segmentor.get(f'{n}_head') for n in ('decode', 'auxiliary')
    ]
    numbers = [head.num_classes for head in heads if head]
    if 'discriminator' in cfg.model:
        numbers.append(cfg.model.discriminator.in_channels)
    assert {*numbers} == {classes}


def test_schedule_is_the_published_one(name):
    cfg = load(name)
    # No checkpoint is chosen by labels of targets.
    assert 'save_best' not in cfg.default_hooks.checkpoint
    short = method_of(name) in ('warm_up', *SELF_TRAINED)
    horizon = 60000 if short else 250000
    if is_small(name):
        horizon = cfg.train_cfg.max_iters
    assert cfg.param_scheduler[-1].end == horizon + 1


@pytest.mark.parametrize('leaf', MLCL)
def test_weight_of_the_ensemble_is_that_of_the_published_run(leaf):
    _, network, setting = parts_of(leaf)
    light = network == 'aspp-r101' and setting in LIGHT_ENSEMBLE
    assert load(leaf).model.ensemble_weight == (0.01 if light else 0.05)


@pytest.mark.parametrize(
    'name', [kind for kind in KINDS if method_of(kind) == 'mtkt']
)
def test_divergence_of_mtkt_is_a_mean_over_classes(name):
    classes, count = classes_of(name)[0], len(domains_of(name)[1])
    weights = build(name)[0].divergence_weights
    expected = dict(decode=1 / classes, aux=0.1 / classes / count)
    if load(name).model.segmentor.get('auxiliary_head') is None:
        del expected['aux']
    assert weights == pytest.approx(expected)


def test_idd_has_a_mean_without_train():
    metric = load('mlcl_aspp-r101_g2ci_19').val_evaluator[1]
    assert len(set(metric.subsets.mIoU18)) == 18
    assert 'train' not in metric.subsets.mIoU18


@pytest.mark.parametrize('network', ['aspp-vgg16', 'aspp-mit-b5'])
def test_other_networks_are_trained_in_both_stages(network):
    found = {leaf for leaf in NETWORKS if leaf.endswith(network)}
    assert found == {f'mlcl_{network}', f'warm_up_{network}'}
