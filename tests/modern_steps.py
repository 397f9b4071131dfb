"""Whole iterations of the published code, replayed by our classes."""

from pathlib import Path
from types import SimpleNamespace

import golden_inputs
import modern_goldens
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from modern_goldens import MEAN, STD, starting_with

from mmuda.convert.from_daformer import (
    network_from_published,
    tensors_from_published,
    tensors_to_published,
)
from mmuda.models.augmentation import AugmentationDraws
from mmuda.models.batch import Batch
from mmuda.models.segmentors.prediction import Box
from mmuda.models.uda import DomainDataPreprocessor
from mmuda.registry import HOOKS, MODELS

_BOXES, _COINS, _REGION = 'boxes_0', 'coins_0', 'valid_pseudo_mask'
# The threshold below which a coin means no.
JITTER, BLUR = 0.2, 0.5
_FACTORS = ('brightness', 'contrast', 'saturation', 'hue')
SCHEDULE = Path(__file__).parents[1] / 'configs/_base_/schedules/daformer.py'
DEEPLAB = dict(
    type='UDAEncoderDecoder',
    backbone=dict(
        type='ResNetV1c',
        depth=18,
        base_channels=4,
        stem_channels=4,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=True,
        norm_cfg=dict(type='BN'),
        out_indices=(3,),
    ),
    decode_head=dict(
        type='DLV2Head',
        in_channels=32,
        in_index=0,
        num_classes=modern_goldens.NUM_CLASSES,
        dilations=(6, 12),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False),
    ),
)


class PrecisePreprocessor(DomainDataPreprocessor):
    """Normalises in double precision, mmseg does it in single."""

    def __init__(self):
        super().__init__(mean=MEAN, std=STD)

    def forward(self, data, training=False):
        """Stack and normalise the images of each domain."""
        self.mean, self.std = (
            torch.tensor(values, dtype=torch.float64).view(3, 1, 1)
            for values in (MEAN, STD)
        )
        images = {
            name: (torch.stack(part) - self.mean) / self.std
            for name, part in data['inputs'].items()
        }
        self.last = Batch.of_domains(images, data['data_samples'])
        return self.last


class Replay:
    """A method on published inputs, draws and weights.

    Args:
        name: Of the file, such as ``mic_step``.
        **method: Options of DACS.
    """

    def __init__(self, name, **method):
        self.arrays = golden_inputs.load_modern(name)
        self.model = MODELS.build(
            dict(type='DACS', segmentor=self.segmentor(), **method)
        ).double()
        self.model.data_preprocessor = PrecisePreprocessor()
        self._load(self.start)
        self.gradients = {}
        self.moment = 0
        self._give_draws()

    @property
    def iterations(self):
        """How many there are."""
        return len(self.arrays['log.decode.loss_seg'])

    @property
    def start(self):
        """Published weights of the student before training."""
        return starting_with(self.arrays, 'w.')

    def segmentor(self):
        """Config of a network for the published weights."""
        if not any('fuse_layer' in name for name in self.start):
            return DEEPLAB
        fused = _BOXES in self.arrays
        name = f'decode_head.{"head." * fused}conv_seg.weight'
        head = dict(
            type='DAFormerHead',
            in_channels=modern_goldens.WIDTHS,
            num_classes=modern_goldens.NUM_CLASSES,
            channels=self.start[name].shape[1],
            dropout_ratio=0,
            align_corners=False,
        )
        config = dict(
            type='UDAEncoderDecoder',
            backbone=modern_goldens.MIT,
            decode_head=head,
        )
        if not fused:
            return config
        top, bottom, left, right = self.arrays[_BOXES][0].tolist()
        return config | dict(
            type='HRDAEncoderDecoder',
            attention_head=dict(head, fusion='conv1'),
            detail_crop_size=(bottom - top, right - left),
        )

    @property
    def unknown_of_teacher(self):
        """Statistics that the file does not say the start of."""
        own = starting_with(self.arrays, 'teacher_initial_buffer.')
        return {name for name in self.start if 'running_' in name} - own.keys()

    def _load(self, weights):
        own = starting_with(self.arrays, 'teacher_initial_buffer.')
        parts = {'segmentor': weights, 'teacher': weights | own}
        for part, tensors in parts.items():
            found = getattr(self.model, part).load_state_dict(
                network_from_published(tensors), strict=False
            )
            assert found.unexpected_keys == []
            names = {key.split('.')[-1] for key in found.missing_keys}
            assert names <= {'num_batches_tracked'}
        fixed = starting_with(self.arrays, 'imnet.')
        if fixed:
            fixed = starting_with(tensors_from_published(fixed), 'backbone.')
            self.model.imagenet.load_state_dict(fixed)

    def _give_draws(self):
        self.model.draw_classes = self.draw_classes
        self.model.draw_augmentation = self.draw_augmentation
        if _BOXES in self.arrays:
            self.model.segmentor.draw_box = lambda size: Box(
                *next(self._boxes)
            )
        for term in self.model.terms:
            term.draw_blocks = lambda *_: self.at('mask_uniform')
            term.draw_augmentation = self.draw_masked_augmentation

    def at(self, name, number=None):
        """An array of this iteration."""
        end = '' if number is None else f'_{number}'
        return self.arrays[f'{name}_{self.moment}{end}']

    def draw_classes(self, labels):
        """Those that the published code has drawn."""
        chosen = torch.zeros(len(labels), 256, dtype=torch.bool)
        for number, row in enumerate(chosen):
            row[self.at('chosen', number).long()] = True
        return chosen

    def draw_augmentation(self, count):
        """Of mixed images; they come first."""
        if _COINS not in self.arrays:
            return None
        self._jitters, self._sigmas = (
            iter(range(9)),
            iter(self.arrays.get(f'sigmas_{self.moment}', ())),
        )
        coins = self.at('coins')[:2]
        return self._augmentation(coins, count, [1] * count)

    def draw_masked_augmentation(self, count):
        """Of masked images, which are augmented in one call."""
        if _COINS not in self.arrays:
            return None
        return self._augmentation(self.at('coins')[2:], count, [count])

    def _augmentation(self, coins, count, calls):
        jitters, blurs = bool(coins[0] > JITTER), bool(coins[1] > BLUR)
        factors = torch.zeros(count, 4, dtype=torch.float64)
        orders = torch.arange(4).repeat(count, 1)
        sigmas = torch.ones(count, dtype=torch.float64)
        for number, size in enumerate(calls):
            images = slice(number, number + size)
            if jitters:
                place = f'jitter_{self.moment}_{next(self._jitters)}'
                for column, name in enumerate(_FACTORS):
                    values = self.arrays[f'{place}.{name}_factor']
                    factors[images, column] = values
                orders[images] = self.arrays[f'{place}.order']
            if blurs:
                sigmas[images] = next(self._sigmas)
        return AugmentationDraws(jitters, blurs, factors, orders, sigmas)

    def data(self):
        """Source and target of this iteration as a loader gives them."""
        images = {d: list(self.at(d).double()) for d in ('source', 'target')}
        samples = {
            name: [SegDataSample(metainfo=dict(img_path=name)) for _ in part]
            for name, part in images.items()
        }
        for sample, label in zip(
            samples['source'], self.at('label').long(), strict=True
        ):
            sample.gt_sem_seg = PixelData(data=label)
        if _REGION in self.arrays:
            for sample, region in zip(
                samples['target'],
                self.arrays[_REGION],
                strict=True,
            ):
                sample.pseudo_label_region = PixelData(data=region)
        return dict(inputs=images, data_samples=samples)

    def run(self):
        """Run all iterations; the teacher does not see the last step.

        Returns:
            Itself, with logs, pseudo-labels and q of each.
        """
        model, self.logs, self.labelled = self.model.train(), [], []
        wrappers = build_optim_wrapper(
            model, Config.fromfile(SCHEDULE).optim_wrapper
        )
        wrappers['segmentor'].optimizer.register_step_pre_hook(self._keep)
        hook = HOOKS.build(model.needed_hooks[0])
        for moment in range(self.iterations):
            self.moment = moment
            if self.moment:
                runner = SimpleNamespace(iter=self.moment - 1, model=model)
                hook.after_train_iter(runner, self.moment - 1)
            if _BOXES in self.arrays:
                self._boxes = iter(self.at('boxes').tolist())
            self.logs.append(model.train_step(self.data(), wrappers))
            batch = model.data_preprocessor.last
            self.labelled.append(batch.pseudo_labelled['target'])
        return self

    def _keep(self, *_):
        if self.moment == 0:
            self.gradients = {
                name: weight.grad.clone()
                for name, weight in self.model.segmentor.named_parameters()
                if weight.grad is not None
            }

    def labels_at(self, moment):
        """Labels (N, H, W) of each pass of an iteration, by its log name."""
        arrays, end = self.arrays, f'_{moment}'
        source = arrays[f'label{end}'][:, 0].long()
        pseudo = arrays[f'pseudo_label{end}'].long()
        pasted = torch.stack(
            [
                torch.isin(label, arrays[f'chosen{end}_{number}'])
                for number, label in enumerate(source)
            ]
        )
        masked = pseudo
        if any(getattr(t, 'mode', '') == 'separate' for t in self.model.terms):
            masked = torch.stack([source[0], pseudo[0]])
        mixed = source.where(pasted, pseudo)
        labels = {'': source, 'mix.': mixed, 'masked.': masked}
        boxes = arrays.get(f'boxes{end}', torch.zeros(0, 4)).long().tolist()
        for name, (top, bottom, left, right) in zip(
            [*labels], boxes, strict=False
        ):
            part = labels[name][:, top:bottom, left:right]
            labels[f'{name}decode.hr'] = part
        return labels

    def weights(self, part):
        """Weights of a network by published name."""
        return tensors_to_published(getattr(self.model, part).state_dict())
