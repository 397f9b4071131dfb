"""The page of published checkpoints is made of the file of numbers."""

import argparse
import re
import shlex
from pathlib import Path

import demo_data
import pytest
from mmengine.config import DictAction

from mmuda.datasets.server_formats import FORMATS
from mmuda.registry import DATASETS
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError
from model_index import read_entries, read_published, with_zoo
from model_index.entries import NUMBERS
from model_index.model_zoo import commands, entry_of, score

ROOT = demo_data.ROOT
FILE = """\
names:
- {type: GTA5Dataset, name: GTA5}
- {type: CityscapesLabelIdsDataset, name: Cityscapes}
- {type: DLV2Head, name: DeepLab-V2}
- {type: DeepLabResNet, depth: 101, name: ResNet-101}
folders:
  weather:
    collections:
    - name: Weather
      title: On weather
      techniques: [Waiting]
      code: https://a.b/code
      licence: MIT
    models:
    - config: night.py
      published: {cityscapes/mIoU: 43.8}
      certainty: recalled
      source: table 1
    checkpoints:
    - config: night.py
      file: their night.pth
      address: https://a.b/night
      converter: advent
      options: --single-level
      test: --tta
      mean: true
      note: dark
    - config: night.py
      file: latest.pth
      address: https://a.b/day
      converter: advent
      score: 44
    - config: night.py
      file: dusk.pth
      address: https://a.b/dusk
      converter: advent
      server: cityscapes
"""
PART = """\
<!-- checkpoints: all -->

### Weather

Licence ([code](https://a.b/code)): MIT.

| config | domains | file | must score |
| --- | --- | --- | --- |
| [night.py](../configs/weather/night.py) | GTA5 → Cityscapes \
| [their night.pth](https://a.b/night) | about 43.8 (recalled; dark) |
| [night.py](../configs/weather/night.py) | GTA5 → Cityscapes \
| [latest.pth](https://a.b/day) | 44.00 |
| [night.py](../configs/weather/night.py) | GTA5 → Cityscapes \
| [dusk.pth](https://a.b/dusk) | 43.8 (recalled; server, not printed) |

```bash
python tools/model_converters/advent.py 'their night.pth' night.pth \
--single-level
python tools/test.py configs/weather/night.py night.pth --tta
python tools/model_converters/advent.py night_latest.pth night.pth
python tools/test.py configs/weather/night.py night.pth
python tools/model_converters/advent.py dusk.pth night.pth
python tools/test.py configs/weather/night.py night.pth \
--export exported/night --format cityscapes --cfg-options \
test_dataloader.dataset.data_prefix.img_path=leftImg8bit/test \
test_dataloader.dataset.data_prefix.seg_map_path=None
```

<!-- end -->
"""


@pytest.fixture(scope='module')
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp('repository')
    (root / 'configs/weather').mkdir(parents=True)
    for folder in ('_base_', 'advent'):
        (root / 'configs' / folder).symlink_to(ROOT / 'configs' / folder)
    leaf = root / 'configs/weather/night.py'
    leaf.write_text('_base_ = "../advent/gta2cs.py"\n')
    (root / NUMBERS).write_text(FILE)
    return root


@pytest.fixture(scope='module')
def entries(repository):
    return read_entries(repository, read_published(repository))


def test_page_has_addresses_scores_and_commands(repository, entries, tmp_path):
    page = tmp_path / 'zoo.md'
    page.write_text('<!-- checkpoints: all -->\nold\n<!-- end -->\n')
    assert with_zoo(page, read_published(repository), entries) == PART


def test_checkpoint_needs_a_model(entries):
    with pytest.raises(ConfigError, match='fog.py is no config of a model'):
        entry_of({'config': 'fog.py'}, entries['weather'])


def test_pages_need_markers(repository, entries, tmp_path):
    page = tmp_path / 'zoo.md'
    page.write_text('nothing')
    with pytest.raises(ConfigError, match='has no <!-- checkpoints: all -->'):
        with_zoo(page, read_published(repository), entries)


@pytest.fixture(scope='module')
def ours():
    """Checkpoints of the file in the repository, without loading configs."""
    folders = read_published(ROOT)['folders']
    return [
        (name, checkpoint)
        for name, folder in folders.items()
        for checkpoint in folder.get('checkpoints', ())
    ]


def test_every_checkpoint_has_a_converter_and_a_config(ours):
    assert len(ours) > 25
    for name, checkpoint in ours:
        tool = f'tools/model_converters/{checkpoint["converter"]}.py'
        assert (ROOT / tool).is_file()
        assert (ROOT / 'configs' / name / checkpoint['config']).is_file()
        assert checkpoint['address'].startswith('https://')


def test_no_two_checkpoints_lie_in_one_place(ours):
    single = [c['address'] for _, c in ours if '/file/d/' in c['address']]
    assert len(single) == len({*single}) == 12


def test_numbers_of_servers_are_not_told_to_be_printed(ours):
    folders = read_published(ROOT)['folders']
    by_server = {
        model['config']
        for folder in folders.values()
        for model in folder['models']
        if 'by the server' in model.get('note', '')
    }
    said = {c['config'] for _, c in ours if 'server' in c}
    assert said == by_server & {c['config'] for _, c in ours}
    assert len(said) == 6


@pytest.mark.parametrize(
    ('config', 'image'),
    [
        ('cs2acdc', 'data/ACDC/rgb_anon/fog/test/GP01/GP01_frame_000001'),
        ('cs2darkzurich', 'data/DarkZurich/rgb_anon/test/night/G/G_frame_001'),
    ],
)
def test_what_is_exported_are_test_images_with_names_of_the_server(
    config, image, tmp_path, monkeypatch
):
    page = (ROOT / 'docs/model_zoo.md').read_text()
    pattern = rf'^python tools/test.py \S+hrda_{config}.py .*'
    words = shlex.split(re.search(pattern, page, re.M)[0])
    parser = argparse.ArgumentParser()
    parser.add_argument('--format')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    given, _ = parser.parse_known_args(words)
    cfg = load_config(ROOT / words[2])
    cfg.merge_from_dict(given.cfg_options)
    monkeypatch.chdir(tmp_path)
    path = Path(f'{image}_rgb_anon.png')
    path.parent.mkdir(parents=True)
    path.touch()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert FORMATS[given.format].names(dataset) == {
        str(path): f'labelTrainIds/{path.stem}'
    }


def test_every_converter_of_trained_networks_is_in_the_zoo(ours):
    tools = {
        path.stem
        for path in (ROOT / 'tools/model_converters').glob('*.py')
        if '--reverse' in path.read_text()
        or 'conversion_parser' in path.read_text()
    }
    assert {checkpoint['converter'] for _, checkpoint in ours} == tools


def test_numbers_of_the_page_are_those_of_the_file(ours):
    folders = read_published(ROOT)['folders']
    page = (ROOT / 'docs/model_zoo.md').read_text()
    for name, checkpoint in ours:
        (model,) = (
            model
            for model in folders[name]['models']
            if checkpoint['config'] in (model.get('config'), model.get('also'))
        )
        link = re.escape(f'](../configs/{name}/{checkpoint["config"]})')
        row = re.search(rf'^\|.*{link}.*$', page, re.M)[0]
        said = [float(n) for n in re.findall(r'\d\d\.\d+', row.split('|')[-2])]
        if 'score' in checkpoint:
            assert said == [checkpoint['score']]
        else:
            published = [*model['published'].values()]
            assert said[: len(published)] == published


def test_commands_are_words_that_a_shell_reads(entries):
    checkpoint = {'config': 'x.py', 'converter': 'advent', 'file': "a'b.pth"}
    (entry,) = entries['weather']
    first, second = commands(checkpoint, entry).splitlines()
    assert shlex.split(first)[2:] == ["a'b.pth", 'x.pth']
    assert shlex.split(second)[1:3] == [
        'tools/test.py',
        'configs/weather/x.py',
    ]
    assert score(checkpoint, entry) == '43.8 (recalled)'
