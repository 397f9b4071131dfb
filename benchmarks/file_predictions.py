# Copyright (c) mmuda authors.
"""Time of predicting files with a Segmenter against the bare forward pass."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from benchmarks.evaluation import build_loop, forward_all
from benchmarks.measure import Row, paired_times, ratio_row
from mmuda.apis import Segmenter
from mmuda.apis.prediction_files import OVERLAY, PredictionFiles
from mmuda.apis.prediction_runs import predict_images, predict_video
from mmuda.apis.video_files import written_video
from mmuda.datasets.images.image_io import read_image
from mmuda.utils.files import atomic_path

# At least 0.9 of the images a second that bare passes see, 0.85 of a video.
_LIMITS = {'images': 1 / 0.9, 'video with overlays': 1 / 0.85}
_RATE = 10.0


def prediction_rows(
    cfg: Config,
    work_dir: Path,
    images: int,
    device: str = 'cpu',
    **timing: Any,
) -> list[Row]:
    """Time of predicting images and a video over that of the network alone.

    A prediction reads, predicts at the size of the image, draws and writes;
    the network alone runs from prepared images to logits at its own
    resolution.

    Args:
        cfg: A training config whose data exists; changed in place.
        work_dir: Where to write.
        images: Number of images.
        device: Where to compute.
        **timing: As of ``paired_times``.
    """
    given = Config(cfg.to_dict())
    # Whose size is scaled.
    given.test_dataloader = given.val_dataloader
    loop = build_loop(cfg, work_dir, images, device)
    dataset, model = loop.dataloader.dataset, loop.runner.model.eval()
    weights = work_dir / 'random.pth'
    with atomic_path(weights) as temporary:
        torch.save(dict(state_dict=model.state_dict()), temporary)
    inputs = [
        model.data_preprocessor(pseudo_collate([dataset[i]]))['inputs']
        for i in range(len(dataset))
    ]
    paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
    variants = predictions(Segmenter(given, weights, device), paths, work_dir)
    variants['forward'] = partial(forward_all, model, inputs)
    times = paired_times(variants, device=device, **timing)
    height, width = inputs[0].shape[2:]
    size = f'{len(inputs)} of {width}x{height}'
    return [
        ratio_row(
            'prediction',
            f'{name} / forward, {size}',
            times,
            name,
            'forward',
            limit,
        )
        for name, limit in _LIMITS.items()
    ]


def predictions(
    segmenter: Segmenter, paths: Sequence[str], folder: Path
) -> dict[str, Callable[[], object]]:
    """What predicts images, and a video of the same images, into files.

    Args:
        segmenter: The network.
        paths: Of the images, all of one size.
        folder: Where to write.
    """
    video = folder / 'video.avi'
    with written_video(video, _RATE) as writer:
        for path in paths:
            writer.add(read_image(path)[..., ::-1])
    labels = PredictionFiles(folder / 'out')
    overlays = PredictionFiles(folder / 'out', (OVERLAY,))
    names = {path: str(number) for number, path in enumerate(paths)}
    return {
        'images': partial(
            predict_images, segmenter, names, labels, overwrite=True
        ),
        'video with overlays': partial(
            predict_video, segmenter, str(video), overlays, overwrite=True
        ),
    }
