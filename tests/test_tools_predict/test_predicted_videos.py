"""Videos that tools/predict.py writes."""

import numpy as np
import pytest
from predicting_network import files_below

from mmuda.apis import Segmentation, Segmenter
from mmuda.apis.prediction_files import PredictionFiles
from mmuda.apis.prediction_runs import write_frames
from mmuda.apis.video_files import read_frames, written_video


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
