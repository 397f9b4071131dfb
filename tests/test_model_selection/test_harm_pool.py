"""Which checkpoints a harm report compares with."""

import logging
import shutil

import pytest
import torch
from mmengine.logging import MMLogger
from toy_pools import demo_pool

from mmuda.model_selection.harm_comparison import (
    ONE_RUN,
    compare_with_source_only,
)
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.errors import ConfigError

SAMPLING = Sampling(target_count=2, source_count=2, workers=0)


@pytest.fixture(scope='module')
def pool(tmp_path_factory):
    return demo_pool(tmp_path_factory.mktemp('pool'))


def test_a_checkpoint_is_not_compared_with_itself(pool, tmp_path):
    cfg, (first, *_) = pool
    link = tmp_path / 'link.pth'
    link.symlink_to(first)
    with pytest.raises(ConfigError) as caught:
        compare_with_source_only(
            cfg, first, str(link), [], SAMPLING, lambda *_: None
        )
    assert str(caught.value) == (
        f'{link} is the checkpoint that is judged; name one that was trained '
        'on the source alone, such as iter_<n>.pth of a SourceOnly training'
    )


@pytest.mark.parametrize(
    ('kind', 'iteration', 'told'),
    [('MinEnt', 21, True), ('MinEnt', 20, False), ('SourceOnly', 21, False)],
    ids=['adapted', 'in the warm-up', 'source alone'],
)
def test_a_source_only_that_has_seen_targets_is_told(
    pool, tmp_path, kind, iteration, told
):
    """As where the two are swapped."""
    cfg, (first, second, _) = pool
    recorded = cfg.copy()
    recorded.model = recorded.model | dict(type=kind, warmup_iters=20)
    content = torch.load(second, weights_only=False)
    content['meta'] |= dict(cfg=recorded.pretty_text, iter=iteration)
    file = str(tmp_path / 'swapped.pth')
    torch.save(content, file)
    found = compare_with_source_only(
        cfg, first, file, [], SAMPLING, lambda *_: None
    )
    note = (
        f'{file} is no source-only checkpoint: MinEnt has adapted it to '
        'target, by the config that it holds; what follows compares with that'
    )
    assert (note in found.scores.notes) is told


def test_a_pool_names_each_checkpoint_once(pool, tmp_path):
    """``--pool iter_*.pth`` names the judged one, and the later ones, too."""
    cfg, (first, second, road) = pool
    files = [tmp_path / f'iter_{n}.pth' for n in (1000, 200, 600, 800)]
    for file, copied in zip(files, (road, second, first, second), strict=True):
        shutil.copyfile(copied, file)
    names = [str(file) for file in files]
    found = compare_with_source_only(
        cfg, names[3], first, [*names, first], SAMPLING, lambda *_: None
    )
    assert found.scores.names[0].endswith('iter_800.pth')
    assert found.scores.names[1:] == [
        *('iter_1.pth', 'iter_1000.pth', 'iter_200.pth', 'iter_600.pth')
    ]
    assert found.earlier == found.scores.names[4]
    assert found.content()['earlier'] == 'iter_600.pth'
    # Those of its run have no vote beside another one.
    other = tmp_path / 'other' / 'iter_5.pth'
    other.parent.mkdir()
    shutil.copyfile(second, other)
    asked = [names[3], names[0], str(other), str(other)]
    found = compare_with_source_only(
        cfg, names[3], first, asked, SAMPLING, lambda *_: None
    )
    assert found.earlier is None
    unknown = 'unstable labels, as there is no earlier checkpoint'
    assert unknown in found.report.unknown
    assert found.voters == (*found.scores.names[:2], found.scores.names[3])
    assert len(found.scores.names) == 4


def test_others_that_predict_no_numbers_are_nobody(pool, tmp_path):
    cfg, (first, second, road) = pool
    other, adapted = tmp_path / 'other.pth', tmp_path / 'adapted.pth'
    content = torch.load(second, weights_only=False)
    for value in content['state_dict'].values():
        if value.ndim == 4:
            # Finite, and its products are not.
            value.fill_(3e38)
    torch.save(content, other)
    shutil.copyfile(road, adapted)
    found = compare_with_source_only(
        cfg, str(adapted), first, [str(other)], SAMPLING, lambda *_: None
    )
    assert found.report.unknown[-1] == ONE_RUN


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        """Keep it."""
        self.lines.append(record.getMessage())


def test_each_checkpoint_is_logged_once(pool):
    cfg, (first, second, road) = pool
    logger, kept = MMLogger.get_current_instance(), Lines()
    logger.addHandler(kept)
    compare_with_source_only(
        cfg, road, first, [second], SAMPLING, lambda *_: None
    )
    logger.removeHandler(kept)
    loaded = [line for line in kept.lines if line.startswith('Loads')]
    assert [line.rpartition('/')[2] for line in loaded] == [
        *('iter_3.pth', 'iter_1.pth', 'iter_2.pth')
    ]
