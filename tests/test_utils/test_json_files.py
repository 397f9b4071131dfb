import json
import math
import os
from typing import Annotated, TypedDict

import pytest

from mmuda.utils.checks import SHARE, WHOLE
from mmuda.utils.errors import DataError
from mmuda.utils.json_files import (
    parse_json,
    read_json,
    read_plain_file,
    without_nan,
)


class Part(TypedDict, total=False):
    share: Annotated[float, SHARE]


class Content(TypedDict):
    count: Annotated[int, WHOLE]
    parts: dict[str, Part]


def parse(data, **kwargs):
    return parse_json(data, 'a.json', 'remove it', **kwargs)


@pytest.mark.parametrize('mark', [b'', b'\xef\xbb\xbf'])
def test_content_is_read_with_and_without_a_mark(mark):
    assert parse(mark + '{"ä": [1, 2.5, null]}'.encode()) == {
        'ä': [1, 2.5, None]
    }


@pytest.mark.parametrize(
    ('data', 'fault'),
    [
        (b'', 'no JSON'),
        (b'{"a": ', 'no JSON'),
        (b'\xff\xfe{\x00}\x00', 'no JSON.*utf-8'),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b'{"a": NaN}', 'NaN is no number'),
        (b'{"a": -Infinity}', '-Infinity is no number'),
        (b'{"a": 1e999}', '1e999 is too large'),
        (b'[' * 100_000, 'nested too deeply'),
        (b'{"a":' * 100_000, 'nested too deeply'),
        (b'{"a": ' + b'9' * 5000 + b'}', 'no JSON'),
        (b'[1]', 'is not a JSON object'),
        (b'null', 'is not a JSON object'),
    ],
)
def test_damaged_content_is_one_line(data, fault):
    with pytest.raises(
        DataError, match=f"^'a.json' is damaged: it .*{fault}.*; remove it$"
    ) as raised:
        parse(data)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ({}, "is not a JSON object with 'count'"),
        ({'count': 1.5, 'parts': {}}, 'has count=1.5: must be a whole number'),
        ({'count': True, 'parts': {}}, 'has count=True: must be'),
        ({'count': -1, 'parts': {}}, 'has count=-1: must be a whole number'),
        ({'count': 1, 'parts': []}, 'has parts=[]: must be dict(...)'),
        ({'count': 1, 'parts': {'a': 1}}, 'has parts.a=1: must be dict'),
        (
            {'count': 1, 'parts': {'a': {'share': 2}}},
            'has parts.a.share=2: must be a number in [0, 1]',
        ),
        (
            {'count': 'x' * 10_000, 'parts': {}},
            f"has count='{'x' * 46} ... {'x' * 46}': must be a whole number",
        ),
    ],
)
def test_content_of_another_kind_names_the_place(content, fault):
    with pytest.raises(DataError) as raised:
        parse(json.dumps(content).encode(), kind=Content)
    assert f"'a.json' is damaged: it {fault}" in str(raised.value)


def test_unknown_and_absent_optional_keys_pass():
    content = {'count': 1, 'parts': {'a': {}}, 'more': [1]}
    assert parse(json.dumps(content).encode(), kind=Content) == content


def test_metrics_may_be_nan():
    assert str(parse(b'{"a": NaN}', allow_nan=True)) == "{'a': nan}"


def make(path, kind):
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'loop':
        path.symlink_to(path)
    elif kind == 'large':
        with path.open('wb') as file:
            file.truncate(2**40)  # sparse


@pytest.mark.parametrize(
    ('kind', 'fault'),
    [
        ('missing', 'No such file'),
        ('pipe', 'no plain file'),
        ('folder', 'Is a directory|no plain file'),
        ('loop', 'symbolic links'),
        ('large', '1099511627776 bytes are more than'),
    ],
)
def test_what_is_no_plain_file_is_refused(tmp_path, kind, fault):
    path = tmp_path / 'a.json'
    make(path, kind)
    with pytest.raises(DataError, match=f"a.json'.*{fault}.*; remove it$"):
        read_json(path, 'remove it')


def test_name_with_a_zero_byte_is_refused():
    with pytest.raises(DataError, match='null byte'):
        read_plain_file('a\0b', 'correct it')


@pytest.mark.parametrize('version', [0, 1, 2])
def test_known_formats_are_read(version):
    content = parse(b'{"format_version": %d}' % version, newest=2)
    assert content == {'format_version': version}


def test_a_file_that_tells_no_format_is_read():
    assert parse(b'{"a": 1}', newest=2) == {'a': 1}


def test_a_later_format_is_no_damage():
    """Its version is told before its content is judged."""
    data = b'{"format_version": 3, "mmuda_version": "9.1"}'
    with pytest.raises(DataError) as raised:
        parse(data, kind=Content, newest=2)
    text = str(raised.value)
    assert text.startswith("'a.json' has the format 3, written by mmuda 9.1")
    assert text.endswith('reads up to 2: install a later one, or remove it')


def test_numbers_that_json_does_not_have():
    found = without_nan(dict(a=math.nan, b=(1.5, math.inf), c=[dict(d='e')]))
    assert found == dict(a=None, b=[1.5, None], c=[dict(d='e')])
