"""Labelling a few random images with a tiny network."""

import cv2
import numpy as np
import torch
from tiny_models import logits_of, model_config, segmentor_config

from mmuda.datasets.pseudo_labels.pseudo_label_store import label_path
from mmuda.pseudo_labels.labeler import PseudoLabeler
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.setup_env import register_all_modules

CLASSES = 10
PIPELINE = [dict(type='LoadImage'), dict(type='PackDomainInputs')]
ESL = dict(type='EntropyQuantile', quantile=0.5, floor=0.1)


def write_images(root, count=5, size=(40, 56), odd_size=None):
    """Random images in two folders with the same base names.

    Blocks of 8 pixels, so that a network sees more than noise. Every third
    image has another size, if one is given.
    """
    generator = np.random.default_rng(0)
    for index in range(count):
        height, width = odd_size if odd_size and index % 3 == 2 else size
        blocks = generator.integers(0, 256, (height // 8, width // 8, 3))
        image = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)
        path = root / 'images' / 'ab'[index % 2] / f'{index // 2}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    return root


def dataset_config(root, **kwargs):
    config = dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images'),
        img_suffix='.png',
        label_set='carla_camvid10',
        pipeline=PIPELINE,
    )
    return config | kwargs


def build_model(seed=0, method='MinEnt', **kwargs):
    """A network whose logits differ from pixel to pixel."""
    torch.manual_seed(seed)
    segmentor = segmentor_config()
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['num_classes'] = CLASSES
    model = MODELS.build(model_config(method, segmentor=segmentor, **kwargs))
    blocks = torch.rand(8, 3, 8, 8).repeat_interleave(8, 2)
    images = 2 * blocks.repeat_interleave(8, 3) - 1
    # statistics of batch norm that are not those of the initialisation
    model.train().segmentor(images)
    model.eval()
    with torch.no_grad():
        for name, logits in logits_of(model.segmentor, images).items():
            scores = model.segmentor.heads()[name].conv_seg
            scale = 2 / logits.std(dim=(0, 2, 3))
            scores.weight *= scale.view(-1, 1, 1, 1)
            scores.bias -= logits.mean(dim=(0, 2, 3))
            scores.bias *= scale
    return model


def label(root, out, model=None, report=None, **options):
    """Label all images and return the manifest."""
    register_all_modules()
    options = dict(rule=ESL, pipeline=PIPELINE, num_workers=0) | options
    options = PseudoLabelOptions(**options)
    labeler = PseudoLabeler(
        options.predictor(model or build_model()),
        options,
        report or (lambda part, done, total: None),
    )
    dataset = DATASETS.build(dataset_config(root))
    return labeler.run(dataset, out, config='c.py', checkpoints=())


def read(out, key):
    return cv2.imread(str(label_path(out, key)), cv2.IMREAD_UNCHANGED)


def files_of(folder):
    """Content of every file by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }
