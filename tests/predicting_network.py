"""A small network whose predictions vary, with its config and its images."""

import demo_data
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from mmuda.registry import DATASETS, MODELS

#: Results of the folder that tests of the tool predict.
LABELS = ['a.jpg.png', 'a.png.png', 'town/a.png']


def images_below(folder):
    """Paths of all PNGs, sorted."""
    return sorted(map(str, folder.rglob('*.png')))


def write(folder, **changes):
    """Write images, a config and weights.

    Returns:
        A dict with ``config``, ``checkpoint``, ``images`` (folder of the
        validation images), ``cfg`` and ``folder``.
    """
    data = demo_data.write(folder / 'data', count=1)
    cfg = demo_data.config(data, folder / 'run', **changes)
    config, checkpoint = folder / 'small.py', folder / 'small.pth'
    cfg.dump(config)
    torch.manual_seed(3)
    with DefaultScope.overwrite_default_scope('mmuda'):
        model = MODELS.build(cfg.model).eval()
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    vary(model, dataset)
    save(model, checkpoint, cfg, dataset.metainfo)
    images = data / 'Cityscapes/leftImg8bit/val'
    return dict(
        config=config,
        checkpoint=checkpoint,
        images=images,
        cfg=cfg,
        folder=folder,
    )


def save(model, path, cfg, metainfo):
    """Write weights as a training does."""
    about = {key: metainfo[key] for key in ('classes', 'palette')}
    meta = dict(dataset_meta=about, cfg=cfg.pretty_text)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


def vary(model, dataset):
    """A new network sees the same class everywhere; let it see several."""
    batch = pseudo_collate([dataset[0]])
    inputs = model.data_preprocessor(batch, False)['inputs']
    networks = [n for n in (model.segmentor, model.teacher) if n is not None]
    for seed, network in enumerate(networks):
        torch.manual_seed(seed)
        heads = dict(network.decode_head.named_parameters())
        with torch.no_grad():
            for name, values in heads.items():
                if 'bias' not in name:
                    values += values.std() * torch.randn_like(values)
            spread = network(inputs).std(dim=(0, 2, 3)).reshape(-1, 1, 1, 1)
            for name, values in heads.items():
                if 'bias' not in name:
                    values /= spread
            first = next(v for n, v in heads.items() if 'bias' in n)
            first -= network(inputs).mean(dim=(0, 2, 3))


def files_below(folder):
    """Names of the files of a folder that are not hidden."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and not path.name.startswith('.')
    )
