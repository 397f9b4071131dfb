# Copyright (c) mmuda authors.
"""Steps of AdvEnt, MinEnt and the bare network on one random batch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from benchmarks.setting import (
    Size,
    image_sizes,
    method_configs,
    optimizer_config,
)
from mmuda.models.players import SEGMENTOR
from mmuda.registry import MODELS
from mmuda.utils.mixed_precision import (
    Precision,
    computing_in,
    enable_amp,
    lay_out,
)


class TrainingCase:
    """AdvEnt and MinEnt around one segmentor, and one random batch.

    The content of the images has no influence on time and memory.

    Args:
        cfg: A training config; sizes, network and optimizers are its.
        device: Where to compute.
        precision: In which networks compute.
    """

    def __init__(
        self, cfg: Config, device: str = 'cpu', precision: Precision = 'fp32'
    ) -> None:
        self.device, self.precision = device, precision
        self.models = {}
        for method, config in method_configs(cfg).items():
            model = MODELS.build(ConfigDict(config))
            if self.models:
                model.segmentor = self.models['AdvEnt'].segmentor
            else:
                model.init_weights()
            self.models[method] = revert_sync_batchnorm(model).to(device)
            self.models[method].train()
            lay_out(model, precision)
        self.segmentor = self.models['AdvEnt'].segmentor
        self.wrappers = {
            method: build_optim_wrapper(
                model, optimizers_in(precision, optimizer_config(cfg, method))
            )
            for method, model in self.models.items()
        }
        batch_size = cfg.train_dataloader.batch_size
        self.batch = random_batch(
            image_sizes(cfg), batch_size, self.models['AdvEnt'].num_classes
        )
        prepared = self.models['AdvEnt'].data_preprocessor(self.batch, True)
        self.prepared = prepared
        self.images = {k: v.images for k, v in prepared.domains.items()}
        self.labels = {
            domain: torch.stack([s.gt_sem_seg.data[0] for s in part.samples])
            for domain, part in prepared.domains.items()
        }

    def train_step(self, method: str) -> None:
        """One iteration of a method, as the training loop runs it."""
        self.models[method].train_step(self.batch, self.wrappers[method])

    def bare_step(self, domains: Sequence[str]) -> None:
        """Forward and backward of the segmentor alone, cross entropy.

        Gradients stay; there is no data preparation and no optimizer step.
        """
        for domain in domains:
            labels = self.labels[domain]
            with computing_in(self.precision, self.device):
                prediction = self.segmentor(
                    self.images[domain], heads=self.segmentor.heads()
                )
            upsampled = (
                F.interpolate(
                    logits,
                    labels.shape[1:],
                    mode='bilinear',
                    align_corners=self.models['AdvEnt'].align_corners,
                )
                for logits in prediction.logits.values()
            )
            loss = sum(
                F.cross_entropy(logits, labels, ignore_index=255)
                for logits in upsampled
            )
            loss.backward()

    def bare_iteration(self) -> None:
        """``bare_step`` on both domains from empty gradients."""
        self.segmentor.zero_grad()
        self.bare_step(list(self.images))

    def joint_step(self, method: str) -> None:
        """An iteration whose segmentor losses share one backward pass."""
        model = self.models[method]
        batch = model.data_preprocessor(self.batch, True)
        joint = 0
        for player, losses in model.training_step(batch):
            loss, _ = model.parse_losses(losses)
            del losses
            if player == SEGMENTOR:
                joint = joint + loss
                continue
            if torch.is_tensor(joint):
                joint.backward()
                joint = 0
            loss.backward()
        if torch.is_tensor(joint):
            joint.backward()

    def fill_gradients(self) -> None:
        """Give each trained parameter a gradient of zeros.

        Steps then have none to make, so that their memory, which does not
        depend on the method, is left out of all measurements alike.
        """
        for model in self.models.values():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.zeros_like(parameter)


def optimizers_in(precision: Precision, config: dict) -> ConfigDict:
    """Config of optimizers whose networks compute in a precision."""
    cfg = Config(dict(optim_wrapper=config))
    enable_amp(cfg, precision)
    return cfg.optim_wrapper


def random_batch(
    sizes: dict[str, Size], batch_size: int, num_classes: int
) -> dict:
    """Noise in the structure that the data loader gives.

    Args:
        sizes: Width and height by domain.
        batch_size: Images of each domain.
        num_classes: Labels lie below it. Targets have labels, too, for the
            bare network.
    """
    inputs, samples = {}, {}
    for domain, (width, height) in sizes.items():
        shape = height, width
        inputs[domain], samples[domain] = [], []
        for _ in range(batch_size):
            image = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
            sample = SegDataSample(
                metainfo=dict(img_shape=shape, ori_shape=shape)
            )
            label = torch.randint(0, num_classes, (1, *shape))
            sample.gt_sem_seg = PixelData(data=label)
            inputs[domain].append(image)
            samples[domain].append(sample)
    return dict(inputs=inputs, data_samples=samples)
