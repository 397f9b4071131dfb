"""Files that tools/predict.py writes, of images and videos."""

import json
import os
import re
import shutil
import sys

import mmcv
import numpy as np
import predicting_network
import pytest
import torch
from PIL import Image
from tools_in_process import load_tool, run_loaded

from mmuda.apis import Segmentation, Segmenter
from mmuda.apis.prediction_files import PredictionFiles
from mmuda.apis.prediction_runs import write_frames
from mmuda.apis.video_files import read_frames, written_video
from mmuda.datasets.server_formats import FORMATS


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return predicting_network.write(tmp_path_factory.mktemp('small'))


@pytest.fixture
def predict(small, monkeypatch, capsys):
    """Run the tool with the checkpoint."""
    tool = load_tool('predict.py')

    def run(*words, checkpoint=small['checkpoint'], device='cpu'):
        words = [*words, '--checkpoint', checkpoint, '--device', device]
        return run_loaded(tool, words, monkeypatch, capsys)

    return run


@pytest.fixture
def images(small, tmp_path):
    """Two images that differ in their ending alone, and one in a folder."""
    first, second = predicting_network.images_below(small['images'])
    folder = tmp_path / 'images'
    (folder / 'town').mkdir(parents=True)
    shutil.copy(first, folder / 'a.png')
    shutil.copy(second, folder / 'town/a.png')
    mmcv.imwrite(mmcv.imread(second), str(folder / 'a.jpg'))
    return folder


def files_below(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and not path.name.startswith('.')
    )


LABELS = ['a.jpg.png', 'a.png.png', 'town/a.png']


def test_a_folder(predict, images, tmp_path, small):
    out = tmp_path / 'out'
    code, printed = predict(
        images, '--out', out, '--overlay', '--entropy', '--probabilities'
    )
    assert code == 0, printed
    assert 'Predicted 3 images' in printed
    expected = ['predictions.json']
    for kind in ('labels', 'overlay', 'entropy', 'probabilities'):
        ending = '.npz' if kind == 'probabilities' else '.png'
        expected += [f'{kind}/{n[:-4]}{ending}' for n in LABELS]
    assert files_below(out) == sorted(expected)
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    sources = 'a.jpg', 'a.png', 'town/a.png'
    for name, image in zip(LABELS, sources, strict=True):
        result = own.predict(
            str(images / image), outputs=('entropy', 'probabilities')
        )
        label = Image.open(out / 'labels' / name)
        assert label.mode == 'P'
        assert np.array_equal(np.asarray(label), result.label_map)
        drawn = np.asarray(Image.open(out / 'overlay' / name))
        assert np.array_equal(drawn, result.overlay())
        drawn = np.asarray(Image.open(out / 'entropy' / name))
        assert np.array_equal(drawn, result.entropy_picture())
        with np.load(out / f'probabilities/{name[:-4]}.npz') as stored:
            values = stored['probabilities']
            assert list(stored['classes']) == list(own.classes)
        assert abs(values - result.probabilities).max() < 1e-3


def test_a_run_goes_on_where_it_stopped(predict, images, tmp_path):
    out = tmp_path / 'out'
    assert predict(images, '--out', out)[0] == 0
    kept, damaged, older = (out / 'labels' / name for name in LABELS)
    times = kept.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-20])
    os.utime(older, ns=(1, 1))
    code, printed = predict(images, '--out', out)
    assert code == 0
    assert 'Predicted 2 images, 1 there already' in printed
    assert kept.stat().st_mtime_ns == times
    assert np.asarray(Image.open(damaged)).shape == (48, 96)
    # What is asked for now has to be there, too.
    code, printed = predict(images, '--out', out, '--overlay')
    assert 'Predicted 3 images:' in printed
    code, printed = predict(images, '--out', out, '--overwrite')
    assert 'Predicted 3 images:' in printed


def test_predictions_of_two_networks_are_not_mixed(predict, images, tmp_path):
    out = tmp_path / 'out'
    assert predict(images / 'a.png', '--out', out)[0] == 0
    code, printed = predict(images / 'a.png', '--out', out, '--tta')
    assert code == 2
    assert 'made otherwise (config)' in printed
    code, printed = predict(
        images / 'a.png', '--out', out, '--tta', '--overwrite'
    )
    assert code == 0, printed
    record = json.loads((out / 'predictions.json').read_text())
    assert len(record['network']['checkpoints'][0]) == 64


def test_predictions_of_two_inputs_are_not_mixed(predict, images, tmp_path):
    out = tmp_path / 'out'
    assert predict(images / 'a.png', '--out', out)[0] == 0
    code, printed = predict(images / 'a.jpg', '--out', out)
    assert code == 2
    assert f"prediction of '{images}/a.jpg' that is known" in printed
    shutil.copy(images / 'a.jpg', images / 'c.jpg')
    code, printed = predict(images / 'c.jpg', '--out', out)
    assert code == 0, printed
    code, printed = predict(images / 'a.png', '--out', out)
    assert 'Predicted 0 images, 1 there already' in printed


def test_files_whose_names_have_changed_are_removed(predict, images, tmp_path):
    out, later = tmp_path / 'out', images / 'a.jpg'
    later.rename(tmp_path / 'a.jpg')
    assert predict(images, '--out', out)[0] == 0
    assert (out / 'labels/a.png').exists()
    (tmp_path / 'a.jpg').rename(later)
    code, printed = predict(images, '--out', out)
    assert 'Predicted 2 images, 1 there already' in printed
    assert files_below(out / 'labels') == LABELS
    # Another image takes the name.
    (images / 'a.png').unlink()
    code, printed = predict(images, '--out', out)
    assert 'Predicted 1 image, 1 there already' in printed
    assert 'a.png' in files_below(out / 'labels')


def test_files_of_others_are_not_replaced(predict, images, tmp_path):
    mine = tmp_path / 'out/labels/a.png'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'mine')
    code, printed = predict(images / 'a.png', '--out', tmp_path / 'out')
    assert code == 2
    assert 'that is known' in printed
    assert mine.read_bytes() == b'mine'


def test_results_may_lie_among_the_images(predict, images):
    for count in (3, 0):
        code, printed = predict(images, '--out', images)
        assert code == 0
        assert f'Predicted {count} images' in printed
    assert len(files_below(images / 'labels')) == 3


def test_an_unreadable_image_is_named_and_the_others_go_on(
    predict, images, tmp_path
):
    (images / 'b.jpg').write_bytes((images / 'a.jpg').read_bytes()[:-40])
    code, printed = predict(images, '--out', tmp_path / 'out')
    assert code == 1
    assert 'Predicted 3 images' in printed
    assert f'{str(images / "b.jpg")!r}' in printed
    assert '1 image(s) cannot be read' in printed


@pytest.mark.parametrize('server', ['cityscapes', 'acdc'])
def test_ids_of_a_server(predict, images, tmp_path, small, server):
    out = tmp_path / 'out'
    code, printed = predict(images / 'a.png', '--out', out, '--ids', server)
    assert code == 0, printed
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    result = own.predict(str(images / 'a.png'))
    ids = Image.open(out / 'labels/a.png')
    assert ids.mode == 'L'
    table = FORMATS[server].table(own.classes)
    assert np.array_equal(np.asarray(ids), table[result.label_map])


def test_an_input_that_is_missing(predict, tmp_path):
    code, printed = predict(tmp_path / 'none', '--out', tmp_path / 'out')
    assert code == 2
    assert 'no such image, folder or video' in printed
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path, and the file that an import of it makes."""
    folder, made = tmp_path / 'other_package', tmp_path / 'made'
    folder.mkdir()
    (folder / '__init__.py').write_text(f"open({str(made)!r}, 'w').close()")
    (folder / 'registry.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name, made
    sys.modules.pop(folder.name, None)
    sys.modules.pop(f'{folder.name}.registry', None)


@pytest.mark.parametrize(
    ('old', 'new', 'code'),
    [
        ('(default_scope ?= ?).*', r"\1'{}'", 2),
        (r'(\nmodel ?= ?dict\()', r"\1_scope_='{}', ", 2),
        (r'(decode_head=dict\()', r"\1_scope_='{}', ", 2),
        ("type='(AdvEnt)'", r"type='{}.\1'", 2),
        (r'(\nmodel ?=)', r"\ncustom_imports = dict(imports=['{}'])\1", 0),
    ],
)
def test_a_checkpoint_imports_no_package(
    predict, images, tmp_path, small, package, old, new, code
):
    name, made = package
    content = torch.load(small['checkpoint'])
    text, count = re.subn(old, new.format(name), content['meta']['cfg'])
    assert count >= 1
    content['meta']['cfg'] = text
    torch.save(content, tmp_path / 'a.pth')
    found, printed = predict(
        *(images / 'a.png', '--out', tmp_path / 'out'),
        checkpoint=tmp_path / 'a.pth',
    )
    assert not made.exists()
    assert found == code, printed
    if code:
        assert printed.count('error: ') == 1
        assert 'pass the config that it was trained with' in printed


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        ('setting=gta2cs', 'name the config (--config) to change its setting'),
        ('modle.teacher=True', "did you mean 'model'"),
        ('model.segmentor.test_cfg.mode=slide', "are needed by mode='slide'"),
    ],
)
def test_options_that_do_nothing(predict, images, tmp_path, option, told):
    out = tmp_path / 'out'
    code, printed = predict(images, '--out', out, '--cfg-options', option)
    assert code == 2
    assert told in printed
    assert not out.exists()


def test_a_setting_needs_a_config(predict, images, tmp_path):
    code, printed = predict(
        images, '--out', tmp_path / 'out', '--setting', 'gta2cs'
    )
    assert code == 2
    assert 'name the config (--config)' in printed


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 'cpu:x', ''])
def test_a_device_that_is_not_there(predict, images, tmp_path, device):
    out = tmp_path / 'out'
    code, printed = predict(images, '--out', out, device=device)
    assert code == 2
    count = torch.cuda.device_count()
    assert (
        f"--device '{device}': take cpu, cuda or cuda:N; this machine has "
        f'{count} GPU'
    ) in printed
    assert not out.exists()


@pytest.fixture
def video(small, tmp_path):
    path = tmp_path / 'drive.avi'
    image = mmcv.imread(predicting_network.images_below(small['images'])[0])
    with written_video(path, 10) as writer:
        for number in range(4):
            writer.add(np.roll(image[..., ::-1], 7 * number, axis=1))
    return path


def test_a_video(predict, video, tmp_path, small):
    out = tmp_path / 'out'
    code, printed = predict(video, '--out', out, '--overlay', '--entropy')
    assert code == 0, printed
    assert 'Predicted 4 frames' in printed
    names = [f'{kind}/drive.avi' for kind in ('entropy', 'labels', 'overlay')]
    assert files_below(out) == [*names, 'predictions.json']
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    results = list(own.predict(str(video)))
    assert len(results) == 4
    pictures = colours_of, Segmentation.overlay
    for name, picture in zip(names[1:], pictures, strict=True):
        frames = list(read_frames(out / name))
        assert len(frames) == 4
        for frame, result in zip(frames, results, strict=True):
            drawn = picture(result).astype(float)
            shown = frame[: drawn.shape[0], : drawn.shape[1], ::-1]
            # Compressed with loss.
            assert abs(shown - drawn).mean() < 25
    code, printed = predict(video, '--out', out, '--overlay', '--entropy')
    assert code == 0
    assert 'Predicted 0 videos, 1 there already' in printed


def colours_of(result):
    return np.array(result.palette)[result.label_map]


@pytest.mark.parametrize('words', [['--probabilities'], ['--ids', 'acdc']])
def test_a_video_holds_no_values(predict, video, tmp_path, words):
    code, printed = predict(video, '--out', tmp_path / 'out', *words)
    assert code == 2
    assert 'a video shows colours' in printed


def test_a_video_that_ends_too_early_is_a_fault(predict, video, tmp_path):
    whole = video.read_bytes()
    with written_video(video, 10) as writer:
        for frame in [*read_frames(video)] * 4:
            writer.add(frame)
    video.write_bytes(video.read_bytes()[: len(whole) * 2])
    for _ in range(2):
        code, printed = predict(video, '--out', tmp_path / 'out')
        assert code == 1
        count = len(list(read_frames(tmp_path / 'out/labels/drive.avi')))
        assert 1 <= count < 14
        assert f'Predicted {count} frame' in printed
        assert f"drive.avi': {count} of 16 frames could be" in printed
        assert 'image(s)' not in printed


@pytest.mark.parametrize('name', ['drive.mp4', '99'])
def test_what_cannot_be_opened_leaves_nothing(predict, tmp_path, name):
    source = tmp_path / name if '.' in name else name
    if '.' in name:
        source.write_bytes(b'nothing')
    code, printed = predict(source, '--out', tmp_path / 'out')
    assert code == 2
    assert 'cannot be opened' in printed
    assert not (tmp_path / 'out').exists()


def test_the_input_may_come_last():
    tool = load_tool('predict.py')
    words = ['--checkpoint', 'a.pth', '--checkpoint', 'b.pth', 'street.jpg']
    args = tool['parse_args']([*words, '--out', 'o'])
    assert args.input == 'street.jpg'
    assert args.checkpoint == ['a.pth', 'b.pth']


def test_a_camera_ends_with_a_whole_file(small, video, tmp_path):
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    files = PredictionFiles(tmp_path)

    def frames():
        yield from own.predict(str(video))
        yield from own.predict(str(video))
        raise KeyboardInterrupt

    for endless, name in ((True, 'a.avi'), (False, 'b.avi')):
        try:
            with written_video(tmp_path / name, 5) as writer:
                write_frames(
                    frames(), files, dict(labels=writer), endless=endless
                )
        except KeyboardInterrupt:
            assert not endless
    count = len(list(read_frames(tmp_path / 'a.avi')))
    assert 1 <= count <= 8
    assert not (tmp_path / 'b.avi').exists()
