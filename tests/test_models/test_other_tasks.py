"""What is not of segmentation serves another task: a detector of boxes."""

import ast
import copy
from pathlib import Path

import box_detection
import gloo
import pytest
import torch
from box_detection import ADVERSARIAL, CONSISTENCY, SIDE, domain_loss
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import load_state_dict
from torch.nn.functional import l1_loss

import mmuda
from mmuda.models import UDADistributedDataParallel
from mmuda.models.moving_average import warmed_up_momentum
from mmuda.registry import MODELS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.setup_env import register_all_modules

PACKAGE = Path(mmuda.__file__).parent
# Its registries have those of mmseg as parents, and know no class of it.
APART = {'mmuda.registry'}


def runtime_imports(node):
    """Modules that code imports when it runs, by dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.unparse(
            child.test
        ):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, 'relative'
            yield child.module
        yield from runtime_imports(child)


def reached(module, found):
    """All modules that a module of the package needs, itself included."""
    found.add(module)
    path = PACKAGE.parent / module.replace('.', '/')
    path = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    if module.startswith('mmuda') and module not in APART:
        for name in runtime_imports(ast.parse(path.read_text())):
            if name not in found:
                reached(name, found)
    return found


@pytest.mark.parametrize('part', ['players', 'followers', 'loading', 'batch'])
def test_what_is_shared_needs_no_mmseg(part):
    needed = reached(f'mmuda.models.{part}', set())
    assert 'mmuda.models.method_checks' in needed
    assert [name for name in needed if name.startswith('mmseg')] == []


def test_methods_of_segmentation_need_mmseg():
    source = (PACKAGE / 'models/uda/base.py').read_text()
    found = {*runtime_imports(ast.parse(source))}
    assert {'mmuda.models.players', 'mmuda.models.followers'} < found
    assert 'mmseg.models.segmentors.base' in found


class Reference:
    """The same training in plain PyTorch."""

    def __init__(self, model):
        self.detector, self.teacher, self.discriminator = (
            copy.deepcopy(getattr(model, name))
            for name in ('detector', 'teacher', 'discriminator')
        )
        self.optimizers = [
            torch.optim.SGD(part.parameters(), lr=0.05, momentum=0.9)
            for part in (self.detector, self.discriminator)
        ]

    def step(self, iteration, images, truth):
        """One iteration, from 1; images by domain."""
        features, boxes = self.detector(images['source'])
        l1_loss(boxes, truth).backward()
        if iteration > box_detection.WARMUP:
            aligned, found = self.detector(images['town'])
            with torch.no_grad():
                taught = self.teacher(images['town'])[1]
            adversarial = domain_loss(self.discriminator(aligned), 0.0)
            consistency = l1_loss(found, taught)
            total = ADVERSARIAL * adversarial + CONSISTENCY * consistency
            total.backward()
            self.discriminator.zero_grad()
            for values, label in ((features, 0.0), (aligned, 1.0)):
                decision = self.discriminator(values.detach())
                (domain_loss(decision, label) / 2).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        momentum = warmed_up_momentum(iteration, 0.999)
        with torch.no_grad():
            pairs = zip(
                self.teacher.parameters(),
                self.detector.parameters(),
                strict=True,
            )
            for old, new in pairs:
                old.lerp_(new, 1 - momentum)
            self.teacher.backbone[1].load_state_dict(
                self.detector.backbone[1].state_dict()
                | dict(self.teacher.backbone[1].named_parameters())
            )


def normalised(name, indices):
    pixels = [box_detection.image(i, name)[0] for i in indices]
    return (torch.stack(pixels).float() - 128) / 64


def test_runs_train_as_plain_pytorch(tmp_path):
    run = box_detection.runner(tmp_path, 4)
    seen = iter(run.build_dataloader(run._train_dataloader).sampler)
    reference = Reference(run.model)
    run.train()
    for iteration in range(1, 5):
        pair = [next(seen), next(seen)]
        images = {name: normalised(name, pair) for name in ('source', 'town')}
        truth = [box_detection.image(i, 'source')[1].box for i in pair]
        reference.step(iteration, images, torch.stack(truth))
    for name in ('detector', 'teacher', 'discriminator'):
        expected = getattr(reference, name).state_dict()
        for key, value in getattr(run.model, name).state_dict().items():
            torch.testing.assert_close(
                value, expected[key], rtol=0, atol=1e-6, msg=f'{name} {key}'
            )


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory):
    """After a warm-up, and the ends of a whole and of a continued run."""
    folder = tmp_path_factory.mktemp('boxes')
    box_detection.runner(folder / 'whole', 4, dropout=0.5).train()
    half = folder / 'whole/iter_2.pth'
    box_detection.runner(folder / 'continued', 4, 0.5, start=half).train()
    ends = [folder / name / 'iter_4.pth' for name in ('whole', 'continued')]
    return [load_checkpoint_file(str(file)) for file in (half, *ends)]


def test_continued_run_is_bit_identical(checkpoints):
    _, whole, continued = (c['state_dict'] for c in checkpoints)
    assert list(whole) == list(continued)
    for name, value in whole.items():
        assert torch.equal(value, continued[name]), name


def test_all_that_is_trained_or_follows_changes(checkpoints):
    half, whole, _ = (c['state_dict'] for c in checkpoints)
    changed = {
        name.split('.')[0]
        for name, value in whole.items()
        if 'weight' in name and not torch.equal(value, half[name])
    }
    assert changed == {'detector', 'teacher', 'discriminator'}


def test_discriminator_rests_while_warming_up(tmp_path):
    run = box_detection.runner(tmp_path, 1)
    before = copy.deepcopy(run.model.discriminator.state_dict())
    run.train()
    for name, value in run.model.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name


def build(**options):
    model = MODELS.build(box_detection.model_config(**options))
    model.init_weights()
    return model


def test_a_plain_detector_fills_detector_and_teacher():
    model = build()
    plain = MODELS.build(dict(type='BoxDetector'))
    load_state_dict(model, plain.state_dict())
    for part in (model.detector, model.teacher):
        for name, value in part.state_dict().items():
            assert torch.equal(value, plain.state_dict()[name]), name


def test_parts_of_another_shape_are_an_error():
    state = build().state_dict()
    state['detector.box_head.1.bias'] = torch.zeros(5)
    with pytest.raises(CheckpointError, match='detector of this config'):
        load_state_dict(build(), state)


@pytest.mark.parametrize('name', ['detector', 'teacher'])
def test_the_chosen_network_predicts(name):
    model = build(predict_on=name).eval()
    with torch.no_grad():
        for i, network in enumerate((model.detector, model.teacher)):
            network.box_head[1].bias.fill_(float(i))
            network.box_head[1].weight.zero_()
    found = model(torch.zeros(1, 3, SIDE, SIDE))
    assert found.tolist() == [[float(name == 'teacher')] * 4]


def test_the_networks_to_predict_on_are_named():
    with pytest.raises(ConfigError, match=r"\('detector', 'teacher'\)"):
        build(predict_on='segmentor')


def without_batch_statistics():
    register_all_modules()
    torch.manual_seed(0)
    model = build(warmup_iters=0).train()
    model.detector.backbone[1].eval()
    return model


def trained(model, indices):
    wrappers = build_optim_wrapper(model, box_detection.optim_config())
    wrappers.initialize_count_status(model, 0, 3)
    data = box_detection.Boxes()
    for start in (0, 2, 4):
        pairs = [data[start + index] for index in indices]
        model.train_step(pseudo_collate(pairs), wrappers)
    return model


def train_rank():
    model = UDADistributedDataParallel(without_batch_statistics())
    return trained(model, [get_rank()]).module.state_dict()


def test_two_processes_equal_one_with_twice_the_batch(tmp_path):
    first, second = gloo.run(train_rank, tmp_path)
    whole = trained(without_batch_statistics(), [0, 1]).state_dict()
    for name, value in whole.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(
            first[name], value, rtol=0, atol=1e-6, msg=name
        )
