import pytest
from toy_colors import contents, write_images
from toy_translations import translate, write_domains

from mmuda.translation.lab_images import find_images
from mmuda.translation.lab_jobs import LabTranslationJob
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.locks import locked_folder


@pytest.fixture
def folders(tmp_path):
    return write_domains(tmp_path)


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'seed': 1}, 'seed 0, not 1'),
        ({'source': 'source/a'}, "source .*/source', not .*/source/a'"),
        ({'target': 'source/b'}, 'target_images 5, not 2'),
    ],
)
def test_other_settings_are_refused_and_nothing_changed(
    folders, changed, message
):
    translate(folders)
    before = contents(folders / 'out')
    with pytest.raises(DataError, match=message):
        translate(folders, **changed)
    assert contents(folders / 'out') == before


def test_another_target_of_as_many_images_is_refused(folders):
    translate(folders)
    write_images(folders / 'other', 5, start=90, size=(9, 5))
    with pytest.raises(DataError, match='target_sha256'):
        translate(folders, target='other')


def test_overwrite_translates_all_and_removes_the_old(folders):
    translate(folders)
    (folders / 'out/mine.png').write_bytes(b'mine')
    translate(folders, source='source/a', seed=1, overwrite=True)
    translate(folders, 'new', source='source/a', seed=1)
    expected = {**contents(folders / 'new'), 'mine.png': b'mine'}
    assert contents(folders / 'out') == expected


def test_overwrite_stays_in_its_folder(folders):
    translate(folders)
    rows = 'source,target\n../source/a/00.png,00.png\n'
    (folders / 'out/pairs.csv').write_text(rows)
    translate(folders, overwrite=True)
    assert (folders / 'source/a/00.png').is_file()


@pytest.mark.parametrize('content', [b'\xff\xfe\0', b'a\nb\0c.png\n\0'])
def test_overwrite_over_a_damaged_table(folders, content):
    translate(folders)
    whole = contents(folders / 'out')
    (folders / 'out/pairs.csv').write_bytes(content)
    translate(folders, overwrite=True)
    assert contents(folders / 'out') == whole


def test_a_table_that_is_none_is_refused(folders):
    translate(folders)
    (folders / 'out/pairs.csv').write_bytes(b'a' * 2**20)
    with pytest.raises(DataError, match=r'pairs\.csv. is damaged .*; remove'):
        translate(folders, overwrite=True)


def test_foreign_folder_is_refused(folders):
    (folders / 'out').mkdir()
    (folders / 'out/a.txt').write_text('mine')
    with pytest.raises(DataError, match='holds files that are no translation'):
        translate(folders, overwrite=True)
    assert contents(folders / 'out') == {'a.txt': b'mine'}


def test_damaged_settings_are_named(folders):
    translate(folders)
    (folders / 'out/settings.json').write_text('{')
    with pytest.raises(DataError, match=r'settings\.json.* is damaged'):
        translate(folders)


@pytest.mark.parametrize('out', ['source', 'source/new', 'target/new'])
def test_output_among_images_is_refused(folders, out):
    before = contents(folders)
    with pytest.raises(DataError, match='lies among the images'):
        translate(folders, out)
    assert contents(folders) == before


def test_folder_that_another_run_writes_to_is_refused(folders):
    (folders / 'out').mkdir()
    with (
        locked_folder(folders / 'out', 'OUT'),
        pytest.raises(ConfigError, match='another process works in'),
    ):
        translate(folders)
    assert translate(folders).written == 4


def test_output_over_listed_images_is_refused(folders):
    (folders / 'list.txt').write_text('source/a/00.png\n')
    with pytest.raises(DataError, match='lies among the images'):
        translate(folders, '.', source='list.txt')


def test_output_over_images_of_a_wider_root_is_refused(folders):
    job = LabTranslationJob(
        find_images(folders / 'source/a', 'SOURCE', folders),
        find_images(folders / 'target', 'TARGET'),
        folders,
        progress=False,
    )
    with pytest.raises(DataError, match='lies among the images'):
        job.run()


def test_output_next_to_listed_images_is_fine(folders):
    (folders / 'list.txt').write_text('source/a/00.png\n')
    assert translate(folders, 'new', source='list.txt').written == 1
