"""Removing rounds of labels that nothing needs."""

import pytest

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.pseudo_labels import rounds
from mmuda.pseudo_labels.rounds import remove_old_rounds, round_name
from mmuda.utils.names import MANIFEST


def write_round(root, point):
    """A finished round with one label in a folder of its own."""
    folder = root / round_name(point)
    (folder / 'town').mkdir(parents=True)
    (folder / 'town' / 'image.png').write_bytes(b'label')
    counts = dict(road=1)
    PseudoLabelManifest(
        classes=('road',),
        num_images=1,
        keys_sha256='',
        rule={},
        options={},
        thresholds=counts,
        pixels=counts,
        kept=counts,
        config='config.py',
        checkpoints=(),
    ).write(folder)
    return folder


@pytest.fixture
def root(tmp_path):
    """Rounds after 0, 10, 20 and 30 iterations."""
    for point in (0, 10, 20, 30):
        write_round(tmp_path / 'rounds', point)
    return tmp_path / 'rounds'


def points(root):
    return sorted(int(path.name[5:]) for path in root.iterdir())


@pytest.mark.parametrize(
    ('keep', 'needed', 'left'),
    [
        (1, [], [30]),
        (2, [], [20, 30]),
        (9, [], [0, 10, 20, 30]),
        (1, [10], [10, 30]),
        (2, [0, 20, None], [0, 20, 30]),
    ],
)
def test_newest_and_needed_ones_stay(root, keep, needed, left):
    remove_old_rounds(root, 30, keep, needed)
    assert points(root) == left


def test_rounds_of_later_iterations_stay(root):
    remove_old_rounds(root, 10, 1, [])
    assert points(root) == [10, 20, 30]


def test_removed_ones_are_named(root):
    removed = remove_old_rounds(root, 30, 2, [])
    assert removed == ['iter_00000000', 'iter_00000010']


def test_points_of_more_than_eight_digits_are_newer(tmp_path):
    for point in (99_999_999, 100_000_000):
        write_round(tmp_path, point)
    remove_old_rounds(tmp_path, 100_000_000, 1, [])
    assert points(tmp_path) == [100_000_000]


def test_unfinished_rounds_stay(root):
    (root / round_name(0) / MANIFEST).unlink()
    remove_old_rounds(root, 30, 1, [])
    assert points(root) == [0, 30]


def test_folders_of_others_stay(root):
    (root / round_name(0) / MANIFEST).write_text('{"name": "other"}')
    remove_old_rounds(root, 30, 1, [])
    assert points(root) == [0, 30]


def test_folders_of_other_names_stay(root):
    write_round(root, 5).rename(root / 'iter_5')
    remove_old_rounds(root, 30, 1, [])
    assert (root / 'iter_5' / MANIFEST).is_file()


def test_links_to_rounds_stay(root, tmp_path):
    other = write_round(tmp_path / 'other', 5)
    (root / round_name(5)).symlink_to(other)
    remove_old_rounds(root, 30, 1, [])
    assert points(root) == [5, 30]
    assert (other / 'town/image.png').is_file()


def test_what_links_in_a_round_lead_to_stays(root, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'file').touch()
    (root / round_name(0) / 'link').symlink_to(tmp_path / 'mine')
    remove_old_rounds(root, 30, 1, [])
    assert points(root) == [30]
    assert (tmp_path / 'mine' / 'file').is_file()


def test_an_interruption_leaves_an_unfinished_round(root, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(rounds.shutil, 'rmtree', interrupt)
    with pytest.raises(KeyboardInterrupt):
        remove_old_rounds(root, 30, 1, [])
    assert not (root / round_name(0) / MANIFEST).exists()
    assert (root / round_name(10) / MANIFEST).is_file()


def test_a_round_that_cannot_be_removed_is_no_error(root, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(rounds.shutil, 'rmtree', refuse)
    assert remove_old_rounds(root, 30, 1, []) == []
