"""Batches of images of unequal size: what losses count, and what refuses."""

import math

import collaborative_models
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from several_targets import NAMES, optimizers, several
from tiny_models import NUM_CLASSES, batch, logits_of, model_config, sample

from mmuda.models.losses import (
    divergence_map,
    domain_loss,
    entropy_loss,
    entropy_map,
    kl_divergence,
    self_information,
    valid_at,
)
from mmuda.models.losses.alignment import class_ratio_prior_loss
from mmuda.models.uda.collaborative_self_training import HeadAgreement
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

# The second image is padded on the right and below, to (48, 96).
SIZES = [(48, 96), (40, 48)]


def uneven(domains=('source', 'target')):
    """A training batch of two images of unequal size in each domain."""
    generator = torch.Generator().manual_seed(0)
    pairs = {
        domain: [sample(size, generator, domain == 'source') for size in SIZES]
        for domain in domains
    }
    return {
        key: {
            domain: [pair[i] for pair in both]
            for domain, both in pairs.items()
        }
        for i, key in enumerate(('inputs', 'data_samples'))
    }


def with_pseudo_labels(data):
    generator = torch.Generator().manual_seed(1)
    for item in data['data_samples']['target']:
        size = (1, *item.img_shape)
        label = torch.randint(0, NUM_CLASSES, size, generator=generator)
        item.pseudo_sem_seg = PixelData(data=label)
    return data


def built(method, **options):
    torch.manual_seed(0)
    return lively(MODELS.build(model_config(method, **options)))


def lively(model):
    """Weights under which logits differ from pixel to pixel."""
    for weight in model.parameters():
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight)
            weight.data *= 0.6
    return model.train()


def logits_on(model, data, domain, heads=('decode', 'aux')):
    """Logits at the size of the padded images, and the images' pixels."""
    data = model.data_preprocessor(data, True)
    images = data.domains[domain].images
    logits = logits_of(model.segmentor, images)
    inside = torch.zeros(2, *SIZES[0], dtype=torch.bool)
    for mask, (height, width) in zip(inside, SIZES, strict=True):
        mask[:height, :width] = True
    return {h: model.upsample(logits[h], images) for h in heads}, inside


def step(model, data):
    return model.train_step(data, optimizers(model))


def value(logs, name):
    return pytest.approx(logs[name].item(), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ('options', 'fraction'), [({}, 1.0), (dict(top_fraction=0.3), 0.3)]
)
def test_entropy_of_the_images_alone(options, fraction):
    model = built('MinEnt', **options)
    logits, inside = logits_on(model, uneven(), 'target')
    logs = step(model, uneven())
    for head, weight in (('decode', 0.1), ('aux', 0.02)):
        images = [
            entropy[mask].sort(descending=True).values
            for entropy, mask in zip(
                entropy_map(logits[head]), inside, strict=True
            )
        ]
        kept = [x[: round(fraction * len(x))] for x in images]
        assert weight * torch.cat(kept).mean().item() == value(
            logs, f'target.{head}.loss_entropy'
        )


@pytest.mark.parametrize('method', ['MinEnt', 'AdvEnt'])
def test_class_ratios_of_the_images_alone(method):
    ratio = [0.05, 0.05, 0.1, 0.3, 0.5]
    prior = dict(type='ClassRatioPrior', ratio=ratio, relaxation=1.0)
    model = built(method, class_ratio_prior=prior)
    logits, inside = logits_on(model, uneven(), 'target')
    found = [
        x[:, mask].mean(dim=1)
        for x, mask in zip(logits['decode'].softmax(1), inside, strict=True)
    ]
    gaps = [(torch.tensor(ratio) - x).relu().sum() for x in found]
    logs = step(model, uneven())
    expected = (gaps[0] + gaps[1]).item() / 2
    assert expected == value(logs, 'target.decode.loss_class_ratio')


def test_source_and_pseudo_labels_of_the_images_alone():
    model = built('SelfTraining')
    data = with_pseudo_labels(uneven())
    labels = {
        'source': [s.gt_sem_seg.data for s in data['data_samples']['source']],
        'target': [
            s.pseudo_sem_seg.data for s in data['data_samples']['target']
        ],
    }
    expected = {}
    for domain, suffix in (('source', ''), ('target', '_pseudo')):
        logits, inside = logits_on(model, uneven(), domain)
        scores = logits['decode'].permute(0, 2, 3, 1)[inside]
        label = torch.cat([x.flatten() for x in labels[domain]])
        name = f'{domain}.decode.loss_ce{suffix}'
        expected[name] = F.cross_entropy(scores, label).item()
        accuracy = (scores.argmax(1) == label).float().mean().item()
        expected[f'{domain}.decode.acc_seg{suffix}'] = 100 * accuracy
    logs = step(model, data)
    for name, wanted in expected.items():
        assert wanted == value(logs, name)


def decision_cells():
    """Decisions about (48, 96) are 1 x 3 cells; padding begins at 48."""
    return torch.tensor([[[True, True, True]], [[True, False, False]]])


@pytest.mark.parametrize('gan', ['vanilla', 'least_squares'])
def test_discriminators_judge_the_images_alone(gan):
    model = built('AdvEnt', gan=gan)
    expected = {}
    for domain, label in (('source', 0.0), ('target', 1.0)):
        logits, inside = logits_on(model, uneven(), domain)
        maps = {
            head: self_information(x).where(inside[:, None], 0)
            for head, x in logits.items()
        }
        decisions = model.discriminator(maps)
        for head, weight in (('decode', 0.1), ('aux', 0.02)):
            cells = decisions[head].squeeze(1)[decision_cells()].double()
            name = f'discriminator.{head}.loss_{domain}'
            expected[name] = distance(cells, label, gan) / 2
            if domain == 'target':
                name = f'target.{head}.loss_adversarial'
                expected[name] = weight * distance(cells, 0.0, gan)
    logs = step(model, uneven())
    for name, wanted in expected.items():
        assert wanted == value(logs, name)


def distance(cells, label, gan):
    if gan == 'least_squares':
        return (cells - label).square().mean().item()
    wanted = torch.full_like(cells, label)
    return F.binary_cross_entropy_with_logits(cells, wanted).item()


def uneven_targets():
    return uneven(('source', *NAMES[:2]))


def finite(logs):
    return all(v.isfinite() for v in logs.values())


def lively_of(method):
    model = collaborative_models.build(method, 2, norm_eval=True)
    return lively(model)


@pytest.mark.parametrize('method', ['MultiDis', 'MTKT', 'MultiHeadAdvEnt'])
def test_alignment_of_several_targets_on_the_images_alone(method):
    """Fooling losses of the main head on one target, by hand."""
    model, data = lively_of(method), uneven_targets()
    head = 'decode' if method == 'MultiDis' else 'rome.decode'
    judge = 'source_rome' if method == 'MultiDis' else 'rome'
    logits, inside = logits_on(model, data, 'rome', (head,))
    maps = self_information(logits[head]).where(inside[:, None], 0)
    discriminator = getattr(model, f'discriminator_{judge}')
    cells = discriminator.levels['decode'](maps).squeeze(1)[decision_cells()]
    logs = step(model, uneven_targets())
    assert finite(logs)
    infix = f'{judge}.' if method == 'MultiDis' else ''
    assert 0.1 * distance(cells, 0.0, 'vanilla') == value(
        logs, f'rome.{infix}decode.loss_adversarial'
    )
    domain = 0.5 * distance(cells, 1.0, 'vanilla')
    name = f'discriminator_{judge}.decode.loss_rome'
    assert domain == value(logs, name)


def test_divergence_of_heads_on_the_images_alone():
    model, data = lively_of('MTKT'), uneven_targets()
    heads = ('rome.decode', 'decode')
    logits, inside = logits_on(model, data, 'rome', heads)
    divergences = divergence_map(*logits.values())[inside]
    logs = step(model, data)
    assert 0.1 * divergences.mean().item() == value(
        logs, 'rome.decode.loss_divergence'
    )


@pytest.mark.parametrize('method', ['CCL', 'CoaST', 'MLCL'])
def test_methods_of_styles_refuse_unequal_images(method):
    model = collaborative_models.build(method, 2)
    with pytest.raises(ConfigError, match="'source' have unequal sizes") as e:
        step(model, uneven_targets())
    assert f'{method} would learn from the padding' in str(e.value)


def test_equal_images_are_not_refused_for_the_padding_of_others():
    model = collaborative_models.build('CCL', 2)
    assert finite(step(model, several(2, 2)))


@pytest.mark.parametrize(
    ('changes', 'size'),
    [(dict(size_divisor=32), (64, 64)), (dict(size=(48, 64)), (48, 64))],
)
def test_equal_images_that_are_padded_to_a_size(changes, size):
    config = dict(type='DomainDataPreprocessor', mean=[0] * 3, std=[1] * 3)
    preprocessor = MODELS.build(config | changes)
    out = preprocessor(batch(1), True)
    images, valid = out.targets['target'].images, out.targets['target'].valid
    assert images.shape[2:] == size
    assert valid.sum().item() == 33 * 41
    assert valid[0, :33, :41].all()


def test_images_of_one_size_have_no_padding():
    out = built('MinEnt').data_preprocessor(batch(2), True)
    assert out.targets['target'].valid is None


def test_pseudo_labels_are_padded_with_the_ignored_value():
    data = built('SelfTraining').data_preprocessor(
        with_pseudo_labels(uneven()), True
    )
    label = data.targets['target'].labels[1]
    assert label.shape == SIZES[0]
    assert (label[:40, :48] < NUM_CLASSES).all()
    assert (label == 255).sum().item() == 48 * 96 - 40 * 48


def test_pseudo_labels_that_are_not_trained_on_stay_as_they_are():
    data = with_pseudo_labels(uneven())
    data = {k: {d: v[d][:1] for d in v} for k, v in data.items()}
    out = built('SelfTraining').data_preprocessor(data, False)
    label = out.targets['target'].labels
    assert label.shape == (1, *SIZES[0])


def random_maps(*size):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*size, generator=generator, dtype=torch.float64)


def halves(height=4, width=6):
    """Two images, of which the second ends in the middle."""
    valid = torch.ones(2, height, width, dtype=torch.bool)
    valid[1, :, width // 2 :] = False
    return valid


def test_padding_has_no_gradient():
    logits = random_maps(2, 3, 4, 6).requires_grad_()
    prior = torch.tensor([0.2, 0.3, 0.5])
    loss = (
        entropy_loss(logits, 1.0, halves())
        + entropy_loss(logits, 0.5, halves())
        + class_ratio_prior_loss(logits, prior, 1.0, halves())
        + kl_divergence(logits.flip(1).detach(), logits, halves())
        + domain_loss(logits[:, :1], 1.0, 'vanilla', halves())
    )
    loss.backward()
    touched = logits.grad.abs().amax(dim=1) > 0
    assert torch.equal(touched, halves())


def test_divergence_at_another_resolution():
    teacher, student = random_maps(2, 3, 2, 4), random_maps(2, 3, 2, 4) / 2
    valid = halves(8, 16)
    first = kl_divergence(teacher[:1], student[:1]).item()
    second = kl_divergence(teacher[1:, ..., :2], student[1:, ..., :2]).item()
    expected = (2 * first + second) / 3
    found = kl_divergence(teacher, student, valid).item()
    assert found == pytest.approx(expected, abs=1e-12)


def test_agreement_of_heads_leaves_out_padding():
    agreement = HeadAgreement()
    logits = {
        'decode': random_maps(2, 3, 4, 6),
        'other': random_maps(2, 3, 4, 6),
    }
    logits['other'][1, :, :, 3:] *= -1
    agreement.count('rome', 'decode', logits, halves())
    ((_, counts),) = agreement.pop().items()
    assert counts[0].sum().item() == halves().sum().item()
    assert torch.equal(counts[0], counts[1])


@pytest.mark.parametrize(
    ('width', 'cells'), [(96, 3), (81, 3), (80, 2), (48, 1), (49, 2), (3, 1)]
)
def test_cells_count_if_their_middle_is_of_the_image(width, cells):
    """Middles of 3 cells of 96 pixels are at 16, 48 and 80."""
    valid = torch.zeros(1, 32, 96, dtype=torch.bool)
    valid[:, :, :width] = True
    assert valid_at(valid, (1, 3)).sum().item() == cells


@pytest.mark.parametrize(
    ('width', 'cells'), [(0, 1), (1, 1), (55, 7), (56, 7), (57, 8), (65, 9)]
)
def test_cells_on_the_corners_count_if_they_are_of_the_image(width, cells):
    """Nine cells lie on the pixels 0, 8, … 64."""
    valid = torch.zeros(1, 65, 65, dtype=torch.bool)
    valid[:, :, :width] = True
    read = valid_at(valid, (1, 9), align_corners=True)
    assert read.sum().item() == cells
    assert valid_at(valid.mT, (9, 1), align_corners=True).sum() == cells


def test_agreement_is_read_where_logits_on_the_corners_lie():
    agreement = HeadAgreement()
    logits = dict.fromkeys(('rome', 'decode'), random_maps(1, 2, 9, 9))
    valid = torch.zeros(1, 65, 65, dtype=torch.bool)
    valid[:, :, :55] = True
    agreement.count('rome', 'rome', logits, valid, align_corners=True)
    ((_, counts),) = agreement.pop().items()
    assert counts[0].sum().item() == 9 * 7


def test_perfect_uniformity_is_an_entropy_of_one():
    logits = torch.zeros(2, 3, 4, 6)
    logits[1, 0, :, 3:] = 50
    loss = entropy_loss(logits, 1.0, halves()).item()
    assert loss == pytest.approx(1, abs=1e-6)
    assert entropy_loss(logits).item() == pytest.approx(0.75, abs=1e-6)
    assert math.isclose(entropy_loss(logits, 0.5, halves()), 1, abs_tol=1e-6)
