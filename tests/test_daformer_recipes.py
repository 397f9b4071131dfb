"""What the READMEs of DACS, DAFormer, HRDA and MIC tell to run."""

import re

import pytest
from doc_pages import blocks
from test_daformer_configs import FOLDERS, ROOT

from mmuda.utils.config import load_config

PUBLISHED_IMAGES = 2
_TRAINING = ('tools/train.py', 'tools/dist_train.sh')


def trainings(folder):
    """Leaves, processes and configs of a README's trainings, in order."""
    code = '\n'.join(blocks(f'configs/{folder}/README.md', 'bash'))
    for line in code.splitlines():
        words = line.partition('#')[0].split()
        if not any(word.endswith(_TRAINING) for word in words[:2]):
            continue
        python = words[0] == 'python'
        leaf = words[1 + python].removeprefix('configs/')
        options = dict(re.findall(r'([\w.]+)=(\S+)', line))
        values = {key: float(value) for key, value in options.items()}
        values = {
            k: int(v) if v.is_integer() else v for k, v in values.items()
        }
        processes = 1 if python else int(words[2])
        yield leaf, processes, load_config(ROOT / leaf, values)


def images_of(processes, cfg):
    return processes * cfg.train_dataloader.batch_size


@pytest.mark.parametrize('folder', FOLDERS)
def test_the_first_command_is_the_published_recipe(folder):
    leaf, processes, cfg = next(trainings(folder))
    assert leaf == f'{folder}/{folder}_gta2cs.py'
    assert (processes, images_of(processes, cfg)) == (1, PUBLISHED_IMAGES)


@pytest.mark.parametrize('folder', FOLDERS)
def test_more_images_come_with_a_schedule_of_their_own(folder):
    for leaf, processes, cfg in trainings(folder):
        published = load_config(ROOT / leaf)
        more = images_of(processes, cfg) / PUBLISHED_IMAGES
        assert cfg.train_cfg.max_iters * more == published.train_cfg.max_iters
        for own, one in zip(
            cfg.param_scheduler, published.param_scheduler, strict=True
        ):
            # Both divide by end - 1.
            assert (own.end - 1) * more == one.end - 1
        rate, one = (
            c.optim_wrapper.segmentor.optimizer.lr for c in (cfg, published)
        )
        assert rate == pytest.approx(one * more**0.5, rel=2e-3)
        if more > 1:
            momentum = cfg.model.teacher.momentum
            assert momentum == pytest.approx(0.999**more, abs=2e-6)


def test_several_processes_are_told_of():
    """Of one recipe on two GPUs, and of what four need."""
    found = [
        (processes, images_of(processes, cfg))
        for _, processes, cfg in trainings('daformer')
    ]
    assert found == [(1, 2), (2, 2), (4, 4)]
