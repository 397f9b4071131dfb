# Copyright (c) mmuda authors.
"""Files of what is predicted in a test, named by the keys of the images."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import DefaultSampler
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from PIL import Image
from torch.utils.data import DataLoader

from mmuda.datasets.domain_dataset import iter_transforms, leaf_datasets
from mmuda.datasets.images.image_io import read_header
from mmuda.datasets.prediction_names import (
    SUFFIX,
    image_paths,
    prediction_names,
)
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.datasets.server_formats import FORMATS
from mmuda.datasets.transforms.formatting import CropFraction
from mmuda.datasets.transforms.image_loading import LoadImage, size_text
from mmuda.engine.multi_target_loops import dataloaders_of
from mmuda.registry import HOOKS
from mmuda.utils.checks import one_of
from mmuda.utils.drawing import displayable, label_image
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path, require_writable_folder


class _TestedImagesHook(Hook, ABC):
    """Names the images of a test, whose files must not overwrite others.

    Args:
        out_dir: Folder of the files; each of several targets has a folder of
            its own in it.
        option: What set the folder, for messages.
    """

    def __init__(
        self, out_dir: str | os.PathLike | None, option: str = 'out_dir'
    ) -> None:
        if out_dir is not None:
            require_writable_folder(out_dir, option)
        self.out_dir = out_dir
        self._names: dict[int, dict[str, str]] = {}

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] = (),
    ) -> None:
        """Draw and write the predictions of a batch, each in one process."""
        loader = runner.test_loop.dataloader
        dataset = loader.dataset
        count = len(outputs) - repeats_in(loader, batch_idx)
        for name, sample in self._named(runner, outputs[: max(0, count)]):
            picture = self.draw(runner, dataset, name, sample)
            if self.out_dir is not None:
                path = Path(self.out_dir, name + SUFFIX)
                with atomic_path(path) as temporary:
                    picture.save(temporary)

    def names_of(self, dataset: SegmentationDataset) -> dict[str, str]:
        """Name the file of each image, by the path of the image."""
        return prediction_names(dataset)

    @abstractmethod
    def draw(
        self,
        runner: Runner,
        dataset: SegmentationDataset,
        name: str,
        sample: SegDataSample,
    ) -> Image.Image:
        """Draw the prediction of one image.

        Args:
            runner: The runner.
            dataset: Of the image.
            name: Of the image, for people.
            sample: With ``pred_sem_seg`` (1, H, W).
        """

    def _named(
        self, runner: Runner, samples: Sequence[SegDataSample]
    ) -> Iterator[tuple[str, SegDataSample]]:
        """Yield samples with their names below ``out_dir``, with ``/``."""
        dataset = runner.test_loop.dataloader.dataset
        if id(dataset) not in self._names:
            self._names[id(dataset)] = self.names_of(dataset)
        names = self._names[id(dataset)]
        target = getattr(runner.test_loop, 'current_target', None)
        for sample in samples:
            path = sample.get('img_path')
            if path not in names:
                raise ConfigError(
                    'predictions are named after img_path, which these '
                    'samples do not have; leave it in meta_keys of '
                    'PackSegInputs'
                )
            name = names[path]
            yield f'{target}/{name}' if target else name, sample


def repeats_in(loader: DataLoader, batch_idx: int) -> int:
    """Count images at the end of a batch that another process has, too.

    mmengine's sampler gives all processes as many images: where these do not
    come out even, the last processes see some of the first ones again.

    Args:
        loader: Of a test.
        batch_idx: Number of the batch in this process.
    """
    sampler = loader.sampler
    if not isinstance(sampler, DefaultSampler) or not loader.batch_size:
        return 0
    # In this process's sequence; of all every world_size-th is its own.
    first = batch_idx * loader.batch_size
    end = min(first + loader.batch_size, len(sampler))
    size = len(cast(Sized, loader.dataset))
    own = range(sampler.rank, size, sampler.world_size)
    return max(0, end - max(first, len(own)))


@HOOKS.register_module()
class PredictionFilesHook(_TestedImagesHook):
    """Write predictions as PNGs of train ids with the classes' colours.

    The pixel values are the train ids; the palette is for the eye. Pillow
    (``numpy.asarray(Image.open(file))``) and mmseg's ``LoadAnnotations`` read
    the values; OpenCV would give the colours.

    Args:
        out_dir: Folder of the files, ``<key>.png`` as the images lie below
            their folder, or ``<target>/<key>.png`` with several targets.

    Raises:
        ConfigError: The folder is not writable.
    """

    def __init__(self, out_dir: str | os.PathLike) -> None:
        super().__init__(out_dir, '--out')

    def draw(
        self,
        runner: Runner,
        dataset: SegmentationDataset,
        name: str,
        sample: SegDataSample,
    ) -> Image.Image:
        """Draw the train ids (H, W) with the palette of the data set."""
        label = sample.pred_sem_seg.data
        label = label.reshape(label.shape[-2:]).cpu().numpy()
        return label_image(label, dataset.metainfo.get('palette') or [])

    def after_test(self, runner: Runner) -> None:
        """Tell where the files are."""
        runner.logger.info(f'Predictions are in {self.out_dir}')


@HOOKS.register_module()
class PredictionExportHook(_TestedImagesHook):
    """Write predictions as the server of a benchmark wants them.

    Grey PNGs with the server's ids, of the size of the image files. What
    can't be exported is told before anything is predicted.

    Args:
        out_dir: Folder of the files, or of a folder for each of several
            targets.
        server: A key of ``FORMATS``.

    Raises:
        ConfigError: The folder is not writable, or there is no such format.
    """

    def __init__(self, out_dir: str | os.PathLike, server: str) -> None:
        super().__init__(out_dir, '--export')
        one_of(FORMATS).require(server, '--format')
        self.server = FORMATS[server]

    def before_test(self, runner: Runner) -> None:
        """Refuse classes and images that the server does not know.

        Raises:
            ConfigError: It has no id for a class.
            DataError: An image is not of the benchmark, or two images would
                share a file.
        """
        for loader in dataloaders_of(runner.test_loop):
            self.server.table(loader.dataset.metainfo['classes'])
            self._names[id(loader.dataset)] = self.names_of(loader.dataset)

    def names_of(self, dataset: SegmentationDataset) -> dict[str, str]:
        """Name the file of each image as the server does."""
        return self.server.names(dataset)

    def draw(
        self,
        runner: Runner,
        dataset: SegmentationDataset,
        name: str,
        sample: SegDataSample,
    ) -> Image.Image:
        """Draw the ids (H, W).

        Raises:
            DataError: The prediction is not of the size of the image file.
        """
        label = sample.pred_sem_seg.data
        label = label.reshape(label.shape[-2:]).cpu().numpy()
        header = read_header(sample.img_path)
        size = header.height, header.width
        size = size[::-1] if header.orientation > 4 else size
        if label.shape != size:
            raise DataError(
                f'--export: the prediction of {sample.img_path!r} is '
                f'{size_text(label.shape)}, the image {size_text(size)}, and '
                'servers want its size; leave --protocol published and what '
                'cuts images (CropFraction) out'
            )
        table = self.server.table(dataset.metainfo['classes'])
        return Image.fromarray(table[label])

    def after_test(self, runner: Runner) -> None:
        """Tell where the files are."""
        runner.logger.info(
            f'Predictions for the server of {self.server.name} are in '
            f'{self.out_dir}'
        )


@HOOKS.register_module()
class PredictionDrawingHook(_TestedImagesHook):
    """Draw predictions over the images, beside the labels if there are any.

    Args:
        out_dir: Folder of the drawings, named as the files of
            :class:`PredictionFilesHook`; None writes none.
        show: Open a window for each image.
        wait_time: Seconds each window stays; 0 waits for a key.

    Raises:
        ConfigError: The folder is not writable, or the visualizer is none of
            ours.
    """

    def __init__(
        self,
        out_dir: str | os.PathLike | None = None,
        show: bool = False,
        wait_time: float = 0.0,
    ) -> None:
        super().__init__(out_dir, '--show-dir')
        self.show = show
        self.wait_time = wait_time
        self._parts: dict[int, dict[str, SegmentationDataset]] = {}

    def before_test(self, runner: Runner) -> None:
        """Refuse a visualizer that can't draw a sample."""
        if not hasattr(runner.visualizer, 'draw_sample'):
            raise ConfigError(
                f'visualizer.type {type(runner.visualizer).__name__} has no '
                "draw_sample(); use a subclass of 'LegendVisualizer'"
            )

    def draw(
        self,
        runner: Runner,
        dataset: SegmentationDataset,
        name: str,
        sample: SegDataSample,
    ) -> Image.Image:
        """Draw the prediction over the image; show it if asked to."""
        visualizer = runner.visualizer
        visualizer.dataset_meta = dataset.metainfo
        part = self._part_with(dataset, sample.img_path)
        image = read_image(part, sample.img_path)
        drawn = visualizer.draw_sample(image, sample)
        if self.show and is_main_process():
            visualizer.show(drawn, name, self.wait_time)
        return Image.fromarray(drawn)

    def _part_with(
        self, dataset: SegmentationDataset, path: str
    ) -> SegmentationDataset:
        """The one of several data sets that an image is of."""
        if id(dataset) not in self._parts:
            self._parts[id(dataset)] = {
                name: part
                for part in leaf_datasets(dataset)
                for name in image_paths(part)
            }
        return self._parts[id(dataset)][path]


def read_image(dataset: SegmentationDataset, path: str) -> np.ndarray:
    """Read an image as the pipeline of its data set does, before resizing.

    Args:
        dataset: A single one: its ``LoadImage`` reads, and its
            ``CropFraction`` cuts.
        path: The image.

    Returns:
        (H, W, 3) RGB, uint8.
    """
    steps = [
        step
        for step in iter_transforms(dataset)
        if isinstance(step, LoadImageFromFile | CropFraction)
    ]
    results: dict[str, Any] = dict(img_path=path, seg_fields=[])
    for step in steps or [LoadImage()]:
        results = step(results)
    return displayable(results['img'])
