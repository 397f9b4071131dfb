import hashlib
import json
import os

import pytest
from mmengine.config import Config
from toy_images import make_image
from toy_pseudo_labels import TEN, make_manifest, make_store

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    check_pseudo_labels,
    current_root,
    keys_digest,
    label_path,
    publish_round,
    soft_label_path,
)
from mmuda.utils.errors import DataError
from mmuda.version import __version__

# Manifest


def test_manifest_is_read_as_it_was_written(tmp_path):
    manifest = make_manifest(
        ['a', 'b'], thresholds=dict.fromkeys(TEN), domain='idd'
    )
    manifest.write(tmp_path)
    assert PseudoLabelManifest.read(tmp_path) == manifest


def test_manifest_names_the_version(tmp_path):
    make_manifest().write(tmp_path)
    content = json.loads((tmp_path / 'manifest.json').read_text())
    assert content['mmuda_version'] == __version__
    assert content['format_version'] == 1


def test_manifest_of_a_config_object(tmp_path):
    cfg = Config({'rule': {'type': 'X', 'limits': (0, 1)}})
    make_manifest(rule=cfg.rule).write(tmp_path)
    rule = PseudoLabelManifest.read(tmp_path).rule
    assert rule == {'type': 'X', 'limits': [0, 1]}


def test_missing_manifest(tmp_path):
    with pytest.raises(DataError, match=r'it has no manifest\.json; run'):
        PseudoLabelManifest.read(tmp_path)


@pytest.mark.parametrize('text', ['', '{"classes": [', '\x80'])
def test_cut_manifest(tmp_path, text):
    (tmp_path / 'manifest.json').write_text(text, encoding='latin-1')
    with pytest.raises(DataError, match=r"manifest\.json' is damaged.*JSON"):
        PseudoLabelManifest.read(tmp_path)


def change_manifest(root, **changes):
    make_manifest().write(root)
    path = root / 'manifest.json'
    content = json.loads(path.read_text()) | changes
    kept = {key: v for key, v in content.items() if v is not ...}
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'kept': ...}, "misses 'kept'"),
        ({'colour': 1}, "unknown entry 'colour'"),
        ({'num_images': 'many'}, "num_images='many'"),
        ({'classes': 'road'}, "classes='road'"),
        ({'classes': [1]}, r'classes\[0\]=1: must be a text'),
        ({'num_images': -1}, 'num_images=-1: must be a whole number'),
        ({'num_images': True}, 'num_images=True: must be a whole number'),
        ({'pixels': {'moon': 0.5}}, r'pixels\.moon=0\.5: must be a whole'),
        ({'kept': {'moon': None}}, r'kept\.moon=None: must be'),
        ({'thresholds': {'moon': 'x'}}, r"thresholds\.moon='x': must be"),
        ({'checkpoints': ['a']}, r"checkpoints\[0\]='a': must be"),
        ({'pixels': {'moon': 3}}, 'pixels of other classes'),
    ],
)
def test_damaged_manifest(tmp_path, changes, fault):
    change_manifest(tmp_path, **changes)
    with pytest.raises(DataError, match=f'damaged: it .*{fault}'):
        PseudoLabelManifest.read(tmp_path)


def test_manifest_that_is_a_list(tmp_path):
    (tmp_path / 'manifest.json').write_text('[]')
    with pytest.raises(DataError, match='not a JSON object'):
        PseudoLabelManifest.read(tmp_path)


def test_manifest_of_a_later_version(tmp_path):
    change_manifest(tmp_path, format_version=2, mmuda_version='9.1', new=...)
    with pytest.raises(DataError, match=r'format 2, written by mmuda 9\.1'):
        PseudoLabelManifest.read(tmp_path)


# Paths and keys


def test_digest_does_not_depend_on_the_order():
    expected = hashlib.sha256(b'a\nb/c').hexdigest()
    assert keys_digest(['b/c', 'a']) == keys_digest(('a', 'b/c')) == expected


def test_digest_tells_keys_apart():
    assert keys_digest(['ab']) != keys_digest(['a', 'b'])


def test_paths_mirror_the_keys(tmp_path):
    assert label_path(tmp_path, 'ulm/a.b') == tmp_path / 'ulm/a.b.png'
    assert soft_label_path(tmp_path, 'ulm/a') == tmp_path / 'ulm/a.npz'


# Rounds


def test_folder_with_a_manifest_is_current(tmp_path):
    make_store(tmp_path)
    assert current_root(tmp_path) == tmp_path


def test_current_round_is_the_last_published(tmp_path):
    for name in ('round_0001', 'round_0002'):
        make_store(tmp_path / name)
        publish_round(tmp_path, name)
    assert current_root(tmp_path) == tmp_path / 'round_0002'


def test_unpublished_round_is_not_current(tmp_path):
    make_store(tmp_path / 'round_0001')
    assert current_root(tmp_path) is None


def test_no_folder_at_all(tmp_path):
    assert current_root(tmp_path / 'nowhere') is None


def test_unfinished_round_is_not_published(tmp_path):
    make_store(tmp_path / 'round_0001')
    publish_round(tmp_path, 'round_0001')
    with pytest.raises(DataError, match=r"round_0002' holds no finished"):
        publish_round(tmp_path, 'round_0002')
    assert current_root(tmp_path) == tmp_path / 'round_0001'


@pytest.mark.parametrize('text', ['round_0007\n', ''])
def test_current_without_its_round(tmp_path, text):
    (tmp_path / 'current').write_text(text)
    with pytest.raises(DataError, match=r"current' names the round '(r|')"):
        current_root(tmp_path)


@pytest.mark.parametrize('name', ['../round_1', '/tmp', 'a\0b', 'a' * 5000])
def test_current_names_a_round_beside_it(tmp_path, name):
    make_store(tmp_path / 'round_1')
    (tmp_path / 'rounds').mkdir()
    (tmp_path / 'rounds/current').write_text(name)
    with pytest.raises(DataError, match="current' names the round ") as error:
        current_root(tmp_path / 'rounds')
    assert len(str(error.value)) < 400


@pytest.mark.parametrize('kind', ['pipe', 'folder', 'binary', 'large'])
def test_current_is_no_text(tmp_path, kind):
    path = tmp_path / 'current'
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'folder':
        path.mkdir()
    else:
        path.write_bytes(b'\xff\xfe' * (1 if kind == 'binary' else 2**20))
    with pytest.raises(DataError, match=r"/current'.*; remove this file, or"):
        current_root(tmp_path)


# Do labels belong to the data?


def test_labels_of_the_data(tmp_path):
    make_store(tmp_path, ['ulm/a', 'b'])
    manifest = check_pseudo_labels(tmp_path, list(TEN), ['b', 'ulm/a'])
    assert manifest == make_manifest(['ulm/a', 'b'])


def test_labels_of_the_current_round(tmp_path):
    make_store(tmp_path / 'round_0001')
    publish_round(tmp_path, 'round_0001')
    assert check_pseudo_labels(tmp_path, TEN, ['a']) == make_manifest()


def test_unfinished_labels(tmp_path):
    make_store(tmp_path)
    (tmp_path / 'manifest.json').unlink()
    with pytest.raises(DataError, match='no finished pseudo-labels'):
        check_pseudo_labels(tmp_path, TEN, ['a'])


def test_labels_of_other_classes(tmp_path):
    make_store(tmp_path)
    others = TEN[1::-1] + TEN[2:]
    expected = f'10 classes .{TEN[0]}, {TEN[1]}, .*10 .{TEN[1]}, {TEN[0]},'
    with pytest.raises(DataError, match=expected):
        check_pseudo_labels(tmp_path, others, ['a'])


@pytest.mark.parametrize(
    ('keys', 'strange'), [(['a', 'c'], 'c'), (['a'], 'b'), ('abc', 'c')]
)
def test_labels_of_other_images(tmp_path, keys, strange):
    make_store(tmp_path, ['a', 'b'])
    with pytest.raises(DataError, match=f"of 2, .* has .*'{strange}' is in"):
        check_pseudo_labels(tmp_path, TEN, keys)


def test_labels_of_other_images_whose_files_happen_to_be_there(tmp_path):
    make_store(tmp_path, ['a'])
    make_image(tmp_path / 'b.png')
    with pytest.raises(DataError, match='of 1, the data set has 2; generate'):
        check_pseudo_labels(tmp_path, TEN, ['a', 'b'])


def test_removed_label_file(tmp_path):
    make_store(tmp_path, ['ulm/a', 'b'])
    (tmp_path / 'ulm/a.png').unlink()
    with pytest.raises(DataError, match=r'1 file.*ulm/a\.png.*--overwrite'):
        check_pseudo_labels(tmp_path, TEN, ['ulm/a', 'b'])


def test_soft_labels_that_were_not_asked_for(tmp_path):
    make_store(tmp_path)
    make_manifest(options={'soft_top_k': None}).write(tmp_path)
    with pytest.raises(DataError, match='no probabilities.*soft_top_k'):
        check_pseudo_labels(tmp_path, TEN, ['a'], suffix='.npz')


def test_soft_label_file_that_is_missing(tmp_path):
    make_store(tmp_path)
    with pytest.raises(DataError, match=r'a\.npz'):
        check_pseudo_labels(tmp_path, TEN, ['a'], suffix='.npz')
