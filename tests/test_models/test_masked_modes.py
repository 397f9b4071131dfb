"""What MIC masks, and the teacher that it may have for itself."""

import copy

import gloo
import masked_models as hosts
import pytest
import torch
from mmengine.dist import get_rank
from tiny_models import model_config, segmentor_config

from mmuda.models import UDADistributedDataParallel
from mmuda.models.online_labels import label_online
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

OWN = dict(momentum=0.5)


def sharing_no_teacher(**term):
    """DACS whose masked images another teacher labels."""
    options = dict(block_size=8, augmentation=False, share_teacher=False)
    torch.manual_seed(0)
    model = MODELS.build(
        model_config(
            'DACS',
            augmentation=False,
            terms=[dict(type='MaskedConsistency') | options | term],
            segmentor=segmentor_config(norm_eval=True),
        )
    )
    factors = dict(teacher=50, masked_teacher=-80)
    for name in ('segmentor', *model.teachers):
        torch.manual_seed(1)
        for weight in getattr(model, name).parameters():
            if weight.dim() == 4:
                torch.nn.init.kaiming_normal_(weight, a=1)
    for name in model.teachers:
        classifier = getattr(model, name).decode_head.conv_seg
        classifier.weight.data *= factors[name]
    model.terms[0].draw_blocks = hosts.draw_blocks
    return model.double().train()


def test_the_source_is_masked_and_learned_by_its_labels():
    model = build_on_source()
    data = hosts.data_of()
    for labelled in data['data_samples']['source']:
        labelled.gt_sem_seg.data[:, :5] = 255
    source = hosts.domains_of(model, data).source
    ones = torch.ones(source.labels.shape, dtype=torch.float64)
    expected = hosts.losses_on(
        model, hosts.masked(source.images), source.labels, ones
    )
    logs = hosts.step(model, data)
    for name, loss in expected.items():
        name = name.replace('target.', 'source.')
        factor = 3 if '.decode.' in name else 1
        assert logs[name].item() == pytest.approx(factor * loss.item())
    assert not any('target.masked' in name for name in logs)
    assert model.teacher is None
    assert not model.needed_hooks


def build_on_source(method='MinEnt', **term):
    torch.manual_seed(0)
    options = dict(type='MaskedConsistency', block_size=8, mode='source')
    model = MODELS.build(
        model_config(
            method,
            terms=[options | dict(weight=3.0) | term],
            segmentor=segmentor_config(norm_eval=True),
        )
    )
    model.terms[0].draw_blocks = hosts.draw_blocks
    return model.double().train()


def test_training_without_targets_masks_the_source():
    data = hosts.data_of()
    for value in data.values():
        del value['target']
    logs = hosts.step(build_on_source('SourceOnly'), data)
    assert logs['source.masked.decode.loss_ce'] > 0
    with pytest.raises(ConfigError, match='must not see target images'):
        hosts.step(build_on_source('SourceOnly'))


@pytest.mark.parametrize(
    ('published', 'mode', 'augmentation'),
    [
        ('separatetrg', 'target', False),
        ('separatetrgaug', 'target', True),
        ('separatesrc', 'source', False),
        ('separatesrcaug', 'source', True),
        ('separate', 'separate', False),
        ('separateaug', 'separate', True),
    ],
)
def test_published_modes_are_two_options(published, mode, augmentation):
    def logs_by(**options):
        build = build_on_source if mode == 'source' else hosts.build
        model = build(**options)
        torch.manual_seed(4)
        return hosts.step(model)

    found = logs_by(mode=published, augmentation=None)
    assert found == logs_by(mode=mode, augmentation=augmentation)
    assert found != logs_by(mode=mode, augmentation=not augmentation)


@pytest.mark.parametrize(
    ('threshold', 'sure'), [('host', 0.968), (0.6, 0.6), (None, None)]
)
def test_another_teacher_labels_masked_images(threshold, sure):
    rows = dict(top=3, bottom=4)
    model = sharing_no_teacher(threshold=threshold)
    model.ignored_rows = rows
    copied = copy.deepcopy(model)
    target = hosts.domains_of(copied, hosts.data_of()).targets['target']
    own = label_online(copied, target, sure, teacher='masked_teacher')
    assert (own.labels != label_online(copied, target, sure).labels).any()
    weights = own.weights.clone()
    weights[:, :3] = weights[:, -4:] = 0
    expected = hosts.losses_on(
        copied, hosts.masked(target.images), own.labels, weights
    )
    logs = hosts.step(model)
    for name, loss in expected.items():
        assert logs[name].item() == pytest.approx(loss.item(), rel=1e-9)
    share = logs['target.masked.pseudo_label_weight']
    assert share.item() == pytest.approx(own.share.item())
    assert share != logs['target.pseudo_label_weight']


def built(kind):
    if kind == 'source':
        return build_on_source()
    model = sharing_no_teacher(threshold=0.6)
    # Which classes are pasted is drawn in each process.
    model.draw_classes = lambda labels: (
        torch.arange(256).lt(3).expand(len(labels), 256)
    )
    return model


def step_of_rank(kind):
    register_all_modules()
    rank = get_rank()
    part = {
        key: {name: items[rank::2] for name, items in value.items()}
        for key, value in hosts.data_of(4).items()
    }
    model = UDADistributedDataParallel(built(kind))
    return hosts.step(model, part), model.module.state_dict()


@pytest.mark.parametrize('kind', ['source', 'own teacher'])
def test_two_processes_equal_one(tmp_path, kind):
    first, second = gloo.run(step_of_rank, tmp_path, kind)
    model = built(kind)
    logs = hosts.step(model, hosts.data_of(4))
    for name, value in logs.items():
        torch.testing.assert_close(value, first[0][name], msg=name)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[1][name], rtol=0, atol=1e-9, msg=name
        )
        assert torch.equal(first[1][name], second[1][name]), name


@pytest.mark.parametrize('options', [{}, dict(share_teacher=True)])
def test_labels_of_the_term_average_mirror_images_as_the_host(options):
    model = sharing_no_teacher(threshold=0.6, **options)
    model.flip_average = True
    copied = copy.deepcopy(model)
    target = hosts.domains_of(copied, hosts.data_of()).targets['target']
    name = 'teacher' if options else 'masked_teacher'
    own = label_online(copied, target, 0.6, True, name)
    assert (
        own.labels != label_online(copied, target, 0.6, False, name).labels
    ).any()
    expected = hosts.losses_on(
        copied, hosts.masked(target.images), own.labels, own.weights
    )
    logs = hosts.step(model)
    for loss, value in expected.items():
        assert logs[loss].item() == pytest.approx(value.item(), rel=1e-9)


def test_each_teacher_has_a_hook_of_its_own():
    model = sharing_no_teacher(teacher=OWN)
    kept = model.followers['masked_teacher']
    assert (kept.of, kept.mode) == ('segmentor', 'own_statistics')
    host, own = model.needed_hooks
    assert host == dict(type='MeanTeacherHook', momentum=0.999, buffers='keep')
    assert own == dict(
        type='MeanTeacherHook',
        teacher='masked_teacher',
        momentum=0.5,
        buffers='keep',
    )


def test_terms_have_a_teacher_each():
    own = dict(type='MaskedConsistency', block_size=8, share_teacher=False)
    model = MODELS.build(model_config('DACS', terms=[own, own]))
    names = ['teacher', 'masked_teacher', 'masked_teacher_2']
    assert [*model.teachers] == names
    assert [term.labelled_by for term in model.terms] == names[1:]


def test_a_checkpoint_without_the_term_s_teacher_has_the_student():
    plain = MODELS.build(model_config('DACS'))
    state = plain.state_dict()
    model = sharing_no_teacher().float()
    model.load_state_dict(state)
    for name, value in model.masked_teacher.state_dict().items():
        assert torch.equal(value, state[f'segmentor.{name}'])
    plain.load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mode='separatetrg', augmentation=True), 'does not go with mode'),
        (dict(mode='separateaug', augmentation=False), "write mode='separate"),
        (dict(mode='separatesrc', threshold=0.5), 'threshold has no effect'),
        (dict(mode='source', teacher=OWN), 'teacher has no effect on masked'),
        (dict(mode='source', share_teacher=False), 'share_teacher has no eff'),
        (dict(mode='sourc'), r"must be one of \('target', 'source', 'separa"),
        (
            dict(share_teacher=False, teacher=dict(a=1)),
            "MaskedConsistency.teacher: there is no 'a', only",
        ),
        (
            dict(share_teacher=False, teacher=dict(momentum='high')),
            r"Consistency\.teacher\.momentum='high': must be a finite number",
        ),
        (
            dict(share_teacher=False, teacher=dict(mode='train')),
            r'MaskedConsistency\.teacher\.mode must be one of',
        ),
        (
            dict(share_teacher=False, teacher=dict(buffers='copy')),
            'MaskedConsistency.teacher: mode=.* does not go with buffers',
        ),
        (dict(teacher=OWN), 'one of its own by share_teacher=False'),
    ],
)
def test_what_can_not_work_is_refused(options, message):
    term = dict(type='MaskedConsistency') | options
    with pytest.raises(ConfigError, match=message):
        MODELS.build(model_config('DACS', terms=[term]))
