"""Pages of the methods: pictures, options with their values, and numbers."""

import ast
import inspect
import re

import numpy as np
import pytest
import yaml
from doc_pages import PAGES as ALL_PAGES
from doc_pages import ROOT, text_of
from PIL import Image
from tools_in_process import load_tool, run_loaded

import mmuda.hooks  # noqa: F401  (registers them)
from mmuda.models.term import Term
from mmuda.models.uda import BaseUDA
from mmuda.models.uda.dacs import _TEACHER
from mmuda.registry import DATASETS, HOOKS, MODELS, PSEUDO_LABEL_RULES
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError

TOOL = load_tool('misc/draw_methods.py')
DRAWINGS = TOOL['read_descriptions']()
VIEWS = load_tool('misc/draw_views.py')
PAGES = {
    path.stem: path.read_text()
    for path in sorted((ROOT / 'docs/methods').glob('*.md'))
    if path.stem != 'index'
}
# A config, and the rows of the table of its options.
OPTIONS = re.compile(
    r'^Values of \[[^\]]+\]\(\.\./\.\./([^)]+)\).*\n\n((?:\|.*\n)+)', re.M
)
OPTION = re.compile(r'^\|[^|]*\| `([\w.]+)` \| `([^`]+)` \|', re.M)
NUMBERS = re.compile(
    r'^\| \[[\w.-]+\]\(\.\./\.\./(configs/[^)]+)\) \|[^|]+\| ([\d./ ]+) \|$',
    re.M,
)
LARGEST = 40_000  # bytes of a picture


def tables():
    """Path of a config and its options with values, from all pages."""
    for page, text in PAGES.items():
        for config, table in OPTIONS.findall(text):
            yield pytest.param(config, OPTION.findall(table), id=page)


def value_of(config, key):
    """Value that a config has, or the default of what it names."""
    node = config
    for part in key.split('.'):
        if node is True:  # a teacher as published
            node = dict(type='MeanTeacherHook', **_TEACHER)
        if isinstance(node, list):
            node = node[int(part)]
        elif part in node:
            node = node[part]
        else:
            node = default_of(node['type'], part)
    return node


def default_of(kind, name):
    """Default of a parameter of a registered class, or of its bases."""
    registries = MODELS, HOOKS, DATASETS, PSEUDO_LABEL_RULES
    found = next(c for r in registries if (c := r.get(kind)) is not None)
    for base in found.__mro__:
        parameters = inspect.signature(base.__init__).parameters
        if name in parameters:
            return parameters[name].default
    raise AssertionError(f'{kind} has no {name}')


def published():
    """Numbers of all configs, as ``configs/published.yml`` has them."""
    text = (ROOT / 'configs/published.yml').read_text()
    for folder, part in yaml.safe_load(text)['folders'].items():
        for model in part['models']:
            for key in ('config', 'also'):
                if key in model:
                    path = f'configs/{folder}/{model[key]}'
                    yield path, model.get('published', {})


def test_each_method_and_term_has_a_page():
    named = ' '.join(PAGES.values())
    kinds = [
        name
        for name, kind in MODELS.module_dict.items()
        if issubclass(kind, BaseUDA | Term)
        and kind.__module__.startswith('mmuda.models.')
    ]
    assert len(kinds) > 15
    assert [name for name in kinds if f'`{name}`' not in named] == []


def test_each_page_has_a_picture():
    shown = {
        name: re.findall(
            r'!\[[^\]]+\]\(\.\./pictures/methods/(\w+)\.png', text
        )
        for name, text in PAGES.items()
    }
    assert shown == {name: [name] for name in DRAWINGS}


def test_the_index_leads_to_each_page():
    index = (ROOT / 'docs/methods/index.md').read_text()
    assert {*re.findall(r'\]\((\w+)\.md\)', index)} == {*PAGES}


@pytest.mark.parametrize('name', DRAWINGS)
def test_picture_is_that_of_its_description(name):
    path = ROOT / 'docs/pictures/methods' / f'{name}.png'
    assert path.stat().st_size < LARGEST
    with Image.open(path) as picture:
        source = picture.text['Source']
    wanted = TOOL['checksum'](DRAWINGS[name])
    assert source == wanted, f'run tools/misc/draw_methods.py {name}'


def test_nothing_overlaps_in_the_drawings():
    faults = {
        name: TOOL['find_faults'](TOOL['lay_out'](description))
        for name, description in DRAWINGS.items()
    }
    assert faults == {name: [] for name in DRAWINGS}


@pytest.mark.parametrize(
    ('boxes', 'arrows', 'fault'),
    [
        ({'b': 'data 0.1 0 b'}, [], 'a and b overlap'),
        (
            {'b': 'data 1 0 b', 'c': 'data 2 0 c'},
            ['a -> c'],
            'a to c runs across b',
        ),
        ({'b': 'loss 0.25 0 b'}, ['a -> b'], 'a to b is too short'),
    ],
)
def test_faults_of_a_drawing_are_seen(boxes, arrows, fault):
    boxes = {'a': 'source 0 0 a', **boxes}
    drawing = TOOL['lay_out'](dict(boxes=boxes, arrows=arrows))
    assert fault in TOOL['find_faults'](drawing)


def test_bent_arrow_goes_around():
    boxes = {
        'a': 'source 0 0 a',
        'b': 'data 1 1 b',
        'c': 'data 1 0 $p$ / two lines',
    }
    arrows = ['a |.> b -> c']
    drawing = TOOL['lay_out'](dict(boxes=boxes, arrows=arrows))
    first, second = drawing.arrows
    a, b = drawing.boxes['a'], drawing.boxes['b']
    assert first.points[1] == (a.center[0], b.center[1])
    assert first.points[0][1] == pytest.approx(a.edges()[3] + 0.02)
    assert first.points[2][0] == pytest.approx(b.edges()[0] - 0.03)
    assert [first.has_gradient, second.has_gradient] == [False, True]
    assert TOOL['find_faults'](drawing) == []


@pytest.mark.parametrize(
    ('description', 'told'),
    [
        (dict(boxes={'a': 'thing 0 0 a'}, arrows=[]), "box a: 'thing 0 0 a'"),
        (dict(boxes={'a': 'data 0 0 a'}, arrows=['a -> b']), "no box 'b'"),
    ],
)
def test_faulty_description_is_refused(description, told):
    with pytest.raises(ConfigError, match=told):
        TOOL['lay_out'](description)


def test_tool_draws_what_is_asked_for(tmp_path, monkeypatch, capsys):
    text = 'one:\n  boxes: {a: source 0 0 a}\n  arrows: []\n'
    (tmp_path / 'drawings.yml').write_text(text)
    words = ['one', '--folder', tmp_path]
    assert run_loaded(TOOL, words, monkeypatch, capsys) == (0, '')
    with Image.open(tmp_path / 'one.png') as picture:
        assert picture.text['Source'] == TOOL['checksum'](
            yaml.safe_load(text)['one']
        )
        # The colour of a source, left of its text.
        color = picture.convert('RGB').getpixel((26, 28))
        assert color == pytest.approx((214, 230, 247), abs=4)
    code, told = run_loaded(TOOL, ['two', *words[1:]], monkeypatch, capsys)
    assert code == 2
    assert 'has no two' in told


def test_views_are_on_the_pages(tmp_path, monkeypatch, capsys):
    shown = re.findall(r'methods/(\w+)\.jpg', ' '.join(PAGES.values()))
    assert {*shown} == {*VIEWS['VIEWS']}
    words = ['--folder', tmp_path]
    assert run_loaded(VIEWS, words, monkeypatch, capsys) == (0, '')
    for name in VIEWS['VIEWS']:
        kept = ROOT / 'docs/pictures/methods' / f'{name}.jpg'
        assert kept.stat().st_size < LARGEST
        sizes = [
            Image.open(path).size for path in (kept, tmp_path / kept.name)
        ]
        assert sizes[0] == sizes[1]


def test_masked_view_hides_whole_blocks():
    whole, masked, _ = VIEWS['tiles_of']('mic_view').values()
    shown = (masked == whole).all(axis=2).reshape(7, 16, 14, 16)
    shares = shown.mean(axis=(1, 3))
    assert {*shares.round(2).flatten().tolist()} <= {0.0, 1.0}
    assert 0.5 < 1 - shares.mean() < 0.9


def test_detail_of_the_view_is_a_part_of_the_image():
    image, scales = VIEWS['tiles_of']('hrda_view').values()
    inner = scales[113:-1, 1:-1]  # without the frame
    rows = np.lib.stride_tricks.sliding_window_view(image[..., 0], 222, axis=1)
    starts = np.argwhere((rows == inner[0, :, 0]).all(axis=2))
    found = [image[y : y + 110, x : x + 222] for y, x in starts]
    assert sum(np.array_equal(part, inner) for part in found) == 1


@pytest.mark.parametrize(('config', 'options'), [*tables()])
def test_options_have_the_values_of_the_page(config, options):
    loaded = load_config(ROOT / config).to_dict()
    assert options
    stated = {key: ast.literal_eval(value) for key, value in options}
    assert {key: value_of(loaded, key) for key in stated} == stated


def test_all_rows_of_options_are_read():
    rows = sum(len(param.values[1]) for param in tables())
    lines = re.findall(r'^\|[^|]*\| `', '\n'.join(PAGES.values()), re.M)
    assert rows == len(lines) > 100


def test_numbers_are_the_published_ones():
    known = dict(published())
    count = 0
    for text in PAGES.values():
        for config, numbers in NUMBERS.findall(text):
            stated = [float(number) for number in numbers.split('/')]
            assert stated == [round(v, 1) for v in known[config].values()]
            count += 1
        section = text.partition('## Numbers')[2].partition('\n## ')[0]
        assert len(NUMBERS.findall(section)) == section.count('| [')
    assert count > 25


@pytest.mark.parametrize('page', ALL_PAGES)
def test_formulas_are_readable_on_github(page):
    text = re.sub(r'```.*?```|`[^`]*`', '', text_of(page), flags=re.S)
    assert text.count('$') % 2 == 0
    # Markdown takes the backslash of these away before mathematics is read.
    for formula in re.findall(r'\$+[^$]+\$+', text):
        assert re.findall(r'\\[^A-Za-z\s]', formula) == []
    for line in text.splitlines():
        if '$$' in line:
            assert re.fullmatch(r'\$\$ [^$]+ \$\$', line)
