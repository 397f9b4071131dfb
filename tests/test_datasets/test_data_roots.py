"""Folders of data that are not there."""

import pytest
from mmengine.config import Config
from toy_images import folder_config, make_folder

from mmuda.datasets.sets.data_roots import require_data_roots
from mmuda.utils.errors import DataError


@pytest.fixture
def training(tmp_path):
    """Config of a training whose folders are those of ``roots``."""
    make_folder(tmp_path / 'there', ['a'])

    def made(**roots):
        parts = {
            name: folder_config(tmp_path / roots.get(name, 'there'))
            for name in ('source', 'target', 'val')
        }
        validation = dict(dataset=parts.pop('val'))
        return Config(
            dict(
                train_dataloader=dict(dataset=parts),
                val_dataloader=validation,
                val_cfg={},
                val_evaluator=dict(type='DomainIoUMetric'),
            )
        )

    return made


def told(*cfgs, **options):
    with pytest.raises(DataError) as error:
        require_data_roots(*cfgs, **options)
    return str(error.value)


def test_all_folders_are_there(training):
    require_data_roots(training(), training())


def test_a_folder_of_two_domains_and_of_two_configs_is_named_once(
    training, tmp_path
):
    cfg = training(target='none', val='none')
    assert told(cfg, cfg) == (
        f"data_root: '{tmp_path}/none' (target, val) is not a folder; "
        'download the data there, or set --data-root target=DIR'
    )


def test_a_domain_of_several_data_sets(training, tmp_path):
    cfg = training(target='none')
    dataset = cfg.train_dataloader.dataset
    lost = folder_config(tmp_path / 'lost')
    dataset.source = [dataset.source, lost]
    text = told(cfg)
    assert f"'{tmp_path}/lost' (source.1) and '{tmp_path}/none'" in text
    assert text.endswith('--data-root source.1=DIR target=DIR')


@pytest.mark.parametrize('without', ['val_cfg', 'val_evaluator', None])
def test_what_is_not_evaluated_may_be_missing(training, without):
    cfg = training(val='none')
    assert told(cfg).endswith('val_dataloader=None')
    if without:
        cfg[without] = None
    require_data_roots(cfg, validates=without is not None)


def test_data_sets_of_others_tell_themselves(training):
    cfg = training()
    other = dict(type='mmseg.ADE20KDataset', data_root='/none')
    cfg.train_dataloader.dataset.source = other
    require_data_roots(cfg)
