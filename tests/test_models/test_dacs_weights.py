"""DACS with weights of the classes."""

import dacs_models
import pytest

from mmuda.utils.errors import ConfigError


def test_class_weights_do_not_go_with_means_of_labelled_pixels(monkeypatch):
    config = dacs_models.segmentor()
    weights = [1.0] * config['decode_head']['num_classes']
    config['decode_head']['loss_decode']['class_weight'] = weights
    monkeypatch.setattr(dacs_models, 'segmentor', lambda: config)
    dacs_models.build()
    with pytest.raises(ConfigError, match="class_weight=None .*'decode'"):
        dacs_models.build(source_mean='labelled')
