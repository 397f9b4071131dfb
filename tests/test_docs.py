"""What the documentation names exists, and its examples work."""

import ast
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mmengine.optim import build_optim_wrapper
from PIL import Image
from tiny_models import batch, model_config, optim_config

from mmuda.datasets import label_maps
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.config import load_config
from mmuda.utils.config_keys import check_config_keys

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ('*.md', 'docs/*.md', 'configs/*/*.md')
    for path in ROOT.glob(pattern)
)
FOLDERS = 'configs|docs|mmuda|requirements|tests|tools'
PATH = re.compile(rf'(?<![\w/.])(?:{FOLDERS})/[\w./*-]*[\w*/]')
LINK = re.compile(r'\]\(([^)\s]+)\)')
BLOCK = re.compile(r'^( *)```(\w*)\n(.*?)^\1```$', re.M | re.S)


def text_of(page):
    return (ROOT / page).read_text()


def blocks(page, language):
    """Code blocks of a page without their indentation."""
    return [
        re.sub(f'^{indent}', '', code, flags=re.M)
        for indent, name, code in BLOCK.findall(text_of(page))
        if name == language
    ]


def examples():
    """Files that the pages tell a reader to write, by path."""
    files = {}
    for page in PAGES:
        for code in blocks(page, 'python'):
            name = re.match(r'# (\S+\.py)\n', code)
            assert name, f'{page}: a block without the path of its file'
            files[name[1]] = code
    return files


EXAMPLES = examples()
CONFIGS = sorted(name for name in EXAMPLES if name.startswith('configs/'))


def commands():
    """Command lines of all pages, as (page, words)."""
    for page in PAGES:
        for code in blocks(page, 'bash'):
            for line in code.splitlines():
                words = shlex.split(line, comments=True)
                if any(word.startswith('tools/') for word in words):
                    yield page, words


COMMANDS = list(commands())


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """The configs of the project and those that the pages write."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    for name in CONFIGS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(EXAMPLES[name])
    return folder


def run_example(name, module_name, folder):
    """Run an example as a module of its own."""
    (folder / f'{module_name}.py').write_text(EXAMPLES[name])
    sys.path.insert(0, str(folder))
    try:
        return __import__(module_name)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope='module')
def self_confident(tmp_path_factory):
    name = 'mmuda/models/uda/self_confident.py'
    folder = tmp_path_factory.mktemp('method')
    yield run_example(name, 'example_method', folder)
    MODELS.module_dict.pop('SelfConfident')


@pytest.fixture
def rainville(tmp_path, monkeypatch):
    for table in ('ID_NAMES', 'VALID_IDS'):
        monkeypatch.setattr(label_maps, table, dict(vars(label_maps)[table]))
    exec(EXAMPLES['mmuda/datasets/label_maps.py'], vars(label_maps))
    name = 'mmuda/datasets/rainville.py'
    yield run_example(name, 'example_dataset', tmp_path).RainvilleDataset
    DATASETS.module_dict.pop('RainvilleDataset')
    del sys.modules['example_dataset']


def test_pages_are_found():
    assert {'README.md', 'CONTRIBUTING.md', 'docs/faq.md'} <= set(PAGES)
    assert len(COMMANDS) > 10


@pytest.mark.parametrize('page', PAGES)
def test_paths_exist(page):
    missing = [
        name
        for name in PATH.findall(text_of(page))
        if name not in EXAMPLES
        and str(Path(name)) not in {str(Path(n).parent) for n in EXAMPLES}
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
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text())
        ):
            broken.append(link)
    assert broken == []


def anchors(text):
    """Anchors of the headings, as GitHub makes them."""
    titles = re.findall(r'^#+ (.+)$', text, re.M)
    return {
        re.sub(r'[^\w -]', '', title.lower()).replace(' ', '-')
        for title in titles
    }


def option_patterns(path):
    """Patterns of the options that a Python file defines."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        if isinstance(node, ast.JoinedStr):
            yield ''.join(
                re.escape(part.value)
                if isinstance(part, ast.Constant)
                else r'\w+'
                for part in node.values
            )


def known_options(tool):
    """Options of a tool, or of the one that a shell script starts."""
    if tool.endswith('.sh'):
        name = 'train' if 'train' in tool else 'test'
        tool = f'tools/{name}.py'
    patterns = {*option_patterns(tool), *option_patterns('mmuda/utils/cli.py')}
    return re.compile('|'.join(p for p in patterns if p.startswith(r'\-\-')))


@pytest.mark.parametrize(('page', 'words'), COMMANDS)
def test_options_exist(page, words):
    tool = next(word for word in words if word.startswith('tools/'))
    known = known_options(tool)
    options = [word for word in words if word.startswith('--')]
    assert [o for o in options if not known.fullmatch(o)] == []


def test_options_in_running_text_exist():
    named = {
        option
        for page in PAGES
        for code in re.findall(r'`([^`\n]+)`', text_of(page))
        for option in re.findall(r'(?<!\w)--[a-z][\w-]*', code)
    }
    tools = [str(p.relative_to(ROOT)) for p in ROOT.glob('tools/**/*.py')]
    known = [known_options(tool) for tool in tools]
    others = {'--check'}  # of ruff
    assert {
        o for o in named - others if not any(k.fullmatch(o) for k in known)
    } == set()


def test_values_of_cfg_options_fit_the_configs():
    for code in re.findall(r'--cfg-options ([^`]+)`', text_of('README.md')):
        options = dict(pair.split('=') for pair in code.split())
        cfg = load_config(ROOT / 'configs/advent/gta2cs.py', options)
        check_config_keys(cfg)


def test_make_targets_exist():
    makefile = text_of('Makefile')
    named = {
        name
        for page in PAGES
        for name in re.findall(r'(?:^|`)make (\w+)', text_of(page), re.M)
    }
    assert named
    assert {n for n in named if f'\n{n}:' not in makefile} == set()


@pytest.mark.parametrize('name', CONFIGS)
def test_example_config_loads(name, checkout, self_confident, rainville):
    check_config_keys(load_config(checkout / name))


def test_configs_of_metafile_exist():
    for path in ROOT.glob('configs/*/metafile.yml'):
        models = yaml.safe_load(path.read_text())['Models']
        assert all((ROOT / model['Config']).is_file() for model in models)


def test_every_leaf_is_in_readme_and_metafile():
    folder = ROOT / 'configs/advent'
    models = yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    listed = {Path(model['Config']).name for model in models}
    leaves = {path.name for path in folder.glob('*.py')}
    linked = set(
        re.findall(
            r'\]\((\w[\w-]*\.py)\)', text_of('configs/advent/README.md')
        )
    )
    assert linked == leaves
    assert listed == leaves - {'advent_gta2cs.py'}


def test_published_numbers_of_configs_are_in_readme():
    rows = text_of('configs/advent/README.md').splitlines()
    for path in (ROOT / 'configs/advent').glob('*.py'):
        comment = path.read_text().replace('\n# ', ' ')
        published = re.search(r'Published: ([\d.]+) mIoU', comment)
        if published:
            row = next(row for row in rows if f']({path.name})' in row)
            assert published[1] in row


def test_example_method_is_short():
    code = EXAMPLES['mmuda/models/uda/self_confident.py']
    assert len(code.splitlines()) < 100


def test_example_method_trains(self_confident):
    model = MODELS.build(
        model_config('SelfConfident', confidence_weights=dict(decode=0.1))
    )
    wrappers = build_optim_wrapper(model, optim_config('SelfConfident'))
    weight = model.segmentor.decode_head.conv_seg.weight
    before = weight.clone()
    logs = model.train_step(batch(), wrappers)
    assert -0.05 <= logs['target.decode.loss_confidence'] <= -0.01
    assert not weight.equal(before)


def test_example_dataset_reads_its_layout(rainville, tmp_path):
    town = 'train/wet'
    for folder in ('images', 'labels'):
        (tmp_path / folder / town).mkdir(parents=True)
    image = Image.new('RGB', (4, 2))
    image.save(tmp_path / 'images' / town / 'a.jpg')
    ids = np.array([[1, 2, 5, 9], [0, 11, 1, 1]], np.uint8)
    Image.fromarray(ids).save(tmp_path / 'labels' / town / 'a_ids.png')
    dataset = rainville(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels'),
            dict(type='PackDomainInputs'),
        ],
    )
    label = dataset[0]['data_samples'].gt_sem_seg.data[0]
    assert label.tolist() == [[0, 1, 10, 13], [255, 255, 0, 0]]
