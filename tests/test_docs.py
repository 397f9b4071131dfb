"""What the documentation names exists."""

import argparse
import ast
import os
import re
import shlex
from pathlib import Path

import pytest
import yaml
from doc_pages import PAGES, ROOT, blocks, examples, text_of

from mmuda.utils.cli import add_config_options
from mmuda.utils.config import load_config
from mmuda.utils.tool_commands import COMMANDS

FOLDERS = 'configs|docs|mmuda|requirements|tests|tools'
PATH = re.compile(rf'(?<![\w/.])(?:{FOLDERS})/[\w./*-]*[\w*/]')
LINK = re.compile(r'\]\(([^)\s]+)\)')
TABLE = re.compile(r'^<!-- [\w-]*-table -->\n(?!\n*\|)', re.M)
ADVENT = ROOT / 'configs/advent'
METHODS = 'docs/methods/index.md'


def commands():
    """Command lines of the pages that run a tool, word by word."""
    lines = (
        shlex.split(line, comments=True)
        for page in PAGES
        for code in blocks(page, 'bash')
        for line in code.splitlines()
    )
    return [words for words in lines if tool_of(words) is not None]


def tool_of(words):
    """The tool that a command line runs; None for other programs."""
    if words[:1] == ['mmuda'] and words[1] in COMMANDS:
        return f'tools/{COMMANDS[words[1]].tool}'
    return next((w for w in words if w.startswith('tools/')), None)


def option_patterns(path):
    """Patterns of the options that a Python file defines."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield ''.join(
                re.escape(part.value)
                if isinstance(part, ast.Constant)
                else r'\w+'
                for part in node.values
            )


def known_options(tool):
    """Pattern of the options of a tool, or of what a shell script starts."""
    if tool.endswith('.sh'):
        name = Path(tool).stem.removeprefix('dist_').removeprefix('slurm_')
        tool = f'tools/{name}.py'
    shared = 'mmuda/utils/cli.py', 'mmuda/utils/mixed_precision.py'
    files = [tool, *shared]
    if tool.endswith(('/test.py', '/predict.py')):
        files.append('mmuda/utils/tta.py')
    if 'model_converters' in tool:
        files.append('mmuda/convert/command_line.py')
    if tool.endswith(('/cotrain.py', '/self_train.py')):
        files.append('mmuda/procedures/procedure_command.py')
    if tool.endswith(
        ('checkpoint.py', '/harm_report.py', '/label_free_experiment.py')
    ):
        files.append('mmuda/model_selection/sampling_options.py')
    patterns = {p for file in files for p in option_patterns(file)}
    return re.compile('|'.join(p for p in patterns if p.startswith(r'\-\-')))


def anchors(page):
    """Anchors of the headings, as GitHub makes them."""
    titles = re.findall(r'^#+ (.+)$', page.read_text(), re.M)
    return {
        re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-')
        for title in titles
    }


def test_pages_are_found():
    assert {'README.md', 'CONTRIBUTING.md', 'docs/faq.md'} <= set(PAGES)


def test_the_first_page_is_short():
    lines = text_of('README.md').splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 200


def test_every_page_is_reached_from_the_first():
    reached, left = set(), ['README.md']
    while left:
        page = left.pop()
        reached.add(page)
        for link in LINK.findall(text_of(page)):
            file = link.partition('#')[0]
            linked = os.path.normpath(Path(page).parent / file)
            left += {linked} & (set(PAGES) - reached)
    assert sorted(set(PAGES) - reached) == []


def test_commands_are_found():
    assert len(commands()) > 10


@pytest.mark.parametrize('page', PAGES)
def test_paths_exist(page):
    written = examples()
    folders = {f'{Path(name).parent}' for name in written}
    missing = [
        name
        for name in PATH.findall(text_of(page))
        if name not in {*written, *folders}
        and not list(ROOT.glob(name.rstrip('/')))
    ]
    assert missing == []


@pytest.mark.parametrize('page', PAGES)
def test_links_resolve(page):
    broken = []
    for link in LINK.findall(text_of(page)):
        if link.startswith('http'):
            continue
        file, _, anchor = link.partition('#')
        target = (ROOT / page).parent / file if file else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize('page', PAGES)
def test_tables_are_filled(page):
    assert TABLE.findall(text_of(page) + '\n') == []


@pytest.mark.parametrize(
    ('rest', 'found'),
    [('\n\n## Next\n', 1), ('\n\n| a |\n', 0), ('\n| a |\n', 0), ('\n', 1)],
)
def test_empty_table_is_seen(rest, found):
    assert len(TABLE.findall(f'<!-- demo-table -->{rest}')) == found


@pytest.mark.parametrize('words', commands(), ids=' '.join)
def test_options_of_commands_exist(words):
    known = known_options(tool_of(words))
    options = [word for word in words if word.startswith('--')]
    assert [o for o in options if not known.fullmatch(o)] == []


def test_options_in_running_text_exist():
    named = {
        option
        for page in PAGES
        for code in re.findall(r'`([^`\n]+)`', text_of(page))
        for option in re.findall(r'(?<!\w)--[a-z][\w-]*', code)
    }
    tools = [path.relative_to(ROOT) for path in ROOT.glob('tools/**/*.py')]
    known = [known_options(str(tool)) for tool in tools]
    known += map(re.compile, option_patterns('mmuda_cli.py'))
    assert named
    assert {
        o for o in named if not any(k.fullmatch(o) for k in known)
    } == set()


@pytest.mark.parametrize('page', PAGES)
def test_values_of_cfg_options_fit(page):
    for code in re.findall(r'--cfg-options ([^`\n]+)`', text_of(page)):
        parser = argparse.ArgumentParser()
        add_config_options(parser)
        args = parser.parse_args(['--cfg-options', *code.split()])
        load_config(ADVENT / 'gta2cs.py', args.cfg_options)


def test_make_targets_exist():
    named = {
        name
        for page in PAGES
        for name in re.findall(r'(?:^|`)make ([\w-]+)', text_of(page), re.M)
    }
    assert named
    makefile = text_of('Makefile')
    assert [name for name in named if f'\n{name}:' not in makefile] == []


def test_methods_stand_in_the_order_of_their_published_numbers():
    folders = yaml.safe_load(text_of('configs/published.yml'))['folders']
    published = {
        f'{folder}/{model["config"]}': model['published']['cityscapes/mIoU']
        for folder, part in folders.items()
        for model in part['models']
        if 'cityscapes/mIoU' in model.get('published', ())
        if 'config' in model
    }
    table = text_of(METHODS).partition('## Several targets')[0]
    rows = re.findall(r'^\| (.+) \|$', table, re.M)[1:]
    order = []
    for row in rows:
        numbers = re.findall(r'\d+\.\d', row.split(' | ')[1])
        links = re.findall(r'/configs/([\w/.-]+\.py)\)', row)
        # a row that names several models ends with the best
        for number, link in zip(numbers[::-1], links[::-1], strict=False):
            assert float(number) == round(published[link], 1)
        order += [float(number) for number in numbers]
    assert len(order) == 12
    assert order == sorted(order)


def test_leaf_configs_of_all_folders_are_named():
    line = re.search(r'^All leaf configs.*$', text_of(METHODS), re.M)[0]
    pages = [path.parent.name for path in ROOT.glob('configs/*/README.md')]
    assert [name for name in pages if f'configs/{name}/' not in line] == []
