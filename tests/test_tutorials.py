"""The notebooks of docs/tutorials are what their sources say, and run."""

import ast
import base64
import importlib.util
import io
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from doc_pages import ROOT
from PIL import Image
from test_docs import anchors
from tools_in_process import load_tool

from mmuda.utils.config import load_config
from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.tool_commands import COMMANDS

TOOL = load_tool('misc/run_tutorials.py')
FOLDER = ROOT / 'docs/tutorials'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
TEXT_OF_A_MACHINE = re.compile(
    r'(?<![\w.~-])/(?:tmp|home|root|work|usr|opt|var|mnt)/'
    r'|Traceback|\w*Warning\b|\x1b|\r|^[^┏┡┗\n]*━{8}',
    re.M,
)
NEEDED = pytest.mark.skipif(
    None in map(importlib.util.find_spec, ('nbclient', 'ipykernel')),
    reason='what runs notebooks is not installed',
)


def cells(name):
    return TOOL['cells_of']((FOLDER / f'{name}.py').read_text())


def read(name, folder=FOLDER):
    return json.loads((folder / f'{name}.ipynb').read_text())


def commands(name):
    """Words of each command of mmuda, without pipes and redirections."""
    for cell in cells(name):
        if cell.kind != 'bash':
            continue
        for line in cell.text.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            ends = [n for n, w in enumerate(words) if w in ('|', '||')]
            words = words[: min(ends, default=len(words))]
            if words[:1] == ['mmuda']:
                yield [
                    word
                    for number, word in enumerate(words)
                    if not re.match(r'\d?>', word)
                    and not re.fullmatch(r'\d?>', words[number - 1])
                ]


def written_configs(name):
    """Configs that the cells write, by the name of the file."""
    found = {}
    for cell in cells(name):
        if cell.kind == 'code' and cell.text.startswith(('CONFIG', 'from')):
            text = re.search(r'^CONFIG = (""".*?""")$', cell.text, re.M | re.S)
            file = re.search(r"Path\('(\w+\.py)'\)\.write_text", cell.text)
            if text and file:
                found[file[1]] = ast.literal_eval(text[1])
    return found


def texts(notebook):
    """All that cells have printed or returned."""
    for cell in notebook['cells']:
        for output in cell.get('outputs', ()):
            yield ''.join(output.get('text', ''))
            for kind, value in output.get('data', {}).items():
                if kind.startswith('text/'):
                    yield ''.join(value)


def pictures(notebook):
    for cell in notebook['cells']:
        for output in cell.get('outputs', ()):
            for kind, value in output.get('data', {}).items():
                if kind.startswith('image/'):
                    yield base64.b64decode(''.join(value))


def check_outputs(notebook):
    """What a reader shall and shall not find in a notebook."""
    code = [c for c in notebook['cells'] if c['cell_type'] == 'code']
    counts = [cell['execution_count'] for cell in code]
    assert counts == [*range(1, len(code) + 1)]
    commands = [c for c in code if ''.join(c['source']).startswith('%%bash')]
    assert [c['id'] for c in commands if not c['outputs']] == []
    kinds = {o['output_type'] for cell in code for o in cell['outputs']}
    assert 'error' not in kinds
    streams = {
        output['name']
        for cell in code
        for output in cell['outputs']
        if output['output_type'] == 'stream'
    }
    assert streams == {'stdout'}
    found = [TEXT_OF_A_MACHINE.findall(text) for text in texts(notebook)]
    assert [text for text in found if text] == []
    sizes = [len(picture) for picture in pictures(notebook)]
    assert max(sizes, default=0) <= TOOL['MOST_PICTURE_BYTES']


def test_tutorials_are_found():
    assert NAMES == [
        'first_adaptation',
        'own_simulator_to_own_camera',
        'which_checkpoint_without_labels',
    ]


def test_notebooks_are_in_step_with_their_sources():
    assert [*TOOL['out_of_step'](TOOL['sources_of']([]))] == []


@pytest.mark.parametrize('name', NAMES)
def test_notebook_has_outputs_for_a_reader(name):
    check_outputs(read(name))
    size = (FOLDER / f'{name}.ipynb').stat().st_size
    assert size <= TOOL['MOST_NOTEBOOK_BYTES']


def test_before_and_after_are_drawn():
    assert len([*pictures(read('first_adaptation'))]) == 3


@pytest.mark.parametrize('name', NAMES)
def test_commands_are_understood_by_their_tools(name, monkeypatch):
    found, written = [*commands(name)], written_configs(name)
    assert len(found) >= 4
    for _, command, *words in found:
        tool = load_tool(COMMANDS[command].tool)
        monkeypatch.setattr(sys, 'argv', [f'mmuda {command}', *words])
        args = tool['parse_args']()
        config = getattr(args, 'config', None)
        if config is not None and str(config) not in written:
            load_config(config, getattr(args, 'cfg_options', None))


def explained(name):
    """Words of "What to look at", with what stands above in the notebook."""
    notebook, printed = read(name), []
    for cell in notebook['cells']:
        printed += texts(dict(cells=[cell]))
        if cell['cell_type'] == 'markdown':
            _, _, text = ''.join(cell['source']).partition('hat to look at:')
            for word in re.findall(r'`([^`]+)`', text):
                yield word, '\n'.join(printed)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('first_adaptation', {'loss.segmentor', 'acc_seg', 'aAcc'}),
        ('which_checkpoint_without_labels', {'source_mIoU', 'certainty'}),
    ],
)
def test_what_to_look_at_is_printed(name, words):
    found = [*explained(name)]
    assert words <= {word for word, _ in found}
    assert [word for word, printed in found if word not in printed] == []


def test_titles_tell_the_iou_of_a_picture(tmp_path):
    cell = next(
        cell.text
        for cell in cells('first_adaptation')
        if 'def image_mean_iou' in cell.text
    )
    body = [
        part
        for part in ast.parse(cell).body
        if isinstance(part, ast.FunctionDef)
        or (isinstance(part, ast.Assign) and part.targets[0].id == 'IDS')
    ]
    names = dict(np=np, Image=Image)
    exec(compile(ast.Module(body, []), 'cell', 'exec'), names)
    image = tmp_path / 'leftImg8bit/val/a_leftImg8bit.png'
    label = tmp_path / 'gtFine/val/a_gtFine_labelIds.png'
    label.parent.mkdir(parents=True)
    ids = np.array([[7, 8], [7, 0]], np.uint8)  # road, sidewalk, no class
    Image.fromarray(ids).save(label)
    score = names['image_mean_iou']
    assert score(np.array([[0, 1], [0, 9]]), image) == 100
    assert score(np.array([[0, 1], [1, 0]]), image) == 50


def test_each_notebook_gets_a_folder_of_its_own(tmp_path):
    text = (FOLDER / 'README.md').read_text()
    loop = re.search(r'^for .*?^done$', text, re.M | re.S)[0]
    copied = tmp_path / 'docs/tutorials'
    copied.mkdir(parents=True)
    for name in NAMES:
        (copied / f'{name}.ipynb').write_text(name)
    subprocess.run(['bash', '-ec', loop], cwd=tmp_path, check=True)
    made = [*(tmp_path / 'work_dirs').rglob('*.ipynb')]
    assert sorted(path.stem for path in made) == NAMES
    assert len({path.parent for path in made}) == len(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_code_compiles(name):
    for cell in cells(name):
        if cell.kind == 'code':
            compile(cell.text, name, 'exec')


@pytest.mark.parametrize('name', NAMES)
def test_configs_that_are_written_are_valid(name, tmp_path):
    for file, text in written_configs(name).items():
        (tmp_path / file).write_text(text)
        check_config_keys(load_config(tmp_path / file))


def test_written_configs_are_found():
    found = [file for name in NAMES for file in written_configs(name)]
    assert found == ['sim2camera.py', 'my_minent.py']


@pytest.mark.parametrize('name', NAMES)
def test_links_resolve(name):
    text = '\n'.join(c.text for c in cells(name) if c.kind == 'markdown')
    links = re.findall(r'\]\(([^)]+)\)', text)
    assert links
    for link in links:
        file, _, anchor = link.partition('#')
        assert (FOLDER / file).exists(), link
        assert not anchor or anchor in anchors(FOLDER / file), link


def test_cells_are_taken_apart():
    source = (
        '# for readers of the file\n# %% [markdown]\n# # Title\n#\n# text\n'
        '\n# %%\nprint(1)\n\n# %% language="bash"\n# mmuda train \\\n#     x\n'
    )
    assert TOOL['cells_of'](source) == [
        ('markdown', '# Title\n\ntext'),
        ('code', 'print(1)'),
        ('bash', 'mmuda train \\\n    x'),
    ]


@pytest.mark.parametrize(
    ('source', 'message'),
    [('# %% [raw]\n# a\n', 'not known'), ('# %% [markdown]\na\n', "'a'")],
)
def test_other_cells_are_refused(source, message):
    with pytest.raises(DataError, match=message):
        TOOL['cells_of'](source)


def test_text_is_that_of_a_page():
    text = '\x1b[31mred\x1b[0m  \nab 1/2\rab 2/2\n/srv/x/out and /srv/x\n'
    places = {'/srv/x/': '', '/srv/x': '.'}
    assert TOOL['clean_text'](text, places) == 'red\nab 2/2\nout and .\n'


def test_what_is_left_of_a_place_is_left_out():
    places = {'/srv/abcdef': '.'}
    text = 'a /srv/abc\n/srv/\n/srv\n'
    assert TOOL['clean_text'](text, places) == 'a …\n…\n/srv\n'


def test_bars_of_progress_are_left_out():
    bar = f'{"━" * 40} 3/3 0:00:00\n'
    text = f'some before\nlabels {bar}labels\n{bar}after'
    assert TOOL['clean_text'](text, {}) == 'some before\nafter'


def test_tables_stay():
    table = f'┏{"━" * 9}┓\n┃ classes ┃\n┡{"━" * 9}┩\n'
    assert TOOL['clean_text'](table, {}) == table


def test_streams_are_joined():
    outputs = [
        dict(output_type='stream', name='stdout', text=text)
        for text in ('a', 'b\n')
    ]
    assert [o['text'] for o in TOOL['clean_outputs'](outputs, {})] == ['ab\n']


def test_outputs_without_text_are_left_out():
    outputs = [dict(output_type='stream', name='stderr', text='━' * 9 + '\n')]
    assert TOOL['clean_outputs'](outputs, {}) == []


def ran(*cells):
    """A notebook whose code cells have printed their number."""
    notebook = TOOL['notebook_of'](cells)
    code = [c for c in notebook['cells'] if c['cell_type'] == 'code']
    for number, cell in enumerate(code):
        cell |= dict(execution_count=number + 1, outputs=[str(number)])
    return notebook


def test_new_words_keep_the_outputs():
    code, word = TOOL['Cell']('code', 'print(0)'), TOOL['Cell']
    old = ran(word('markdown', 'old'), code)
    new = [word('markdown', 'new'), word('markdown', 'more'), code]
    made = TOOL['with_new_text'](old, new)
    assert TOOL['source_of'](made) == [
        ('markdown', 'new'),
        ('markdown', 'more'),
        ('code', 'print(0)'),
    ]
    assert made['cells'][2]['outputs'] == ['0']
    assert made['cells'][2]['execution_count'] == 1


def test_new_code_has_to_run():
    old = ran(TOOL['Cell']('code', 'print(0)'))
    new = [TOOL['Cell']('code', 'print(1)')]
    assert TOOL['with_new_text'](old, new) is None


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, 'PNG')
    return out.getvalue()


def test_small_pictures_stay():
    content = png(np.zeros((20, 30, 3), np.uint8))
    assert TOOL['small_picture'](content) == ('image/png', content)


def test_large_pictures_become_jpegs():
    pixels = np.random.default_rng(0).integers(90, 110, (200, 300, 3))
    kind, content = TOOL['small_picture'](png(pixels.astype(np.uint8)))
    assert kind == 'image/jpeg'
    assert len(content) <= 60_000
    shown = Image.open(io.BytesIO(content))
    assert shown.size == (300, 200)
    assert abs(np.asarray(shown).mean() - pixels.mean()) < 1


def test_pictures_that_stay_too_large_are_refused():
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1200, 3))
    with pytest.raises(DataError, match='1200x900'):
        TOOL['small_picture'](png(pixels.astype(np.uint8)))


def test_unknown_tutorial_is_refused():
    with pytest.raises(ConfigError, match='first_adaptation'):
        TOOL['sources_of'](['second_adaptation'])


@NEEDED
@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_tutorial_runs(name, tmp_path, monkeypatch):
    words = ['run_tutorials.py', name, '--out', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', words)
    assert TOOL['main'](TOOL['parse_args']()) == 0
    made = read(name, tmp_path)
    assert TOOL['source_of'](made) == TOOL['source_of'](read(name))
    check_outputs(made)
