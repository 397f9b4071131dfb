"""Runs of models whose hooks and followers come with the model."""

import custom_terms
import pytest
import torch
from tiny_runs import METAINFO, equal, runner, weights
from tiny_transformers import (
    rein_config,
    transformer_file,
    transformer_segmentor,
)

from mmuda.hooks import MeanTeacherHook
from mmuda.models import unwrap
from mmuda.models.terms import Term
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

TERMS = [
    dict(type='CheckeredConsistency'),
    dict(type='FeatureDistance', weight=0.1, things='all'),
]
HOOKS = ['NormStatisticsSyncHook', 'IterationSeedHook']


TAUGHT = dict(teacher=dict(momentum=0.6, mode='batch_statistics'), terms=TERMS)
# Its teacher is given by the term.
MASKED = dict(
    terms=[
        dict(
            type='MaskedConsistency',
            block_size=8,
            teacher=dict(momentum=0.6, mode='own_statistics'),
            threshold=None,
        )
    ]
)
# The term's own beside that of the method.
TWICE = dict(
    teacher=dict(momentum=0.9, mode='own_statistics'),
    terms=[
        dict(MASKED['terms'][0], share_teacher=False),
    ],
)


def taught(folder, iterations, hooks=HOOKS, model=TAUGHT, **kwargs):
    assert custom_terms
    return runner(
        folder, iterations, hooks, model=model, dropout=0.3, **kwargs
    )


@pytest.mark.parametrize('model', [TAUGHT, MASKED, TWICE])
def test_resumed_run_equals_a_whole_one(tmp_path, model):
    whole = taught(tmp_path / 'whole', 4, model=model)
    whole.train()
    taught(tmp_path / 'parts', 2, model=model).train()
    second = taught(tmp_path / 'parts', 4, resume=True, model=model)
    second.train()
    assert equal(weights(whole), weights(second))
    for name in unwrap(whole.model).followers:
        first, other = (
            getattr(unwrap(run.model), name).state_dict()
            for run in (whole, second)
        )
        assert equal(first, other)
    stored = torch.load(tmp_path / 'parts/iter_4.pth', weights_only=False)
    names = {name.split('.')[0] for name in stored['state_dict']}
    own = {'masked_teacher'} if model is TWICE else set()
    assert names == {'segmentor', 'teacher', *own}


@pytest.mark.parametrize('from_file', [True, False])
def test_a_shared_transformer_resumes_exactly(tmp_path, from_file):
    file = transformer_file(tmp_path / 'vit.pth') if from_file else None
    teacher = dict(momentum=0.6, mode='own_statistics')

    def run(folder, iterations, **kwargs):
        segmentor = transformer_segmentor(rein_config(file))
        return runner(
            tmp_path / folder,
            iterations,
            HOOKS,
            segmentor=segmentor,
            model=dict(
                teacher=teacher, entropy_weights=dict(decode=0.1), terms=[]
            ),
            **kwargs,
        )

    whole = run('whole', 4)
    whole.train()
    run('parts', 2).train()
    second = run('parts', 4, resume=True)
    second.train()
    assert equal(weights(whole), weights(second))
    first, other = (
        unwrap(each.model).teacher.state_dict() for each in (whole, second)
    )
    assert equal(first, other)
    state = torch.load(tmp_path / 'parts/iter_4.pth', weights_only=False)
    names = [n for n in state['state_dict'] if '.vit.' in n]
    assert bool(names) != from_file


def test_two_teachers_follow_at_their_own_pace(tmp_path):
    run = taught(tmp_path, 2, model=TWICE)
    run.train()
    hooks = [h for h in run.hooks if isinstance(h, MeanTeacherHook)]
    assert {h.teacher: h.momentum for h in hooks} == {
        'teacher': 0.9,
        'masked_teacher': 0.6,
    }
    model = unwrap(run.model)
    name = 'decode_head.conv_seg.weight'
    student, slow, fast = (
        getattr(model, part).state_dict()[name]
        for part in ('segmentor', 'teacher', 'masked_teacher')
    )
    # After the second update 2/3 and 0.6 of the same mean are old.
    torch.testing.assert_close(
        (slow - student) * 0.6, (fast - student) * 2 / 3
    )
    assert not torch.equal(slow, fast)


def test_the_loop_adds_the_hook_of_the_teacher(tmp_path):
    run = taught(tmp_path, 1)
    run.train()
    (hook,) = (h for h in run.hooks if isinstance(h, MeanTeacherHook))
    assert hook.momentum == 0.6
    model = unwrap(run.model)
    name = 'decode_head.conv_seg.weight'
    # Half of the first and half of the second weights: a warm-up.
    assert not torch.equal(
        model.teacher.state_dict()[name], model.segmentor.state_dict()[name]
    )


def test_terms_know_the_classes_of_the_data(tmp_path):
    def run(things):
        terms = [dict(type='FeatureDistance', things=things)]
        run = runner(tmp_path, 1, HOOKS, model=dict(terms=terms))
        run.train()
        return run

    assert unwrap(run(['a', 'c']).model).dataset_meta == METAINFO
    with pytest.raises(ConfigError, match=r"no 'car' \(it has a, b, c, d, e"):
        run(['car'])


def test_options_in_two_places_are_refused(tmp_path):
    run = taught(tmp_path, 1, [*HOOKS, 'MeanTeacherHook'])
    with pytest.raises(ConfigError, match='momentum: given by the model and'):
        run.train()


def test_a_loop_that_adds_no_hooks_is_refused(tmp_path):
    run = taught(tmp_path, 1, loop='IterBasedTrainLoop')
    with pytest.raises(ConfigError, match='not train right without MeanTe'):
        run.train()


def test_a_loop_that_adds_no_hook_for_the_second_teacher_is_refused(tmp_path):
    hooks = [*HOOKS, dict(type='MeanTeacherHook', buffers='keep')]
    run = taught(tmp_path, 1, hooks, TWICE, loop='IterBasedTrainLoop')
    message = r"without MeanTeacherHook\(teacher='masked_teacher'\): add it"
    with pytest.raises(ConfigError, match=message):
        run.train()


@MODELS.register_module()
class NearTheMean(Term):
    """Features of the source stay near their running mean."""

    needs_features = True

    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.zeros(64))

    def on_source(self, model, prediction, full, source):
        found = prediction.features[-1].mean((0, 2, 3))
        loss = (found - self.mean).square().mean()
        self.mean.lerp_(found.detach(), 0.5)
        return {'loss_near': loss}


def test_terms_with_a_state_resume_exactly(tmp_path):
    def run(folder, iterations, **kwargs):
        model = dict(terms=[dict(type='NearTheMean')])
        run = runner(
            tmp_path / folder, iterations, HOOKS, model=model, **kwargs
        )
        run.train()
        return run

    whole = run('whole', 4)
    assert whole.model.term_0.mean.abs().min() > 0
    run('parts', 2)
    assert equal(weights(whole), weights(run('parts', 4, resume=True)))
