"""What of a log is on the screen before a run begins, and after."""

import logging
import subprocess
import sys
import uuid

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmuda.utils.screen import VERBOSE, hold_back, show_all, tell

SKIPPED = 'backbone.conv1.weight is skipped since its requires_grad=False'


@pytest.fixture
def make(tmp_path, capsys):
    """Make the logger of a run, and return what shows and what is written."""

    def logger(level='INFO'):
        path = tmp_path / 'run.log'
        made = MMLogger.get_instance(
            uuid.uuid4().hex, log_file=str(path), log_level=level
        )
        hold_back(made)
        return made, lambda: (capsys.readouterr().out, path.read_text())

    return logger


def test_lines_before_the_run_are_in_the_file_only(make):
    logger, texts = make()
    logger.info('the whole config')
    screen, file = texts()
    assert screen == ''
    assert file.count('the whole config') == 1


@pytest.mark.parametrize('level', ['warning', 'error', 'critical'])
def test_warnings_and_errors_are_never_hidden(make, level):
    logger, texts = make()
    getattr(logger, level)('mind the gap')
    screen, file = texts()
    assert screen.count('mind the gap') == file.count('mind the gap') == 1


def test_tensors_that_are_not_trained_are_no_warnings(make):
    logger, texts = make()
    logger.warning(SKIPPED)
    logger.warning(f'{SKIPPED}, which is odd')
    screen, file = texts()
    assert screen.count('is skipped') == 1
    assert file.count('is skipped') == 2


@pytest.mark.parametrize('begun', [False, True])
def test_old_ways_of_mmengine_are_no_warnings(make, begun):
    logger, texts = make()
    if begun:
        show_all(logger)
    logger.warning('"FileClient" will be deprecated in future. Please use io')
    screen, file = texts()
    assert screen == ''
    assert 'FileClient' in file


def test_what_is_told_is_shown_at_once(make):
    _, texts = make()
    tell('Downloading weights')
    screen, file = texts()
    assert 'Downloading weights' in screen
    assert 'Downloading weights' in file


def test_all_is_shown_once_the_run_begins(make):
    logger, texts = make()
    show_all(logger)
    logger.info('Iter(train)')
    logger.warning(SKIPPED)
    assert len(texts()[0].splitlines()) == 2


def test_a_second_run_with_the_same_logger_is_held_back_again(make):
    logger, texts = make()
    show_all(logger)
    hold_back(logger)
    logger.info('the whole config')
    assert texts()[0] == ''
    screens = [
        h for h in logger.handlers if not isinstance(h, logging.FileHandler)
    ]
    assert [len(handler.filters) for handler in screens] == [2]


def test_a_log_of_level_debug_is_shown_whole(make):
    logger, texts = make('DEBUG')
    logger.debug('details')
    assert 'details' in texts()[0]


def test_verbose_shows_all(make, monkeypatch):
    monkeypatch.setenv(VERBOSE, '1')
    logger, texts = make()
    logger.info('the whole config')
    assert 'the whole config' in texts()[0]


@pytest.mark.parametrize(
    ('channels', 'level', 'told'),
    [(3, None, False), (4, None, False), (4, 'WARNING', True)],
)
def test_a_tiff_of_four_channels_is_no_line_on_the_screen(
    tmp_path, monkeypatch, channels, level, told
):
    monkeypatch.delenv('OPENCV_LOG_LEVEL', raising=False)
    if level is not None:
        monkeypatch.setenv('OPENCV_LOG_LEVEL', level)
    file = tmp_path / 'a.tif'
    cv2.imwrite(str(file), np.zeros((4, 4, channels), np.uint16))
    code = (
        f'import mmuda, cv2; assert cv2.imread({str(file)!r}, -1).any() == 0'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert ('TIFFReadDirectory' in done.stderr) is told
