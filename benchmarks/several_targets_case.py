# Copyright (c) mmuda authors.
"""Iterations of methods for several targets on one random batch."""

from contextlib import ExitStack

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from benchmarks.opencv_colors import in_colors_by_opencv
from benchmarks.setting import Size, image_sizes
from benchmarks.several_targets_config import (
    method_config,
    optimizers,
    scale_width,
    target_names,
)
from benchmarks.training_case import random_batch
from mmuda.models.uda.collaborative_self_training import in_colors_of
from mmuda.registry import MODELS


class SeveralTargetsCase:
    """A method for a number of targets, and one random batch.

    The content of the images has no influence on time and memory. All parts
    of a method are at work, as late in a training.

    Args:
        cfg: A training config; sizes, network and optimizers are its, those
            of its first target for each target.
        method: One of ``METHODS``.
        number: How many targets.
        device: Where to compute.
        width: Multiplies the network's channels.
    """

    def __init__(
        self,
        cfg: Config,
        method: str,
        number: int,
        device: str = 'cpu',
        width: float = 1.0,
    ) -> None:
        self.method, self.device = method, device
        self.targets = target_names(number)
        config = method_config(cfg, method, self.targets)
        scale_width(config, width)
        model = MODELS.build(config)
        model.init_weights()
        self.model = revert_sync_batchnorm(model).to(device).train()
        self.wrapper = build_optim_wrapper(
            self.model, ConfigDict(optimizers(cfg, method))
        )
        sizes = image_sizes(cfg)
        self.batch_size = cfg.train_dataloader.batch_size
        self.sizes = dict(source=sizes['source'])
        self.sizes |= dict.fromkeys(self.targets, sizes['target'])
        self.use_images(self.sizes)

    def use_images(self, sizes: dict[str, Size]) -> None:
        """Make the batch anew.

        Args:
            sizes: Width and height by domain.
        """
        classes = self.model.num_classes
        self.batch = random_batch(sizes, self.batch_size, classes)
        for name in self.targets:
            for sample in self.batch['data_samples'][name]:
                _label_softly(sample, classes)
        prepared = self.model.data_preprocessor(self.batch, True)
        self.domains = prepared.domains
        self.images = {k: v.images for k, v in self.domains.items()}

    @property
    def title(self) -> str:
        """Method and number of targets."""
        count = len(self.targets)
        return f'{self.method}, {count} target{"s" if count > 1 else ""}'

    def step(self, recompute: bool = False) -> None:
        """One iteration, as the training loop runs it.

        Args:
            recompute: Keep no activations of the backbone; for methods of
                ``SEVERAL_VIEWS``.
        """
        if recompute:
            self.model.segmentor.recompute_features = True
        self.model.train_step(self.batch, self.wrapper)
        if recompute:
            self.model.segmentor.recompute_features = False

    def count_passes(self) -> int:
        """Forward passes of backbones in one iteration."""
        passes: list[None] = []
        with ExitStack() as stack:
            for module in self.model.modules():
                if hasattr(module, 'backbone'):
                    handle = module.backbone.register_forward_hook(
                        lambda *_: passes.append(None)
                    )
                    stack.callback(handle.remove)
            self.step()
        return len(passes)

    @property
    def color_pairs(self) -> list[tuple[str, str]]:
        """Domain and target of each colour transfer in an iteration.

        There are T of the source and T (T - 1) among the targets.
        """
        return [
            (domain, target)
            for domain in ('source', *self.targets)
            for target in self.targets
            if domain != target
        ]

    def transfer_colors(self) -> None:
        """All colour transfers of an iteration, as the method makes them."""
        for domain, target in self.color_pairs:
            in_colors_of(
                self.model.data_preprocessor,
                self.images[domain],
                self.domains[target],
            )

    def transfer_by_opencv(self) -> None:
        """All colour transfers of an iteration, by OpenCV on the CPU."""
        for domain, target in self.color_pairs:
            in_colors_by_opencv(
                self.model.data_preprocessor,
                self.images[domain],
                self.images[target],
            )

    def fill_gradients(self) -> None:
        """Give each trained parameter a gradient of zeros.

        Iterations then have none to make, so that what parameters of heads,
        experts and discriminators need is left out of peaks.
        """
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)


def _label_softly(sample: SegDataSample, num_classes: int) -> None:
    """Replace a target's label, which it has not in training."""
    del sample.gt_sem_seg
    shape = (num_classes, *sample.img_shape)
    soft = torch.randn(shape).softmax(dim=0)
    sample.pseudo_soft_seg = PixelData(data=soft.half())
