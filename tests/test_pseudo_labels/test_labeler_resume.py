"""The same bytes from any number of processes, and after a stop."""

import os
import signal

import pytest
from gloo import run
from labeling_runs import files_of, label, write_images
from warm_processes import CONTEXT

from mmuda.pseudo_labels.second_pass import Spool
from mmuda.utils.errors import DataError

COUNT = 7


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('many'), COUNT)


@pytest.fixture(scope='module')
def expected(images, tmp_path_factory):
    out = tmp_path_factory.mktemp('one') / 'labels'
    label(images, out, batch_size=2)
    return files_of(out)


class Stopped(Exception):
    pass


def stop_at(part, count):
    """A report that raises after so many images of a part."""

    def report(current, done, total):
        if current == part and done >= count:
            raise Stopped

    return report


def test_two_processes_write_the_bytes_of_one(images, expected, tmp_path):
    out = tmp_path / 'labels'
    run(label, tmp_path, images, out, None, None)
    alone = tmp_path / 'alone'
    label(images, alone)
    assert files_of(out) == files_of(alone)


@pytest.mark.parametrize(
    ('part', 'count'), [('labelling', 4), ('selecting', 3)]
)
def test_a_stopped_run_continues_to_the_same_bytes(
    images, expected, tmp_path, part, count
):
    out = tmp_path / 'labels'
    with pytest.raises(Stopped):
        label(images, out, batch_size=2, report=stop_at(part, count))
    label(images, out, batch_size=2)
    assert files_of(out) == expected


def test_finished_images_are_not_labelled_again(images, tmp_path):
    """Those whose files are there; of what a stop has cut off some are not."""
    out = tmp_path / 'labels'

    def label_all():
        # Threads write; when selecting begins, all of them have.
        with pytest.raises(Stopped):
            label(images, out, batch_size=1, report=stop_at('selecting', 1))
        files = sorted(Spool(out).folder.rglob('*.npy'))
        return {path: path.stat().st_mtime_ns for path in files}

    first = label_all()
    assert len(first) == COUNT
    missing = [*first][1::3]
    for path in missing:
        path.unlink()
    second = label_all()
    assert second.keys() == first.keys()
    changed = [path for path in first if first[path] != second[path]]
    assert changed == missing


def test_damaged_notes_are_those_of_another_job(images, expected, tmp_path):
    out = tmp_path / 'labels'
    with pytest.raises(Stopped):
        label(images, out, batch_size=2, report=stop_at('labelling', 4))
    (Spool(out).folder / 'job.json').write_bytes(b'\xff')
    label(images, out, batch_size=2)
    assert files_of(out) == expected


@pytest.mark.parametrize('content', [b'', b'x', b'\x93NUMPY'])
def test_damaged_scores_are_named(tmp_path, content):
    spool = Spool(tmp_path)
    spool.folder.mkdir()
    (spool.folder / 'a.npy').write_bytes(content)
    with pytest.raises(DataError, match=r'a\.npy.*remove the folder'):
        spool.read('a')


def _label_until_killed(images, out, at):
    def report(part, done, total):
        if (part, done) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    label(images, out, batch_size=2, report=report)


@pytest.mark.parametrize('at', [('labelling', 4), ('selecting', 3)])
def test_a_killed_process_continues_to_the_same_bytes(
    images, expected, tmp_path, at
):
    out = tmp_path / 'labels'
    process = CONTEXT.Process(
        target=_label_until_killed, args=(images, out, at)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    label(images, out, batch_size=2)
    assert files_of(out) == expected


def test_what_another_job_left_is_not_used(images, tmp_path):
    out, alone = tmp_path / 'labels', tmp_path / 'alone'
    with pytest.raises(Stopped):
        label(images, out, report=stop_at('labelling', 4))
    other = dict(type='ConfidenceQuantile')
    label(images, out, rule=other)
    label(images, alone, rule=other)
    assert files_of(out) == files_of(alone)
