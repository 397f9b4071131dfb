"""What the bar shows at usual widths, with the losses of real methods."""

import io
import re

import pytest
from rich.console import Console

from mmuda.hooks.progress_bar_hook import progress_bar

LOSSES = dict(
    advent='loss.segmentor 1.234 loss.discriminator 0.693',
    mtkt='loss.segmentor 1.234 loss.discriminator_cityscapes 0.693 '
    'loss.discriminator_idd 0.693 loss.agnostic_discriminator 0.693',
)


def shown(width, losses, total=4000):
    """Lines of a bar in the middle of training."""
    console = Console(
        width=width, force_terminal=True, file=io.StringIO(), color_system=None
    )
    bar = progress_bar(console)
    task = bar.add_task('train', total=total, losses=losses)
    now = [0.0]
    bar.get_time = lambda: now[0]
    bar.reset(task)
    for now[0] in (0.0, 10.0, 20.0):
        bar.update(task, completed=1000 * now[0] / 10, losses=losses)
    console.print(bar.get_renderable())
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize('width', [60, 80, 120])
@pytest.mark.parametrize('method', LOSSES)
def test_time_iterations_and_bar_come_first(width, method):
    (line,) = shown(width, LOSSES[method])
    assert len(line) == width
    # 100 iterations a second
    assert re.match(r'0:00:20 left 2000/4000 ━[━╸╺ ]{3,} +loss.seg', line)


def test_losses_are_cut_and_marked():
    (line,) = shown(80, LOSSES['mtkt'])
    assert line.endswith('…')


def test_wide_terminals_show_all_losses():
    (line,) = shown(200, LOSSES['mtkt'])
    assert LOSSES['mtkt'] in line
