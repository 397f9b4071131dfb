# Copyright (c) mmuda authors.
"""Compare a folder of predictions or pseudo-labels with true labels.

Prints precision, recall and IoU of each class, and writes
confusion_matrix.csv (pixels; rows are true classes) and confusion_matrix.png
(shares of each true class). Predictions are PNGs of train ids, 255 where
rejected, as tools/generate_pseudo_labels.py and test.py --out write them.
True labels are resized to the predictions where they differ in size.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch.utils.data import Dataset

from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.images.image_io import decode_ids, read_bytes
from mmuda.datasets.prediction_names import prediction_names
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest as Manifest,
)
from mmuda.datasets.pseudo_labels.pseudo_label_store import current_root
from mmuda.datasets.sets.listing import list_keys
from mmuda.datasets.transforms.image_loading import resize_nearest
from mmuda.evaluation.confusion_matrix import ConfusionMatrix, count_confusion
from mmuda.pseudo_labels.labelling_options import (
    dataset_to_label,
    ground_truth_of,
    target_names,
)
from mmuda.utils.checks import COUNT
from mmuda.utils.cli import (
    add_config_argument,
    add_data_options,
    checked,
    not_empty,
    run_tool,
)
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    data_set,
    override_data_roots,
)
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.jobs import in_threads
from mmuda.utils.locks import only_writer
from mmuda.utils.names import MANIFEST, SOURCE
from mmuda.utils.setup_env import register_all_modules


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    add = parser.add_argument
    add(
        'predictions',
        type=Path,
        help='folder of PNGs, named by the keys of the images, or by their '
        'file names alone',
    )
    add(
        '--out',
        type=not_empty,
        required=True,
        metavar='DIR',
        help='where to write',
    )
    _add_labels(parser)
    add(
        '--partial',
        action='store_true',
        help='leave images without a prediction out',
    )
    add(
        '--workers',
        type=checked(COUNT),
        default=4,
        help='threads that read files',
    )
    add_data_options(parser)
    return parser.parse_args()


def _add_labels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--domain',
        default='val',
        help='labelled images: val, test, one of several as val.NAME, or '
        'target, or the name of a target, with --ground-truth',
    )
    parser.add_argument(
        '--ground-truth',
        metavar='FOLDER',
        help='labels of the training images of a target, as '
        'data_prefix.seg_map_path; by default pseudo_labels.ground_truth',
    )


def build_labelled(
    cfg: Config, domain: str, ground_truth: str | None
) -> Dataset:
    """Build the data set whose samples have true labels.

    Raises:
        ConfigError: There is none of this name, or it has no labels.
    """
    if cfg.get('train_dataloader') and domain in target_names(cfg):
        options = cfg.get('pseudo_labels') or {}
        folder = ground_truth or options.get('ground_truth')
        if not folder:
            raise ConfigError(
                f"--domain '{domain}': training has no labels of it; name "
                'their folder by --ground-truth, as data_prefix.seg_map_path'
            )
        pipeline = options.get('pipeline') or [dict(type='LoadImage')]
        config = dataset_to_label(cfg, pipeline, domain)
        config = ground_truth_of(config, folder)
    elif ground_truth:
        raise ConfigError(
            f"--ground-truth: '{domain}' is no target of the training, so "
            'its labels are those of its own data_prefix.seg_map_path'
        )
    elif domain.partition('.')[0] in ('val', 'test'):
        config = data_set(cfg, domain, '--domain')
    else:
        raise ConfigError(
            f"--domain '{domain}': choose val, test or a target; training "
            'images of a source are augmented'
        )
    with config_errors(cfg):
        # It builds lists, too.
        return build_domain(SOURCE, config)


def true_label(dataset: Dataset, index: int) -> np.ndarray:
    """Return the (H, W) uint8 label of an image, as the pipeline gives it.

    Raises:
        ConfigError: The pipeline loads none.
    """
    sample = dataset[index]
    if 'gt_seg_map' in sample:
        return sample['gt_seg_map']
    if 'gt_sem_seg' not in sample.get('data_samples', {}):
        raise ConfigError(
            'the pipeline of these images loads no labels; put LoadLabels '
            'into it'
        )
    label = sample['data_samples'].gt_sem_seg.data[0]
    return label.numpy().astype(np.uint8)


def prediction_files(
    root: Path, dataset: Dataset, partial: bool
) -> dict[int, Path]:
    """Find the predictions of the images.

    Returns:
        Files by the indices of their images.

    Raises:
        DataError: There is none of an image, or one of two images, or they
            are pseudo-labels of other classes.
    """
    root = current_root(root) or root
    found = list_keys(str(root), '.png')
    images = [
        dataset.get_data_info(index)['img_path']
        for index in range(len(dataset))
    ]
    by_path = prediction_names(dataset)
    keys = [by_path[path] for path in images]
    # Other tools name predictions after the image alone.
    names = {
        index: key if key in found else Path(images[index]).stem
        for index, key in enumerate(keys)
    }
    missing = [keys[i] for i, name in names.items() if name not in found]
    names = {i: name for i, name in names.items() if name in found}
    if not names or (missing and not partial):
        raise DataError(
            f"'{root}' has no predictions of {len(missing)} of {len(keys)} "
            f"images, the first is '{missing[0]}.png'; choose another folder "
            'or --domain, or add --partial'
        )
    owners = {name: index for index, name in names.items()}
    for index, name in names.items():
        if owners[name] != index:
            raise DataError(
                f"'{name}.png' in '{root}' is the prediction of "
                f"'{keys[index]}' or of '{keys[owners[name]]}': their file "
                'names are the same; name predictions by the keys'
            )
    check_classes(root, dataset)
    return {index: root / f'{name}.png' for index, name in names.items()}


def check_classes(root: Path, dataset: Dataset) -> None:
    """Raise a DataError if pseudo-labels have other classes."""
    if not (root / MANIFEST).is_file():
        return
    labelled = Manifest.read(root).classes
    if tuple(labelled) != tuple(dataset.metainfo['classes']):
        raise DataError(
            f"the pseudo-labels in '{root}' have the classes "
            f'{", ".join(labelled)}, the true labels '
            f'{", ".join(dataset.metainfo["classes"])}; choose their '
            'label_set'
        )


def measure(
    dataset: Dataset, files: dict[int, Path], workers: int
) -> ConfusionMatrix:
    """Count the pixels of all images.

    Raises:
        DataError: A file can't be read.
    """
    classes = tuple(dataset.metainfo['classes'])

    def count(index: int) -> torch.Tensor:
        path = str(files[index])
        prediction = decode_ids(read_bytes(path), path, None)
        truth = true_label(dataset, index)
        if truth.shape != prediction.shape:
            truth = resize_nearest(truth, prediction.shape)
        return count_confusion(
            torch.from_numpy(truth),
            torch.from_numpy(prediction.astype(np.int64)),
            len(classes),
        )

    total = torch.zeros(len(classes), len(classes) + 1, dtype=torch.int64)
    calls = ((index,) for index in files)
    with in_threads(count, calls, workers, 'images', len(files)) as counted:
        for counts in counted:
            total += counts
    return ConfusionMatrix(classes, total.numpy())


def main(args: argparse.Namespace) -> None:
    """Compare, write and print."""
    register_all_modules()
    cfg = load_config(args.config, args.cfg_options)
    override_data_roots(cfg, dict(args.data_root))
    with only_writer(out=args.out):
        compare(cfg, args)


def compare(cfg: Config, args: argparse.Namespace) -> None:
    """Compare, and write into a folder that is locked."""
    dataset = build_labelled(cfg, args.domain, args.ground_truth)
    files = prediction_files(args.predictions, dataset, args.partial)
    matrix = measure(dataset, files, args.workers)
    print(f'{len(files)} of {len(dataset)} images')
    print(matrix.table())
    matrix.save(args.out)
    print(f'written: {Path(args.out, "confusion_matrix.csv")} and .png')


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
