import numpy as np
import pytest
from mmcv.transforms import Compose
from torch.utils.data import DataLoader, Dataset
from toy_images import make_label
from toy_pseudo_labels import make_manifest, make_store

from mmuda.datasets import LoadPseudoLabels, PackDomainInputs
from mmuda.datasets.pseudo_labels.pseudo_label_store import publish_round
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError, DataError


def pseudo_sample(shape=(2, 2)):
    return {
        'key': 'ulm/a',
        'num_classes': 19,
        'img': np.zeros((*shape, 3), np.uint8),
        'img_shape': shape,
        'seg_fields': [],
    }


def make_one(root, ids):
    """Write the label of one image and a manifest."""
    make_manifest(['ulm/a']).write(root)
    return make_label(root / 'ulm/a.png', np.array(ids, np.uint8))


def load(root, sample=None, **options):
    transform = LoadPseudoLabels(str(root), **options)
    return transform(sample or pseudo_sample())['pseudo_seg_map']


def test_pseudo_label(tmp_path):
    ids = make_one(tmp_path, [[0, 18], [255, 3]])
    results = LoadPseudoLabels(str(tmp_path))(pseudo_sample())
    assert np.array_equal(results['pseudo_seg_map'], ids)
    assert results['seg_fields'] == ['pseudo_seg_map']


def test_missing_pseudo_label(tmp_path):
    make_manifest().write(tmp_path)
    with pytest.raises(DataError, match=r'ulm/a\.png.*generate'):
        load(tmp_path)


def test_pseudo_label_with_unknown_class(tmp_path):
    make_one(tmp_path, np.full((2, 2), 19))
    with pytest.raises(DataError, match=r'ulm/a\.png.*\[19\].*0-18, 255'):
        load(tmp_path)


def test_pseudo_label_of_another_size(tmp_path):
    make_one(tmp_path, np.zeros((2, 2)))
    with pytest.raises(DataError, match=r'is 2x2 .*is 4x2 .*after Resize'):
        load(tmp_path, pseudo_sample((2, 4)))


def test_pseudo_label_is_resized_on_request(tmp_path):
    make_one(tmp_path, [[1, 2]])
    labels = load(tmp_path, pseudo_sample((1, 4)), resize=True)
    assert labels.tolist() == [[1, 1, 2, 2]]


def test_pseudo_label_needs_a_key(tmp_path):
    with pytest.raises(ConfigError, match="misses 'key'.*DomainSegDataset"):
        LoadPseudoLabels(str(tmp_path))({})


def test_pseudo_label_needs_an_image(tmp_path):
    with pytest.raises(ConfigError, match="misses 'img': put LoadImage"):
        LoadPseudoLabels(str(tmp_path))({'key': 'ulm/a'})


# Manifest and rounds


def test_labels_without_a_manifest_are_refused(tmp_path):
    make_label(tmp_path / 'ulm/a.png', np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match=r'no manifest\.json.*trust=True'):
        load(tmp_path)


def test_labels_without_a_manifest_are_trusted_on_request(tmp_path):
    make_label(tmp_path / 'ulm/a.png', np.full((2, 2), 7, np.uint8))
    assert (load(tmp_path, trust=True) == 7).all()


def test_before_the_first_round_every_pixel_is_rejected(tmp_path):
    root = tmp_path / 'later'
    labels = load(root, pseudo_sample((2, 5)), allow_missing=True)
    assert labels.tolist() == [[255] * 5] * 2
    assert labels.dtype == np.uint8


def test_missing_file_of_a_finished_round(tmp_path):
    make_manifest().write(tmp_path / 'round_0001')
    publish_round(tmp_path, 'round_0001')
    with pytest.raises(DataError, match=r'round_0001/ulm/a\.png'):
        load(tmp_path, allow_missing=True)


class Repeated(Dataset):
    """The same image again and again, with the labels of the moment."""

    def __init__(self, root):
        self.transform = LoadPseudoLabels(str(root), allow_missing=True)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.transform(pseudo_sample())['pseudo_seg_map']


def test_living_loader_processes_read_the_new_round(tmp_path):
    loader = DataLoader(
        Repeated(tmp_path), num_workers=1, persistent_workers=True
    )
    seen = [next(iter(loader)).max().item()]
    for number in (1, 2):
        name = f'round_{number:04d}'
        make_store(tmp_path / name, ['ulm/a'], ids=number, size=(2, 2))
        publish_round(tmp_path, name)
        seen.append(next(iter(loader)).max().item())
    assert seen == [255, 1, 2]


# With the transforms around it


def moved(tmp_path, *transforms):
    """Load 0..23 as labels of (4, 6), whose image has them in blue."""
    ids = make_one(tmp_path, np.arange(24).reshape(4, 6) % 19)
    sample = pseudo_sample((4, 6))
    sample['img'][..., 0] = ids
    steps = [TRANSFORMS.build(dict(step)) for step in transforms]
    return Compose([LoadPseudoLabels(str(tmp_path)), *steps])(sample)


@pytest.mark.parametrize(
    ('direction', 'axis'), [('vertical', 0), ('horizontal', 1)]
)
def test_flip(tmp_path, direction, axis):
    flip = {'type': 'RandomFlip', 'prob': 1.0, 'direction': direction}
    results = moved(tmp_path, flip)
    expected = np.flip(np.arange(24).reshape(4, 6) % 19, axis)
    assert np.array_equal(results['pseudo_seg_map'], expected)
    assert np.array_equal(results['img'][..., 0], expected)


def test_random_crop(tmp_path):
    results = moved(tmp_path, {'type': 'RandomCrop', 'crop_size': (3, 2)})
    assert results['pseudo_seg_map'].shape == (3, 2)
    assert np.array_equal(results['img'][..., 0], results['pseudo_seg_map'])


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_resize_after_loading(tmp_path, backend):
    scaling = {'type': 'Resize', 'scale': (12, 8), 'backend': backend}
    results = moved(tmp_path, scaling)
    expected = np.kron(np.arange(24).reshape(4, 6) % 19, np.ones((2, 2)))
    assert np.array_equal(results['pseudo_seg_map'], expected)


def test_padding_is_rejected(tmp_path):
    results = moved(tmp_path, {'type': 'PadToSize', 'size': (8, 5)})
    assert (results['pseudo_seg_map'][4:] == 255).all()
    assert (results['pseudo_seg_map'][:, 6:] == 255).all()
    assert results['pseudo_seg_map'][3, 5] == 23 - 19


def test_image_flipped_before_loading(tmp_path):
    make_one(tmp_path, np.zeros((2, 2)))
    with pytest.raises(ConfigError, match='must come before RandomFlip'):
        load(tmp_path, {**pseudo_sample(), 'flip': True})


def test_packed_label(tmp_path):
    results = moved(tmp_path, {'type': 'RandomFlip', 'prob': 1.0})
    sample = PackDomainInputs()(results)['data_samples']
    assert sample.pseudo_sem_seg.data.shape == (1, 4, 6)
    assert sample.pseudo_sem_seg.data[0, 0].tolist() == [5, 4, 3, 2, 1, 0]
