"""A method of another task: where on an image the bright box is."""

import warnings

import torch
from mmengine.model import BaseModel, ImgDataPreprocessor
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss
from torch.utils.data import Dataset

from mmuda.models.batch import DomainsMixin
from mmuda.models.followers import FollowersMixin
from mmuda.models.players import PlayersMixin, frozen, unwrap
from mmuda.registry import MODELS
from mmuda.utils.names import SOURCE

SIDE, WARMUP, ADVERSARIAL, CONSISTENCY = 16, 1, 0.1, 0.5


@MODELS.register_module()
class BoxPreprocessor(DomainsMixin, ImgDataPreprocessor):
    """MMEngine's preprocessor, for each domain."""


@MODELS.register_module()
class BoxDetector(BaseModel):
    """Predicts one box (x, y, width, height) of an image."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
        )
        self.box_head = nn.Sequential(nn.Dropout(dropout), nn.Linear(196, 4))

    def forward(self, images):
        """Features (N, D) and boxes (N, 4) of images (N, 3, H, W)."""
        features = self.backbone(images)
        return features, self.box_head(features)


@MODELS.register_module()
class BoxDiscriminator(BaseModel):
    """Tells domains by features."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(196, 1)

    def forward(self, features):
        """Decisions (N, 1) on features (N, D)."""
        return self.layer(features)


def domain_loss(decision, label):
    """How far decisions are from a label."""
    return binary_cross_entropy_with_logits(
        decision, torch.full_like(decision, label)
    )


@MODELS.register_module()
class AdaptedDetector(FollowersMixin, PlayersMixin, BaseModel):
    """Boxes of the source, alignment of features, and a mean teacher."""

    main = 'detector'
    network_type = BoxDetector
    seams = ('extra',)

    def __init__(
        self,
        detector,
        data_preprocessor=None,
        teacher=True,
        predict_on='teacher',
        **walk,
    ):
        super().__init__(data_preprocessor)
        self.detector = MODELS.build(detector)
        self.prepare_followers(teacher, predict_on)
        self.prepare_walk(**walk)
        self.discriminator = BoxDiscriminator()

    def losses_on(self, domain, seen):
        """L1 loss on the source; alignment and consistency on a target."""
        features, boxes = self.detector(domain.images)
        seen[domain.name] = features.detach()
        if domain.name == SOURCE:
            truth = torch.stack([sample.box for sample in domain.samples])
            return {'source.loss_box': l1_loss(boxes, truth)}
        discriminator = unwrap(self.discriminator)
        with frozen(discriminator):
            aligned = domain_loss(discriminator(features), 0.0)
        with torch.no_grad():
            taught = self.teacher(domain.images)[1]
        return {
            f'{domain.name}.loss_adversarial': ADVERSARIAL * aligned,
            f'{domain.name}.loss_teacher': CONSISTENCY
            * l1_loss(boxes, taught),
        }

    def discriminator_steps(self, batch, seen):
        """Tell the domains, source 0 and targets 1."""
        for name, features in seen.items():
            loss = domain_loss(
                self.discriminator(features), float(name != SOURCE)
            )
            yield (
                'discriminator',
                {f'discriminator.loss_{name}': loss / len(seen)},
            )

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Boxes (N, 4)."""
        return self.predictor(inputs)[1]


def image(index, domain):
    """An image with a bright box, and a sample that says where."""
    generator = torch.Generator().manual_seed(2 * index + (domain == SOURCE))
    top, left = torch.randint(0, 8, (2,), generator=generator).tolist()
    pixels = torch.randint(0, 99, (3, SIDE, SIDE), generator=generator)
    pixels[:, top : top + 6, left : left + 8] += 150
    box = torch.tensor([left, top, 8, 6]) / SIDE
    return pixels.to(torch.uint8), BaseDataElement(box=box)


class Boxes(Dataset):
    """Six pairs of a source and a target image."""

    metainfo = dict(classes=('box',))

    def __len__(self):
        return 6

    def __getitem__(self, index):
        pairs = {name: image(index, name) for name in (SOURCE, 'town')}
        return dict(
            inputs={name: pair[0] for name, pair in pairs.items()},
            data_samples={name: pair[1] for name, pair in pairs.items()},
        )


def model_config(dropout=0.0, **options):
    """Config of the method, with a warm-up of one iteration."""
    return (
        dict(
            type='AdaptedDetector',
            detector=dict(type='BoxDetector', dropout=dropout),
            data_preprocessor=dict(
                type='BoxPreprocessor', mean=[128.0] * 3, std=[64.0] * 3
            ),
            warmup_iters=WARMUP,
        )
        | options
    )


def optim_config():
    """An optimizer for each player."""
    sgd = dict(type='SGD', lr=0.05, momentum=0.9)
    return dict(
        constructor='MultiOptimWrapperConstructor',
        detector=dict(type='OptimWrapper', optimizer=sgd),
        discriminator=dict(type='OptimWrapper', optimizer=sgd),
    )


def runner(folder, iterations, dropout=0.0, start=None, **options):
    """A runner that saves after each second iteration."""
    warnings.filterwarnings('ignore', module='mmengine')
    return Runner(
        model=model_config(dropout, **options),
        work_dir=str(folder),
        experiment_name=str(folder).strip('/').replace('/', '_'),
        train_dataloader=dict(
            dataset=Boxes(),
            sampler=dict(type='InfiniteSampler', seed=3),
            batch_size=2,
            num_workers=0,
        ),
        train_cfg=dict(type='UDATrainLoop', max_iters=iterations),
        optim_wrapper=optim_config(),
        default_hooks=dict(
            checkpoint=dict(type='UDACheckpointHook', interval=2),
            logger=dict(type='LoggerHook', interval=100),
        ),
        custom_hooks=[dict(type='IterationSeedHook')],
        log_processor=dict(by_epoch=False),
        log_level='WARNING',
        randomness=dict(seed=7),
        default_scope='mmuda',
        resume=start is not None,
        load_from=None if start is None else str(start),
    )
