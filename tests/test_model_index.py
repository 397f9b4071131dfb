"""One file of published numbers makes the metafiles and the tables."""

import demo_data
import pytest
import yaml
from tools_in_process import load_tool, run_loaded

from mmuda.utils.errors import ConfigError
from model_index import (
    HEADLINES,
    find_faults,
    metafile,
    read_entries,
    read_published,
)
from model_index.entries import NUMBERS
from model_index.tables import LEGEND, table

ROOT = demo_data.ROOT
LEAF = 'weather/night.py'
LEAVES = {
    'night.py': '# Published: 43.8 mIoU.\n_base_ = "../advent/gta2cs.py"\n',
    'rain.py': '_base_ = "../advent/advent_synthia2cs.py"\n',
}
FILE = """\
names:
- {type: GTA5Dataset, name: GTA5}
- {type: SYNTHIADataset, name: SYNTHIA}
- {type: CityscapesLabelIdsDataset, name: Cityscapes}
- {type: DLV2Head, name: DeepLab-V2}
- {type: DeepLabResNet, depth: 50, name: ResNet-50}
- {type: DeepLabResNet, depth: 101, name: ResNet-101}
folders:
  weather:
    collections:
    - {name: Weather, title: On weather, techniques: [Waiting]}
    models:
    - config: night.py
      published: {cityscapes/mIoU: 43.8}
      certainty: confirmed
      source: table 1
    - config: rain.py
      published: {cityscapes/mIoU: 40.0, cityscapes/mIoU13: 47.65}
      range: [39, 41]
      certainty: {cityscapes/mIoU: recalled, cityscapes/mIoU13: confirmed}
      source: table 2
      note: wet
    - configs: [night.py, rain.py]
      headline: true
"""
METAFILE = """\
Collections:
- Name: Weather
  License: Apache License 2.0
  Metadata:
    Training Data: [GTA5, Cityscapes, SYNTHIA]
    Training Techniques: [Waiting]
  Paper:
    Title: On weather
  README: configs/weather/README.md
Models:
- Name: night
  In Collection: Weather
  Config: configs/weather/night.py
  Metadata:
    Training Data: [GTA5, Cityscapes]
    Architecture: [DeepLab-V2, ResNet-101]
    Published Results:
    - Task: Semantic Segmentation
      Dataset: Cityscapes
      Metrics:
        mIoU: 43.8
      Source: table 1
      Certainty: confirmed
- Name: rain
  In Collection: Weather
  Config: configs/weather/rain.py
  Metadata:
    Training Data: [SYNTHIA, Cityscapes]
    Architecture: [DeepLab-V2, ResNet-101]
    Published Results:
    - Task: Semantic Segmentation
      Dataset: Cityscapes
      Metrics:
        mIoU: 40.0
      Source: table 2
      Certainty: recalled
    - Task: Semantic Segmentation
      Dataset: Cityscapes
      Metrics:
        mIoU13: 47.65
      Source: table 2
      Certainty: confirmed
"""
TABLE = """\
| [night.py](night.py) | GTA5 → Cityscapes | DeepLab-V2, ResNet-101 \
| 43.8 | confirmed (table 1) |
| [rain.py](rain.py) | SYNTHIA → Cityscapes, 16 classes \
| DeepLab-V2, ResNet-101 | 40.00 / 47.65 (39.00 to 41.00 over runs) \
| recalled / confirmed (table 2); wet |
| `night.py` + `rain.py`, ensemble | GTA5 → Cityscapes \
| DeepLab-V2, ResNet-101 | – |  |
"""


MATRIX_FILE = """\
    - {config: night.py, column: A, note: dark}
    - config: rain.py
      column: B
      published: {cityscapes/mIoU: 40.1, cityscapes/mIoU13: 47.65}
      certainty: {cityscapes/mIoU: recalled, cityscapes/mIoU13: doubtful}
      source: table 2
    - {config: small.py, column: A, published: {cityscapes/mIoU: 30.0}}
    - {config: fog.py, column: B, published: {cityscapes/mIoU: 4}}
"""
MATRIX = """\
| domains | A (DeepLab-V2, ResNet-101) | B (DeepLab-V2, ResNet-101) |
| --- | --- | --- |
| GTA5 → Cityscapes | [–](night.py) (dark) | [4.0](fog.py) |
| SYNTHIA → Cityscapes, 16 classes |  | [*40.10* / *47.65*?](rain.py) |
| GTA5 → Cityscapes, on DeepLab-V2, ResNet-50 | [30.0](small.py) |  |
"""


@pytest.fixture
def repository(tmp_path):
    """Two configs of their own, and pages with markers."""
    configs = tmp_path / 'configs'
    (configs / 'weather').mkdir(parents=True)
    for folder in ('_base_', 'advent'):
        (configs / folder).symlink_to(ROOT / 'configs' / folder)
    for name, text in LEAVES.items():
        (configs / 'weather' / name).write_text(text)
    (tmp_path / NUMBERS).write_text(FILE)
    page = 'Before\n\n<!-- published: {} -->\nold\n<!-- end -->\n\nafter\n'
    (tmp_path / HEADLINES).parent.mkdir(parents=True)
    (tmp_path / HEADLINES).write_text(page.format('headlines'))
    (configs / 'weather/README.md').write_text(page.format('weather'))
    marker = '<!-- checkpoints: all -->\n<!-- end -->\n'
    (tmp_path / 'docs/model_zoo.md').write_text(marker)
    return tmp_path


def change(root, old, new, path=NUMBERS):
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new, 1))


def faults_of(root):
    published = read_published(root)
    entries = read_entries(root, published)
    return list(find_faults(root, entries))


def test_files_are_in_step():
    wanted = load_tool('misc/published_numbers.py')['wanted_files'](ROOT)
    assert len(wanted) > 4
    stale = [str(p) for p, text in wanted.items() if p.read_text() != text]
    assert stale == [], 'run tools/misc/published_numbers.py'


def test_every_folder_of_configs_is_in_the_file():
    folders = {
        path.parent.name
        for path in ROOT.glob('configs/*/*.py')
        if path.parent.name not in ('_base_', 'demo')
    }
    assert read_published(ROOT)['folders'].keys() == folders
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert index['Import'] == [
        f'configs/{folder}/metafile.yml' for folder in sorted(folders)
    ]


def test_metafile_is_a_model_index(repository):
    published = read_published(repository)
    entries = read_entries(repository, published)['weather']
    text = metafile('weather', published['folders']['weather'], entries)
    assert text.partition('Collections:')[2] == METAFILE[len('Collections:') :]


def test_table_has_a_row_for_each_entry(repository):
    entries = read_entries(repository, read_published(repository))
    head, line, rows = table('weather', entries).split('\n', 2)
    assert head.count('|') == line.count('|') == 6
    assert rows == TABLE


def test_table_of_headlines_leads_to_the_folder(repository):
    change(repository, 'note: wet', 'headline: true')
    entries = read_entries(repository, read_published(repository))
    rows = table('headlines', entries).splitlines()[2:]
    assert [row.split(' |')[0] for row in rows] == [
        '| [rain.py](../../configs/weather/rain.py)',
        '| `night.py` + `rain.py`, ensemble',
    ]


def test_columns_make_a_matrix_of_domains(repository):
    start = FILE.partition('    - config: night.py')[0]
    start = start.replace(
        'Weather,', 'Weather, certainty: confirmed, source: table 1,'
    )
    (repository / NUMBERS).write_text(start + MATRIX_FILE)
    folder = repository / 'configs/weather'
    base = '_base_ = "./night.py"\n'
    (folder / 'fog.py').write_text(base)
    (folder / 'small.py').write_text(
        f'{base}model = dict(segmentor=dict(backbone=dict(depth=50)))\n'
    )
    change(repository, '43.8', 'much', f'configs/{LEAF}')
    assert faults_of(repository) == []
    entries = read_entries(repository, read_published(repository))
    assert table('weather', entries) == f'{MATRIX}\n{LEGEND}\n'


def test_file_of_the_fixture_has_no_faults(repository):
    assert faults_of(repository) == []


@pytest.mark.parametrize(
    ('old', 'new', 'fault'),
    [
        (
            'config: rain.py',
            'config: night.py',
            'weather/night.py: is in 2 entries; it needs one',
        ),
        (
            'config: night.py',
            'also: night.py\n      config: rain.py',
            'weather/rain.py: is in 2 entries; it needs one',
        ),
        (
            'note: wet',
            'also: snow.py',
            'weather/snow.py: no such config',
        ),
        (
            '43.8',
            '43.9',
            f'{LEAF}: its comment says [43.8], the file [43.9]',
        ),
        (
            'cityscapes/mIoU: 43.8',
            'cityscapes/mIoU13: 43.8',
            f'{LEAF}: a test gives no cityscapes/mIoU13, but cityscapes/mIoU',
        ),
        (
            'note: wet',
            'column: rainy',
            'weather: all models or none have one config and a column',
        ),
        (
            'source: table 1',
            'note: by heart',
            f'{LEAF}: has no source, nor has its collection',
        ),
        (
            'published: {cityscapes/mIoU: 43.8}',
            'note: dark',
            f'{LEAF}: has a source, a certainty or a range of no number',
        ),
        (
            '{cityscapes/mIoU: recalled, ',
            '{',
            'weather/rain.py: certainty has other metrics than published',
        ),
    ],
)
def test_faults_of_the_file(old, new, fault, repository):
    change(repository, old, new)
    assert fault in faults_of(repository)


def test_numbers_of_a_comment_have_the_order_of_the_file(repository):
    path = repository / 'configs/weather/rain.py'
    path.write_text('# As recalled: 47.65 and 40.0.\n' + LEAVES['rain.py'])
    assert faults_of(repository) == [
        'weather/rain.py: its comment says [47.65, 40.0], '
        'the file [40.0, 47.65, 39, 41]'
    ]


def test_range_may_be_in_the_comment(repository):
    said = 'Published: 43.8, 43.2 to 44.9'
    change(repository, 'Published: 43.8', said, f'configs/{LEAF}')
    change(
        repository, 'source: table 1', 'source: t\n      range: [43.2, 44.9]'
    )
    assert faults_of(repository) == []


@pytest.mark.parametrize('words', ['Not\n# published', 'No published result'])
def test_comment_may_not_deny_what_is_published(words, repository):
    change(repository, 'Published: 43.8', words, f'configs/{LEAF}')
    assert faults_of(repository) == [
        f'{LEAF}: its comment says that nothing is published'
    ]


def test_leaf_needs_an_entry(repository):
    leaf = repository / 'configs/weather/hail.py'
    leaf.write_text('_base_ = "./night.py"\n')
    assert faults_of(repository) == [
        'weather/hail.py: is in 0 entries; it needs one'
    ]


def test_names_of_configs_are_unique(repository):
    configs = repository / 'configs'
    (configs / 'later').symlink_to(configs / 'weather')
    folder = FILE.partition('  weather:\n')[2]
    (repository / NUMBERS).write_text(f'{FILE}  later:\n{folder}')
    assert 'rain: is the name of 2 configs; rename one' in faults_of(
        repository
    )


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('43.8}', '"much"}', "mIoU='much': must be a finite number"),
        ('certainty: confirmed', 'certainty: sure', 'certainty'),
        ('headline: true', 'head: true', 'head is none of config, also'),
        ('names:', 'names: {', 'no YAML'),
        ('config: night.py', 'note: dark', 'names no config; add one'),
        ('note: wet', 'collection: Sun', 'the collection is none of Weather'),
        ('DLV2Head', 'MyHead', 'names: none for DLV2Head of weather/night.py'),
        ('source: table 1', 'source: !!python/name:os.system', 'no YAML'),
    ],
)
def test_mistakes_in_the_file_are_told(old, new, message, repository):
    change(repository, old, new)
    wanted_files = load_tool('misc/published_numbers.py')['wanted_files']
    with pytest.raises(ConfigError, match=f'published.yml: .*{message}'):
        wanted_files(repository)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('Before', '<!-- published: a -->\n<!-- end -->', 'a --> is none of'),
        ('headlines', 'weather', 'has no <!-- published: headlines -->'),
        ('<!-- end -->', 'end', 'has no <!-- published: headlines -->'),
    ],
)
def test_mistakes_in_a_page_are_told(old, new, message, repository):
    change(repository, old, new, HEADLINES)
    wanted_files = load_tool('misc/published_numbers.py')['wanted_files']
    with pytest.raises(ConfigError, match=message):
        wanted_files(repository)


def test_tool_lists_and_writes(repository, monkeypatch, capsys):
    tool = load_tool('misc/published_numbers.py')
    listed = f'configs/weather/metafile.yml\n{HEADLINES}\n'
    listed += 'configs/weather/README.md\ndocs/model_zoo.md\n'

    def run(*words):
        words = ('--root', repository, *words)
        return run_loaded(tool, words, monkeypatch, capsys)

    assert run('--check') == (1, listed)
    assert not (repository / 'configs/weather/metafile.yml').exists()
    assert run() == (0, listed)
    assert run('--check') == (0, '')
    page = (repository / 'configs/weather/README.md').read_text()
    assert page.startswith('Before\n\n<!-- published: weather -->\n\n| config')
    assert page.endswith(' |\n\n<!-- end -->\n\nafter\n')
    text = (repository / 'configs/weather/metafile.yml').read_text()
    assert [m['Name'] for m in yaml.safe_load(text)['Models']] == [
        'night',
        'rain',
    ]
