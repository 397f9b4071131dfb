"""Images that are gathered over cycles."""

import os

import pytest
from doc_pages import examples
from labelled_images import (
    in_memory,
    manifest,
    read,
    statistics,
    write_labels,
)

from mmuda.datasets.pseudo_labels.pseudo_label_store import check_pseudo_labels
from mmuda.datasets.sets.split_lists import read_split
from mmuda.datasets.transforms.pseudo_label_loading import LoadPseudoLabels
from mmuda.procedures.selection import AccumulatedLabels
from mmuda.utils.errors import ConfigError, DataError


def selected(scores, cycle=0, giver='A', kept=10):
    """Labels with some mean confidences by key, in a folder of the cycle."""
    keys = sorted(scores)
    table = statistics(
        [[kept]] * len(keys), [[scores[key]] for key in keys], keys
    )
    labelled = in_memory(table, root=f'{giver}{cycle}')
    return AccumulatedLabels.select(labelled, range(len(keys)), cycle, giver)


def sources(labels):
    """From which folder each key comes."""
    pairs = zip(labels.statistics.keys, labels.files, strict=True)
    return {key: str(path.parent) for key, path in pairs}


@pytest.fixture
def labelled(tmp_path):
    """Three images, one of which has no label."""
    labels = {'b/1': [[0, 1, 255]], 'a/0': [[2, 2, 2]], 'c': [[255] * 3]}
    return write_labels(tmp_path / 'labels', labels)


@pytest.fixture
def written(labelled, tmp_path):
    """The images b/1 and a/0 in a folder of their own."""
    chosen = AccumulatedLabels.select(labelled, [1, 0], 3, 'B, old')
    return chosen.write(tmp_path / 'all', labelled.manifest)


def test_selected_images_are_sorted_by_key():
    table = statistics([[1], [2], [3]], keys=['b', 'c', 'a'])
    chosen = AccumulatedLabels.select(in_memory(table), [0, 2], 4, 'A')
    assert chosen.statistics.keys == ('a', 'b')
    assert chosen.statistics.kept.tolist() == [[3], [1]]
    assert chosen.files[0].parts == ('labels', 'a.png')
    assert (chosen.cycles, chosen.givers) == ((4, 4), ('A', 'A'))


def test_better_labels_replace_and_new_images_are_added():
    old = selected(dict(a=0.5, b=0.5, c=0.5))
    new = selected(dict(b=0.75, c=0.25, d=0.1), cycle=1, giver='B')
    merged = old.update(new)
    assert sources(merged) == dict(a='A0', b='B1', c='A0', d='B1')
    assert merged.cycles == (0, 1, 0, 1)
    assert merged.givers == ('A', 'B', 'A', 'B')
    assert merged.statistics.score.tolist() == pytest.approx(
        [0.5, 0.75, 0.5, 0.1], abs=1e-4
    )


def test_equal_labels_do_not_replace():
    merged = selected(dict(a=0.5)).update(selected(dict(a=0.5), cycle=1))
    assert sources(merged) == dict(a='A0')


def test_numbers_are_compared_as_numbers():
    """As texts, 95000 rejected pixels would be more than 1000000."""
    old, new = selected(dict(a=0.5)), selected(dict(a=0.5), cycle=1)
    old.statistics.sizes[:] = [1, 1_000_010]
    new.statistics.sizes[:] = [1, 95_010]
    assert old.statistics.rejected.tolist() == [1_000_000]
    assert new.statistics.rejected.tolist() == [95_000]
    assert sources(old.update(new, by='rejected')) == dict(a='A1')
    assert sources(new.update(old, by='rejected')) == dict(a='A1')


def test_a_label_without_pixels_is_the_worst():
    empty, full = selected(dict(a=0), kept=0), selected(dict(a=0.01), 1)
    assert sources(empty.update(full)) == dict(a='A1')
    assert sources(full.update(empty)) == dict(a='A1')


def test_all_takes_the_latest_label():
    old = selected(dict(a=0.5, b=0.5))
    merged = old.update(selected(dict(a=0.25), cycle=1), mode='all')
    assert sources(merged) == dict(a='A1', b='A0')


def test_none_forgets_earlier_cycles():
    new = selected(dict(c=0.1), cycle=1)
    assert selected(dict(a=0.5)).update(new, mode='none') == new


def test_nothing_new_changes_nothing():
    old = selected(dict(a=0.5))
    nothing = AccumulatedLabels.select(in_memory(old.statistics), [], 1, 'A')
    assert len(nothing) == 0
    assert old.update(nothing) == old
    assert nothing.update(old) == old


def test_the_set_grows_by_the_number_of_a_cycle_at_most():
    merged = selected({f'{k}': 0.5 for k in range(10)})
    for cycle in range(1, 4):
        keys = range(7 * cycle, 7 * cycle + 10)
        merged = merged.update(selected({f'{k}': 0.5 for k in keys}, cycle))
    assert len(merged) == 31 <= 10 * (3 + 1)


@pytest.mark.parametrize('change', [dict(mode='best'), dict(by='size')])
def test_unknown_values_are_refused(change):
    with pytest.raises(ConfigError, match='must be one of'):
        selected(dict(a=0.5)).update(selected(dict(a=0.5)), **change)


def test_other_classes_are_refused():
    two = in_memory(statistics([[1, 1]], keys=['b']))
    with pytest.raises(DataError, match='1 classes.* of 2 classes'):
        selected(dict(a=0.5)).update(
            AccumulatedLabels.select(two, [0], 1, 'A')
        )


def test_what_is_written_is_read_again(written, tmp_path):
    assert AccumulatedLabels.read(tmp_path / 'all') == written
    assert written.files[1] == tmp_path / 'all/b/1.png'
    assert written.givers == ('B, old', 'B, old')


def test_labels_are_those_of_the_labelling(written, tmp_path):
    assert read(tmp_path / 'all', 'b/1').tolist() == [[0, 1, 255]]
    assert read(tmp_path / 'all', 'a/0').tolist() == [[2, 2, 2]]


def test_the_list_of_images_is_a_split(written, tmp_path):
    lines = read_split(str(tmp_path / 'all/keys.txt'), '.jpg')
    assert [line.key for line in lines] == ['a/0', 'b/1']


def test_the_table_is_for_people(written, tmp_path):
    assert (tmp_path / 'all/accumulated.csv').read_text().splitlines() == [
        'key,confidence,rejected,cycle,giver',
        'a/0,0.500000,0.000000,3,"B, old"',
        'b/1,0.500000,0.333333,3,"B, old"',
    ]


def test_training_accepts_the_folder(written, tmp_path):
    about = check_pseudo_labels(tmp_path / 'all', 'abc', ['b/1', 'a/0'])
    assert about.kept == dict(a=1, b=1, c=3)
    assert about.thresholds == dict(a=0.5, b=0.6, c=0.7)
    loader = LoadPseudoLabels(str(tmp_path / 'all'))
    label, _ = loader.read(dict(key='b/1', num_classes=3))
    assert label.tolist() == [[0, 1, 255]]


def test_probabilities_do_not_go_along(written, tmp_path):
    with pytest.raises(DataError, match='no probabilities'):
        check_pseudo_labels(tmp_path / 'all', 'abc', ['b/1', 'a/0'], '.npz')


def test_labels_made_anew_do_not_change_the_folder(
    written, labelled, tmp_path
):
    write_labels(tmp_path / 'new', {'a/0': [[1, 1, 1]]})
    os.replace(tmp_path / 'new/a/0.png', labelled.root / 'a/0.png')
    assert read(tmp_path / 'all', 'a/0').tolist() == [[2, 2, 2]]


def test_a_folder_can_be_written_again(written, labelled, tmp_path):
    chosen = AccumulatedLabels.select(labelled, [0], 4, 'A')
    again = chosen.write(tmp_path / 'all', labelled.manifest)
    assert AccumulatedLabels.read(tmp_path / 'all') == again
    assert not (tmp_path / 'all/b/1.png').exists()


def test_a_folder_can_be_written_onto_itself(written, tmp_path):
    before = (tmp_path / 'all/a/0.png').read_bytes()
    again = written.write(tmp_path / 'all', manifest())
    assert again == written
    assert (tmp_path / 'all/a/0.png').read_bytes() == before


def test_files_of_others_are_left_alone(labelled, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/photo.png').write_bytes(b'photo')
    chosen = AccumulatedLabels.select(labelled, [0], 4, 'A')
    with pytest.raises(ConfigError, match='mine.* is not empty'):
        chosen.write(tmp_path / 'mine', labelled.manifest)
    assert (tmp_path / 'mine/photo.png').read_bytes() == b'photo'


def test_a_lost_label_leaves_no_manifest(labelled, tmp_path):
    chosen = AccumulatedLabels.select(labelled, [0, 1], 4, 'A')
    chosen.files[1].unlink()
    with pytest.raises(DataError, match=r'labels/b/1\.png'):
        chosen.write(tmp_path / 'all', labelled.manifest)
    assert not (tmp_path / 'all/manifest.json').exists()


def test_a_folder_may_have_no_image(labelled, tmp_path):
    nothing = AccumulatedLabels.select(labelled, [], 4, 'A')
    nothing.write(tmp_path / 'all', labelled.manifest)
    assert len(AccumulatedLabels.read(tmp_path / 'all')) == 0


def test_a_damaged_table_is_named(written, tmp_path):
    (tmp_path / 'all/accumulated.csv').write_text('key\nx\n')
    with pytest.raises(DataError, match=r'accumulated\.csv'):
        AccumulatedLabels.read(tmp_path / 'all')


def test_equal_labels_give_equal_bytes(labelled, tmp_path):
    contents = []
    for order in ([0, 1], [1, 0]):
        chosen = AccumulatedLabels.select(labelled, order, 1, 'A')
        root = tmp_path / f'out{order[0]}'
        chosen.write(root, labelled.manifest)
        paths = sorted(p for p in root.rglob('*') if p.is_file())
        contents.append([(p.name, p.read_bytes()) for p in paths])
    assert len(contents[0]) == 6
    assert contents[0] == contents[1]


def test_the_example_of_the_documentation_adds_images(labelled, tmp_path):
    example = {}
    exec(examples()['choose_images.py'], example)
    first = AccumulatedLabels.select(labelled, [1], 0, 'A')
    first.write(tmp_path / 'first', labelled.manifest)
    args = labelled.root, 1, 1, 'A', tmp_path / 'all', tmp_path / 'first'
    added = example['best_images'](*args)
    assert added.statistics.keys == ('a/0', 'b/1')
    assert added.cycles == (1, 0)


@pytest.mark.parametrize(
    'line', [b'../outside,0,0,0,A', b'{root}/outside,0,0,0,A', b'', b'\xff,0']
)
def test_table_that_is_damaged_or_names_files_elsewhere(
    written, labelled, tmp_path, line
):
    outside = tmp_path / 'outside.png'
    outside.write_bytes(b'')
    line = line.replace(b'{root}', str(tmp_path).encode())
    with (tmp_path / 'all/accumulated.csv').open('ab') as table:
        table.write(line + b'\n')
    with pytest.raises(DataError, match=r'accumulated\.csv. is damaged'):
        written.write(tmp_path / 'all', labelled.manifest)
    assert outside.exists()
    assert (tmp_path / 'all/manifest.json').exists()
