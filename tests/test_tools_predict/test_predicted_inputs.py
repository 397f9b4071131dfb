"""Inputs of tools/predict.py, and whose files they have."""

import json
import shutil

from predicting_network import LABELS, files_below
from tools_in_process import load_tool


def test_the_input_may_come_last():
    tool = load_tool('predict.py')
    words = ['--checkpoint', 'a.pth', '--checkpoint', 'b.pth', 'street.jpg']
    args = tool['parse_args']([*words, '--out', 'o'])
    assert args.input == ['street.jpg']
    assert args.checkpoint == ['a.pth', 'b.pth']


def test_inputs_before_and_behind_options():
    words = ['a.jpg', '--checkpoint', 'a.pth', 'b.jpg', '--out', 'o', 'c']
    args = load_tool('predict.py')['parse_args'](words)
    assert (args.input, str(args.out)) == (['a.jpg', 'b.jpg', 'c'], 'o')


def test_several_inputs(predict, images, video, tmp_path):
    out, late = tmp_path / 'out', tmp_path / 'late.jpg'
    shutil.copy(images / 'a.jpg', late)
    # One is named twice.
    words = images, late, video, late, '--out', out
    code, printed = predict(*words, '--overlay')
    assert code == 0, printed
    assert 'Predicted 4 images: ' in printed
    assert 'Predicted 4 frames: ' in printed
    expected = sorted([*LABELS, 'late.png', 'drive.avi'])
    assert files_below(out / 'labels') == expected
    assert files_below(out / 'overlay') == expected
    record = json.loads((out / 'predictions.json').read_text())
    assert list(record['inputs']) == [*map(str, (images, late, video))]
    late.touch()
    code, printed = predict(*words)
    assert 'Predicted 1 image, 3 there already: ' in printed
    assert 'Predicted 0 videos, 1 there already: ' in printed
    # Alone it is still its own.
    code, printed = predict(late, '--out', out)
    assert 'Predicted 0 images, 1 there already: ' in printed


def test_inputs_of_one_name_are_refused(predict, images, tmp_path):
    first, second = images / 'a.png', images / 'town/a.png'
    code, printed = predict(first, second, '--out', tmp_path / 'out')
    assert code == 2
    assert (
        f"'{first}' and '{second}' would both be written to "
        f"'{tmp_path}/out/labels/a.png'; predict a folder that holds both, "
        'or name an --out for each'
    ) in printed
    assert files_below(tmp_path / 'out') == []


def test_one_missing_input_of_several(predict, images, tmp_path):
    words = images, tmp_path / 'none.jpg', '--out', tmp_path / 'out'
    code, printed = predict(*words)
    assert code == 2
    assert "none.jpg': no such image, folder or video" in printed
    assert not (tmp_path / 'out').exists()


def test_an_input_that_is_missing(predict, tmp_path):
    code, printed = predict(tmp_path / 'none', '--out', tmp_path / 'out')
    assert code == 2
    assert 'no such image, folder or video' in printed
    assert not (tmp_path / 'out').exists()


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
