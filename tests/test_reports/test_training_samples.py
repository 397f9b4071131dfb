"""What is shown of a training is what it sees, and nothing is trained."""

import json
from dataclasses import replace
from types import SimpleNamespace

import demo_data
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import Image
from tools_in_process import load_tool, run_loaded

from mmuda.engine.runner import UDARunner
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS, MODELS
from mmuda.reports.sample_pages import (
    reduced_sample,
    require_own_folder,
    write_samples,
)
from mmuda.reports.training_samples import (
    TrainingSample,
    drawn_classes,
    training_loader,
    training_samples,
)
from mmuda.utils.drawing import heat_map
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules

EVIL = '<script>alert(1)</script>'
TOOL = 'analysis_tools/browse_dataset.py'
TERMS = [dict(type='MaskedConsistency', block_size=16)]


@HOOKS.register_module()
class KeepSeenHook(Hook):
    """Keep what each iteration sees and makes of it."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        unwrap(runner.model).shown = {}

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.seen = [*getattr(self, 'seen', []), data_batch]
        model = unwrap(runner.model)
        self.shown = [*getattr(self, 'shown', []), model.shown]
        model.shown = None


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=3)


def config(data, work_dir, name='dacs'):
    register_all_modules()
    cfg = demo_data.config(data, work_dir, name, **{'model.warmup_iters': 0})
    cfg.model.terms = TERMS
    cfg.load_from = None
    return cfg


def test_the_images_and_what_is_made_of_them_are_those_of_the_training(
    data, tmp_path
):
    cfg = config(data, tmp_path)
    cfg.train_cfg.max_iters = 2
    cfg.custom_hooks = [
        dict(type='IterationSeedHook'),
        dict(type='KeepSeenHook'),
    ]
    run = UDARunner.from_cfg(cfg)
    (kept,) = (h for h in run.hooks if isinstance(h, KeepSeenHook))
    run.model.init_weights()
    start = {k: v.clone() for k, v in run.model.state_dict().items()}
    run._init_model_weights = lambda: None
    run.train()
    model = MODELS.build(cfg.model)
    model.load_state_dict(start)
    lay_out(model, 'fp32')
    loader = training_loader(cfg, seed=run.seed)
    model.dataset_meta = loader.dataset.metainfo
    first, second = training_samples(loader, model, 2, 0, run.seed)
    palette = np.array(model.dataset_meta['palette'], np.uint8)
    for sample, batch in zip((first, second), kept.seen, strict=True):
        for domain, images in batch['inputs'].items():
            expected = images[0].flip(0).permute(1, 2, 0).numpy()
            assert (sample.tiles[domain]['image'] == expected).all()
    assert list(first.tiles['target']) == [
        *('image', 'pseudo-label', 'confidence', 'mixed', 'mixed label'),
        'masked',
    ]
    made = kept.shown[0]['target']
    known = made['mixed_label'] < 255
    shown = first.tiles['target']['mixed label'][known]
    assert (shown == palette[made['mixed_label'][known]]).all()
    confidence = heat_map(made['confidence'].numpy())
    assert (first.tiles['target']['confidence'] == confidence).all()


def test_no_weight_changes_and_the_iteration_is_put_back(data, tmp_path):
    cfg = config(data, tmp_path)
    model = MODELS.build(cfg.model)
    before = {k: v.clone() for k, v in model.named_parameters()}
    loader = training_loader(cfg, seed=3)
    model.dataset_meta = loader.dataset.metainfo
    (sample,) = training_samples(loader, model, 1, start=7, seed=3)
    assert sample.iteration == 8
    assert sample.shares['target'] >= 0
    assert model.shown is None
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name])
        assert value.grad is None


def test_a_later_start_shows_later_images(data, tmp_path):
    cfg = config(data, tmp_path)
    model = MODELS.build(cfg.model)

    def draw(count, start):
        loader = training_loader(cfg, seed=3)
        model.dataset_meta = loader.dataset.metainfo
        return [
            *training_samples(
                loader, model, count, start, 3, runs_method=False
            )
        ]

    whole, (later,) = draw(3, 0), draw(1, 2)
    assert list(later.tiles['target']) == ['image']
    assert later.files == whole[2].files
    for domain, tiles in later.tiles.items():
        assert (tiles['image'] == whole[2].tiles[domain]['image']).all()


def sample(pixels):
    counts = np.zeros(256, int)
    for label, number in pixels.items():
        counts[label] = number
    tiles = dict(source=dict(image=np.full((8, 12, 3), 90, np.uint8)))
    return TrainingSample(1, tiles, dict(source=EVIL), {EVIL: counts})


def test_classes_of_all_samples():
    drawn = drawn_classes(
        [sample({0: 30, 255: 50}), sample({0: 10, 2: 10})], 3
    )
    assert drawn.ratios[EVIL].tolist() == [0.8, 0, 0.2]
    assert drawn.ignored == {EVIL: 0.5}
    assert drawn.images[EVIL].tolist() == [2, 0, 1]


def write_page(folder):
    meta = dict(classes=(EVIL, 'b'), palette=[[1, 2, 3], [4, 5, 6]])
    samples = [sample({0: 1}), sample({1: 1})]
    return write_samples(samples, meta, folder, [(EVIL, EVIL)], [EVIL])


def test_a_page_escapes_and_holds_its_pictures(tmp_path):
    grid, page = write_page(tmp_path)
    text = page.read_text()
    assert '<script' not in text
    assert text.count('&lt;script&gt;') >= 6
    assert text.count('src="data:image/') == 2
    # Two rows with titles, above the legend.
    assert Image.open(grid).size[1] == 2 * (20 + 8) + 20 * 2


def test_a_large_picture_is_not_kept():
    large = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3))
    large = large.astype(np.uint8)
    tiles = dict(source=dict(image=large))
    (tile,) = (
        reduced_sample(replace(sample({0: 1}), tiles=tiles))
        .tiles['source']
        .values()
    )
    assert (tile == large[::3, ::3]).all()
    assert tile.base is None


def test_files_of_others_stay(tmp_path):
    (tmp_path / 'source.png').write_text('mine')
    with pytest.raises(ConfigError, match=r"'source.png' is there.*--overw"):
        require_own_folder(tmp_path, ['source'], overwrite=False)
    require_own_folder(tmp_path, ['source'], overwrite=True)
    require_own_folder(tmp_path, ['target'], overwrite=False)


def test_pictures_of_an_earlier_call_go_and_others_stay(tmp_path):
    for name in ('mine.png', 'index.txt'):
        (tmp_path / name).write_text('mine')
    write_page(tmp_path)
    record = tmp_path / 'samples.json'
    assert json.loads(record.read_text())['files'] == [
        *('index.html', 'source.png'),
    ]
    require_own_folder(tmp_path, ['source'], overwrite=False)
    # As if the domain had another name then, and by somebody's hand.
    (tmp_path / 'source.png').rename(tmp_path / 'paris.png')
    (tmp_path.parent / 'out.png').write_text('mine')
    record.write_text('{"files": ["index.html", "paris.png", "../out.png"]}')
    write_page(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *('index.html', 'index.txt', 'mine.png', 'samples.json'),
        'source.png',
    ]
    assert (tmp_path.parent / 'out.png').exists()


# The tool


@pytest.fixture
def browse(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words, name='dacs'):
        file = tmp_path / 'shown.py'
        cfg = config(data, tmp_path, name)
        Config(cfg.to_dict()).dump(file)
        tool = load_tool(TOOL)
        words = [file, '--count', '1', *words]
        return run_loaded(tool, words, monkeypatch, capsys)

    return run


def test_pictures_and_a_page_are_all_that_is_written(browse, tmp_path):
    code, printed = browse()
    folder = tmp_path / 'work_dirs/browse/shown'
    names = ['.lock', 'index.html', 'samples.json']
    names += ['source.png', 'target.png']
    assert (code, sorted(p.name for p in folder.iterdir())) == (0, names)
    assert not [*tmp_path.rglob('*.pth')]
    page = (folder / 'index.html').read_text()
    assert 'random weights' in page
    assert 'the teacher is sure of' in page
    assert 'work_dirs/browse/shown/index.html' in printed


def test_only_the_domains_that_are_asked_for(browse, tmp_path):
    assert browse('--domains', 'target', '--out', tmp_path / 'o')[0] == 0
    assert sorted(p.name for p in (tmp_path / 'o').iterdir()) == [
        *('.lock', 'index.html', 'samples.json', 'target.png'),
    ]
    code, printed = browse('--domains', 'paris')
    assert code == 2
    assert '--domains paris: the config has source, target' in printed


def test_folders_of_data_that_are_not_there(browse):
    lost = [f'{name}=/no/{name}' for name in ('source', 'target')]
    code, printed = browse('--data-root', *lost)
    assert code == 2
    assert "'/no/source' (source) and '/no/target' (target)" in printed


def test_a_folder_of_somebody_else(browse, tmp_path):
    page = tmp_path / 'o/index.html'
    page.parent.mkdir()
    page.write_text('mine')
    code, printed = browse('--out', page.parent)
    assert (code, page.read_text()) == (2, 'mine')
    assert "'index.html' is there" in printed


def test_pseudo_labels_that_nobody_named(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cfg = demo_data.config(data, tmp_path, 'ssl')
    cfg.dump(tmp_path / 'shown.py')
    words = ['shown.py', '--count', '1', '--out', 'o']
    code, _ = run_loaded(load_tool(TOOL), words, monkeypatch, capsys)
    assert code == 0
    page = (tmp_path / 'o/index.html').read_text()
    assert 'pseudo-labels that nobody has named (--pseudo-labels DIR)' in page


def test_a_checkpoint_with_words_for_its_iteration(tmp_path):
    file = tmp_path / 'c.pth'
    torch.save(dict(state_dict={}, meta=dict(iter='many')), file)
    args = SimpleNamespace(start=None, checkpoint=str(file))
    first = load_tool(TOOL)['first_iteration']
    with pytest.raises(CheckpointError, match=r"meta.iter is 'many'.*--start"):
        first(args, SimpleNamespace(warmup_iters=3), str(file))
