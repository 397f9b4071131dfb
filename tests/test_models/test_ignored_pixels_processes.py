"""Two processes that see unlike numbers of ignored pixels against one."""

import collaborative_models
import cotraining_models
import gloo
import pytest
import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_rank
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from several_targets import NAMES, softly_labelled
from tiny_models import (
    NUM_CLASSES,
    batch,
    model_config,
    optim_config,
    segmentor_config,
)

from mmuda.models import UDADistributedDataParallel
from mmuda.models.losses import (
    averaging_over,
    domain_loss,
    entropy_loss,
    kl_divergence,
    masked_mean,
)
from mmuda.models.losses.hard_pixels import mean_of_hardest
from mmuda.models.segmentors import Prediction
from mmuda.registry import MODELS
from mmuda.utils.setup_env import register_all_modules

ITERATIONS = 3
BALANCED = dict(class_weight=[1.0, 2.0, 0.5, 3.0, 1.5], avg_non_ignore=False)
SIGMOID = dict(use_sigmoid=True)
TINY = dict(
    SourceOnly={},
    MinEnt=dict(top_fraction=0.3),
    AdvEnt={},
    ESL=dict(pseudo_label_weight=0.5),
    SelfTraining={},
    weighted={},
    weighted_ESL=dict(pseudo_label_weight=0.5),
    sigmoid={},
)
LOSSES = dict(weighted=BALANCED, weighted_ESL=BALANCED, sigmoid=SIGMOID)
METHODS = dict.fromkeys(TINY, 'SourceOnly') | dict(
    MinEnt='MinEnt',
    AdvEnt='AdvEnt',
    ESL='AdvEnt',
    weighted_ESL='AdvEnt',
    SelfTraining='SelfTraining',
)
SEVERAL = ['MTKT', 'CoaST', 'MLCL']
CASES = [*TINY, *SEVERAL, 'CoTraining', 'hard pixels']
ALONE = ['SourceOnly', 'CoaST', 'hard pixels']


def ignore(label, count, generator):
    """Ignore so many pixels, wherever they are."""
    places = torch.randperm(label.numel(), generator=generator)[:count]
    label.view(-1)[places] = 255
    return label


def data_of(case, seed):
    """A batch of two, of which the second has far fewer valid pixels."""
    generator = torch.Generator().manual_seed(100 + seed)
    if case in SEVERAL:
        data = softly_labelled(2, 2, seed)
        for name in NAMES[:2]:
            soft = data['data_samples'][name][1].pseudo_soft_seg.data
            soft[:, 12:] = 0
    elif case in ('CoTraining', 'hard pixels'):
        return cotraining_models.batch(4, 2, seed)
    else:
        data = batch(2, seed)
    for shift, sample in enumerate(data['data_samples']['source']):
        ignore(sample.gt_sem_seg.data, 50 + 700 * shift, generator)
    if case in ('ESL', 'weighted_ESL', 'SelfTraining'):
        for shift, sample in enumerate(data['data_samples']['target']):
            size = (1, *sample.img_shape)
            label = torch.randint(0, NUM_CLASSES, size, generator=generator)
            label = ignore(label, 900 * shift, generator)
            sample.pseudo_sem_seg = PixelData(data=label)
    if METHODS.get(case) == 'SourceOnly':
        data = {k: {'source': v['source']} for k, v in data.items()}
    return data


def part(data, rank):
    """Every second sample."""
    return {
        key: {domain: items[rank::2] for domain, items in value.items()}
        for key, value in data.items()
    }


def build(case, **options):
    """A model of a case whose logits differ from pixel to pixel."""
    register_all_modules()
    torch.manual_seed(0)
    model = fresh(case, **options)
    for weight in model.parameters():
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight)
            weight.data *= 0.6
    return model.double().train()


def fresh(case, **options):
    if case in SEVERAL:
        return collaborative_models.build(case, 2, norm_eval=True, **options)
    if case in ('CoTraining', 'hard pixels'):
        portion = 0.2 if case == 'hard pixels' else 1.0
        weight = dict(pseudo_label_weight=1.0 if portion < 1 else 0.5)
        return cotraining_models.build(
            portion=portion, norm_eval=True, **weight, **options
        )
    segmentor = segmentor_config(norm_eval=True)
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['loss_decode'] |= LOSSES.get(case, {})
    config = model_config(
        METHODS[case], segmentor=segmentor, **TINY[case], **options
    )
    return MODELS.build(config)


def optimizers(case, model):
    if case in SEVERAL:
        return collaborative_optimizers(model)
    if case in ('CoTraining', 'hard pixels'):
        return cotraining_models.optimizers(model)
    return build_optim_wrapper(model, optim_config(METHODS[case]))


def collaborative_optimizers(model):
    sgd = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02))
    config = dict(
        constructor='MultiOptimWrapperConstructor', segmentor=dict(sgd)
    )
    children = getattr(model, 'module', model).named_children()
    if any(name.startswith('discriminator') for name, _ in children):
        config['discriminator'] = dict(sgd)
    return build_optim_wrapper(model, config)


def train(case, model, rank=None):
    wrappers = optimizers(case, model)
    wrappers.initialize_count_status(model, 0, ITERATIONS)
    logs = []
    for seed in range(ITERATIONS):
        data = data_of(case, seed)
        data = data if rank is None else part(data, rank)
        logs.append(model.train_step(data, wrappers))
    return logs


def without_labels_on_one_rank():
    """Losses and accuracy where one process has nothing to count."""
    register_all_modules()
    model = build('SourceOnly')
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(1, NUM_CLASSES, 9, 9, generator=generator)
    label = logits.argmax(dim=1)
    label[:, :3] = (label[:, :3] + 1) % NUM_CLASSES
    if get_rank() == 1:
        label[:] = 255
    logits.requires_grad_()
    losses = model.segmentor.losses(Prediction(dict(decode=logits)), label)
    losses['decode.loss_ce'].backward()
    return losses['decode.loss_ce'].item(), losses['decode.acc_seg'].item()


def maps(rank):
    """Logits of as many as 30 or 6 pixels."""
    generator = torch.Generator().manual_seed(rank)
    size = (1, NUM_CLASSES, *((5, 6) if rank == 0 else (2, 3)))
    return torch.randn(size, generator=generator, dtype=torch.float64)


def functions():
    """Each loss of all pixels, by logits (1, C, H, W)."""
    return dict(
        entropy=entropy_loss,
        hardest_entropy=lambda x: entropy_loss(x, 0.5),
        divergence=lambda x: kl_divergence(x.flip(1), x),
        adversarial=lambda x: domain_loss(x[:, :1], 1.0),
        masked=lambda x: masked_mean(x[:, 0], ignored(x)),
        hard=lambda x: mean_of_hardest(x[:, 0].exp(), 0.25),
        ties=lambda x: mean_of_hardest(x[:, 0].round().exp(), 0.25),
    )


def ignored(logits):
    return torch.where(logits[:, 1] > 0.5, 255, 1)


def averages():
    """Average of each loss over the processes, and its gradient's part."""
    results = {}
    for which in ('batch', 'process'):
        with averaging_over(which):
            for name, function in functions().items():
                logits = maps(get_rank()).requires_grad_()
                loss = function(logits)
                loss.backward()
                mean = loss.detach().clone()
                all_reduce(mean, op='mean')
                results[which, name] = mean.item(), logits.grad / 2
    return results


def train_rank():
    states, logs = {}, {}
    for case in CASES:
        model = UDADistributedDataParallel(build(case))
        logs[case] = train(case, model, get_rank())
        states[case] = model.module.state_dict()
    for case in ALONE:
        model = build(case, average_over='process')
        model = UDADistributedDataParallel(model)
        train(case, model, get_rank())
        states[case, 'process'] = model.module.state_dict()
    return states, logs, without_labels_on_one_rank(), averages()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(train_rank, tmp_path_factory.mktemp('ranks'))


@pytest.fixture(scope='module')
def alone():
    def run(case):
        model = build(case)
        logs = train(case, model)
        return model.state_dict(), logs

    return {case: run(case) for case in CASES}


def differences(states, others):
    return {
        name: (value - others[name]).abs().max().item()
        for name, value in states.items()
        if value.is_floating_point() and value.numel()
    }


@pytest.mark.parametrize('case', CASES)
def test_two_processes_equal_one_with_twice_the_batch(ranks, alone, case):
    gaps = differences(alone[case][0], ranks[0][0][case])
    assert max(gaps.values()) <= 1e-6, gaps


@pytest.mark.parametrize('case', ALONE)
def test_each_process_alone_is_something_else(ranks, alone, case):
    gaps = differences(alone[case][0], ranks[0][0][case, 'process'])
    assert max(gaps.values()) > 1e-4


@pytest.mark.parametrize('case', CASES)
def test_every_process_logs_the_losses_of_the_whole_batch(ranks, alone, case):
    for step, expected in enumerate(alone[case][1]):
        for _, logs, *_ in ranks:
            found = {
                name: value
                for name, value in logs[case][step].items()
                # Of DDP alone, and 0.
                if 'loss_unused' not in name
            }
            assert list(found) == list(expected)
            for name, value in expected.items():
                assert found[name].item() == pytest.approx(
                    value.item(), rel=1e-6, abs=1e-6
                ), name


def test_a_process_without_labels_counts_nothing(ranks):
    losses, accuracies = zip(*(rank[2] for rank in ranks), strict=True)
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(1, NUM_CLASSES, 9, 9, generator=generator)
    label = logits.argmax(dim=1)
    label[:, :3] = (label[:, :3] + 1) % NUM_CLASSES
    expected = F.cross_entropy(logits, label).item()
    assert losses == (pytest.approx(2 * expected, rel=1e-5), 0)
    assert accuracies == (pytest.approx(200 * 6 / 9, rel=1e-5), 0)


@pytest.mark.parametrize('name', functions())
def test_average_of_the_processes_is_the_mean_of_all_pixels(ranks, name):
    """As for all pixels in one row, 36 of one image."""
    logits = [maps(rank).flatten(2) for rank in range(2)]
    if name == 'hardest_entropy':
        # Half of each image's pixels, 15 and 3.
        parts = [entropy_loss(x[..., None], 0.5).item() for x in logits]
        expected = (15 * parts[0] + 3 * parts[1]) / 18
    else:
        joint = torch.cat(logits, dim=2)[..., None]
        expected = functions()[name](joint).item()
    for *_, averages in ranks:
        assert averages['batch', name][0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    'name', ['entropy', 'divergence', 'adversarial', 'masked', 'hard']
)
def test_average_of_the_gradients_is_that_of_all_pixels(ranks, name):
    logits = torch.cat([maps(rank).flatten(2) for rank in range(2)], dim=2)
    logits = logits[..., None].requires_grad_()
    functions()[name](logits).backward()
    found = [rank[3]['batch', name][1].flatten(2) for rank in ranks]
    torch.testing.assert_close(
        torch.cat(found, dim=2)[..., None], logits.grad, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize('name', functions())
def test_average_of_each_process_alone(ranks, name):
    expected = sum(functions()[name](maps(r)).item() for r in range(2)) / 2
    for *_, averages in ranks:
        assert averages['process', name][0] == pytest.approx(
            expected, abs=1e-9
        )
