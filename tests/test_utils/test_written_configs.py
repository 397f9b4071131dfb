"""One reader of configs that refuses code, or shows its text."""

import math

import pytest

from mmuda.utils.written_configs import read_config_text

CODE = {
    'dict(a=open)': dict(a='open'),
    'dict(**b, c=1)': {'**': 'b', 'c': 1},
    '{1: 2, **b}': {1: 2, '**': 'b'},
    "[-'a', -1]": ["-'a'", -1],
    "(float('x'), float('nan2'))": ("float('x')", "float('nan2')"),
    "dict([('a', 1)])": "dict([('a', 1)])",
    '{[1]: 2}': '{[1]: 2}',
    "dict({'a': f(1)})": dict(a='f(1)'),
    "f'{1}'": "f'{1}'",
}


@pytest.mark.parametrize('strict', [True, False])
def test_data_is_the_same_to_both(strict):
    text = (
        "a = dict(b=[1, -2.5, None], c=(True, 'x' 'y'), d={'k': {1, 2}})\n"
        "e = dict({7: 0, 'others': 255})\n"
        "f = (-inf, float('inf'), float('-1e3'), {}, dict(), b'g')\n"
        'a = dict(b=3)\n'
    )
    assert read_config_text(text, strict) == dict(
        a=dict(b=3),
        e={7: 0, 'others': 255},
        f=(-math.inf, math.inf, -1000.0, {}, {}, b'g'),
    )
    found = read_config_text('a = [nan]', strict)
    assert math.isnan(found['a'][0])


@pytest.mark.parametrize('code', CODE)
def test_code_is_refused_or_shown(code):
    with pytest.raises(ValueError, match='line 2'):
        read_config_text(f'a = 1\nb = {code}')
    found = read_config_text(f'a = 1\nb = {code}', strict=False)
    assert found == dict(a=1, b=CODE[code])


@pytest.mark.parametrize(
    ('line', 'shown'),
    [
        ('import os', {}),
        ('b, c = 1, 2', {'(b, c)': (1, 2)}),
        ('b = c = 1', {}),
        ('b.c = 1', {'b.c': 1}),
        ('b += 1', {}),
    ],
)
def test_lines_that_name_no_value(line, shown):
    with pytest.raises(ValueError, match='line 1 assigns no value to a name'):
        read_config_text(line)
    assert read_config_text(line, strict=False) == shown


@pytest.mark.parametrize('strict', [True, False])
@pytest.mark.parametrize(
    'text',
    ['a = (', 'a = ' + '-' * 5000 + '1', 'a = ' + '(' * 500 + ')' * 500],
)
def test_what_is_no_config(strict, text):
    with pytest.raises(ValueError, match=r'\w'):
        read_config_text(text, strict)
