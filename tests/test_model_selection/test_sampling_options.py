"""Options of tools that look at checkpoints without labels."""

from argparse import Namespace

import pytest
from mmengine.config import Config

from mmuda.model_selection.sampling_options import use_head_of_args
from mmuda.utils.errors import ConfigError


def head_of(head, domain=None):
    segmentor = dict(type='MultiHeadEncoderDecoder', targets=['rome', 'oslo'])
    cfg = Config(
        dict(
            model=dict(type='MTKT', segmentor=segmentor),
            test_cfg=dict(type='MultiTargetTestLoop'),
        )
    )
    use_head_of_args(cfg, Namespace(head=head, domain=domain))
    return cfg.model.segmentor.get('predict_head')


def test_head_of_a_target():
    assert head_of('rome') == 'rome.decode'
    assert head_of('agnostic') == 'decode'
    assert head_of(None, 'rome') is None


def test_own_is_the_head_of_the_domain():
    assert head_of('own', 'oslo') == 'oslo.decode'
    with pytest.raises(ConfigError, match='--head own: name the target'):
        head_of('own')
