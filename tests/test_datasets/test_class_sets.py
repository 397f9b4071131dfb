import pytest

from mmuda.datasets import CityscapesLabelIdsDataset
from mmuda.datasets.segmentation_dataset import require_same_label_set
from mmuda.utils.errors import ConfigError


@pytest.fixture
def make(tmp_path):
    def build(label_set):
        (tmp_path / 'images').mkdir(exist_ok=True)
        (tmp_path / 'images/a_leftImg8bit.png').touch()
        return CityscapesLabelIdsDataset(
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images'),
            label_set=label_set,
        )

    return build


def test_data_sets_name_their_label_set(make):
    assert make('seven_class').metainfo['label_set'] == 'seven_class'


def test_a_file_of_that_name_is_not_read(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'seven_class').write_text('text')
    assert make('seven_class').metainfo['label_set'] == 'seven_class'


def test_equal_label_sets_pass(make):
    require_same_label_set({name: make('seven_class') for name in 'ab'})


def test_other_label_sets_are_refused(make):
    datasets = dict(a=make('seven_class'), b=make('seven_class_consistent'))
    with pytest.raises(ConfigError, match="'a' has label_set='seven_class',"):
        require_same_label_set(datasets)
