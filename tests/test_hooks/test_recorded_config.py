"""Configs that mean the same are the same when a run is resumed."""

import pytest
from mmengine.config import Config

from mmuda.hooks.recorded_config import (
    changed_lengths,
    older_terms,
    recorded_config,
)
from mmuda.hooks.run_record import check_same_course
from mmuda.utils.errors import CheckpointError

ADVENT = dict(type='AdvEnt', adversarial_weights=dict(decode=1e-3))
ENTROPY = dict(decode=0.1)
RATIO = [1.0, 2.0]


def record(model, **parts):
    return recorded_config(Config(dict(model=ADVENT | model, **parts)))


def compare(stored, own):
    """Whether runs of the two models are the same, either way."""
    sides = record(stored), record(own)
    return [
        changed_lengths(then, now, 'a.pth')
        for then, now in (sides, sides[::-1])
    ] == [[], []]


def refused(stored, own):
    with pytest.raises(CheckpointError) as error:
        changed_lengths(record(stored), record(own), 'a.pth')
    return str(error.value)


@pytest.mark.parametrize(
    'parts',
    [
        dict(warmup_iters=0),
        dict(gan='vanilla'),
        dict(average_over='batch', teacher=False),
        dict(terms=[]),
        dict(pseudo_label_weight=0.0, entropy_weights=None),
        dict(class_ratio_prior=None),
    ],
)
def test_a_default_may_be_written(parts):
    assert compare({}, parts)


@pytest.mark.parametrize(
    ('parts', 'key'),
    [
        (dict(warmup_iters=1), 'model.warmup_iters was nothing, now 1'),
        (dict(gan='least_squares'), "model.gan was nothing, now 'least_"),
        (dict(average_over='process'), "over was nothing, now 'process'"),
    ],
)
def test_what_is_no_default_is_told(parts, key):
    assert key in refused({}, parts)


def test_a_list_is_compared_as_a_whole():
    strides = dict(type='ResNetV1cLike', strides=(1, 2))
    assert 'strides[1] was 2, now nothing' in refused(
        dict(segmentor=strides),
        dict(segmentor=dict(strides, strides=(1,))),
    )


def test_defaults_of_other_packages_count_where_they_are_named():
    def optimizer(**options):
        wrapper = dict(optimizer=dict(type='SGD', lr=0.1, **options))
        return record({}, optim_wrapper=dict(segmentor=wrapper))

    same = optimizer(), optimizer(momentum=0, nesterov=False)
    assert changed_lengths(*same, 'a.pth') == []
    with pytest.raises(CheckpointError, match='momentum was nothing, now 0'):
        changed_lengths(optimizer(), optimizer(momentum=0.9), 'a.pth')


def test_another_class_has_other_defaults():
    message = refused({}, dict(type='MinEnt', top_fraction=1.0))
    assert "model.type was 'AdvEnt', now 'MinEnt'" in message
    assert 'model.top_fraction was nothing' in message


TERMS = dict(
    entropy=(
        dict(entropy_weights=ENTROPY),
        [dict(type='Entropy', weights=ENTROPY)],
    ),
    prior=(
        dict(class_ratio_prior=dict(type='ClassRatioPrior', ratio=RATIO)),
        [dict(type='ClassRatioPrior', ratio=RATIO, weight=1.0)],
    ),
    labels=(
        dict(pseudo_label_weight=0.5),
        [dict(type='PseudoLabels', weight=0.5)],
    ),
    both=(
        dict(pseudo_label_weight=0.5, entropy_weights=ENTROPY),
        [
            dict(type='Entropy', weights=ENTROPY, top_fraction=1.0),
            dict(type='PseudoLabels', weight=0.5),
        ],
    ),
    one_of_two=(
        dict(
            pseudo_label_weight=0.5,
            terms=[dict(type='Entropy', weights=ENTROPY)],
        ),
        [
            dict(type='Entropy', weights=ENTROPY),
            dict(type='PseudoLabels', weight=0.5),
        ],
    ),
)


@pytest.mark.parametrize('name', TERMS)
def test_older_keywords_are_the_terms_that_they_add(name):
    older, terms = TERMS[name]
    assert compare(older, dict(terms=terms))


@pytest.mark.parametrize('name', TERMS)
def test_terms_of_other_numbers_are_told(name):
    older, terms = TERMS[name]
    *others, last = terms
    key = {'Entropy': 'top_fraction'}.get(last['type'], 'weight')
    changed = dict(terms=[*others, dict(last, **{key: 0.25})])
    place = f'model.terms[{len(others)}].{key} was '
    assert place in refused(older, changed)


def test_terms_in_another_order_are_told():
    older, terms = TERMS['both']
    assert 'model.terms[0].type' in refused(older, dict(terms=terms[::-1]))


def test_what_is_no_older_keyword_of_a_method():
    minent = dict(type='MinEnt', entropy_weights=ENTROPY)
    assert older_terms(record(minent)) == {}
    prior = dict(minent, **TERMS['prior'][0])
    place = {'model.class_ratio_prior': 'model.terms[0]'}
    assert older_terms(record(prior)) == place


def run(model, numbers):
    config = recorded_config(Config(dict(model=ADVENT | model)))
    return dict(config=config, numbers=numbers, processes=1, data={})


def test_numbers_of_files_are_compared_under_both_names():
    older, terms = TERMS['prior']
    then = run(older, {'model.class_ratio_prior.ratio[0]': 0.5})
    now = run(dict(terms=terms), {'model.term_0.ratio[0]': 0.5})
    assert check_same_course(then, now, 'a.pth') == []
    now['numbers']['model.term_0.ratio[0]'] = 0.25
    with pytest.raises(
        CheckpointError, match=r'ratio\[0\] was 0\.5, now 0\.2'
    ):
        check_same_course(then, now, 'a.pth')
