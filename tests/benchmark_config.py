"""A training config with which the benchmark takes no time."""

from mmengine.config import Config
from tiny_models import model_config, optim_config

SIZES = {'source': (96, 64), 'target': (64, 64)}


def tiny_config(sizes=None, **model):
    """AdvEnt on a ResNet-18 of width 8; sizes are width and height."""
    parts = {
        name: dict(pipeline=[dict(type='Resize', scale=size)])
        for name, size in (sizes or SIZES).items()
    }
    return Config(
        dict(
            model=model_config(**model),
            optim_wrapper=optim_config(),
            train_dataloader=dict(batch_size=1, dataset=parts),
        )
    )
