import pytest
from benchmark_config import tiny_config
from published_checkout import write_checkout
from warm_processes import CONTEXT

from benchmarks import turns
from benchmarks.published_loop import random_items, require_checkout
from benchmarks.steps import precisions_of, step_rows
from mmuda.utils.errors import ConfigError

# Of the checkout: a convolution of three channels to two heads of 5 classes.
PUBLISHED_PARAMETERS = 2 * 5 * (3 + 1)


@pytest.fixture(autouse=True, scope='module')
def warm():
    """Processes that need not import everything first."""
    patch = pytest.MonkeyPatch()
    patch.setattr(turns, 'CONTEXT', CONTEXT)
    yield
    patch.undo()


def measured(folder, **options):
    options = dict(precisions=['fp32'], rounds=2, warmup=0) | options
    return step_rows(tiny_config(), folder, threads=1, **options)


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
    folder = write_checkout(tmp_path_factory.mktemp('ADVENT'))
    return measured(folder, precisions=['fp32', 'bf16'])


def test_ours_stands_beside_the_published_loop_in_each_precision(rows):
    goals = {row.name: row.goal for row in rows if 'AdvEnt' in row.name}
    assert goals == {
        'AdvEnt fp32 iteration / bare forward+backward': 1.12,
        'AdvEnt fp32 iteration / published loop in fp32': 0.95,
        'AdvEnt bf16 iteration / bare forward+backward': 1.12,
        'AdvEnt bf16 iteration / published loop in fp32': 0.55,
        'AdvEnt: parameters of our network / of the published': None,
    }


def test_each_method_has_its_rows(rows):
    assert sum('MinEnt' in row.name for row in rows) == 5


def test_ratios_come_with_their_spread(rows):
    spreads = ['quartiles' in row.detail for row in rows[:4]]
    assert spreads == [True] * 4


def test_networks_are_compared_by_their_parameters(rows):
    row = next(row for row in rows if 'parameters' in row.name)
    ours = row.value * PUBLISHED_PARAMETERS
    assert ours == pytest.approx(round(ours))
    assert 'get_device() stay on the CPU' in row.detail


def test_without_a_checkout_there_are_bare_passes_only():
    names = [row.name for row in measured(None, rounds=1)]
    assert names == [
        f'{method} fp32 iteration / bare forward+backward'
        for method in ('AdvEnt', 'MinEnt')
    ]


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('1 / 0', 'ZeroDivisionError: division by zero'),
        ('import no_such_package', "No module named 'no_such_package'"),
        ('import os\nprint("bye")\nos._exit(3)', 'exit code 3.*bye'),
    ],
)
def test_what_fails_in_the_checkout_is_told(tmp_path, text, reason):
    folder = write_checkout(tmp_path, train_UDA=text)
    with pytest.raises(ConfigError, match=f'--published .*{reason}'):
        measured(folder)


def test_a_loop_that_ends_early_is_told(tmp_path):
    text = 'def train_domain_adaptation(*args):\n    pass\n'
    folder = write_checkout(tmp_path, train_UDA=text)
    with pytest.raises(ConfigError, match='--published .*exit code 0'):
        measured(folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='no advent/domain_adaptation'):
        require_checkout(tmp_path)


def test_batches_are_those_of_the_published_loader():
    images, labels, shapes, names = random_items((64, 32), 5, 2)
    assert images.shape == (2, 3, 32, 64)
    assert labels.shape == (2, 32, 64)
    assert labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert shapes.tolist() == [[32, 64, 3]] * 2
    assert len(names) == 2


def test_emulated_bf16_is_not_measured():
    assert precisions_of('cpu')[0] == 'fp32'
    assert precisions_of('mps') == ('fp32',)
