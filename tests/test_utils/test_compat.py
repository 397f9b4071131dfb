import os
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner

from mmuda.utils.compat import (
    load_checkpoint_file,
    load_checkpoint_meta,
    load_from_file_or_url,
)
from mmuda.utils.downloads import cached_path
from mmuda.utils.errors import CheckpointError
from mmuda.utils.setup_env import register_all_modules


class Payload:
    """Unpickling it makes a folder, if anything runs at all."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class GetAttribute:
    def __init__(self, owner, name):
        self.arguments = (owner, name)

    def __reduce__(self):
        return getattr, self.arguments


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode='tensor'):
        return {'loss': self.layer(torch.stack(inputs)).mean()}


def run_toy(work_dir, max_iters, **kwargs):
    runner = Runner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=[dict(inputs=torch.ones(2))] * 4,
            sampler=dict(type='InfiniteSampler'),
            batch_size=1,
        ),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.1)),
        param_scheduler=dict(type='PolyLR', by_epoch=False, end=9),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False)
        ),
        experiment_name=f'{work_dir}_{max_iters}',
        **kwargs,
    )
    runner.message_hub.update_scalar('val/mIoU', np.float32(40.0))
    runner.message_hub.update_info('best_score', np.float64(40.0))
    runner.train()
    return runner


@pytest.fixture
def trained(tmp_path):
    return run_toy(tmp_path / 'run', max_iters=2)


def test_runner_checkpoint_is_read(trained, tmp_path):
    checkpoint = load_checkpoint_file(tmp_path / 'run' / 'iter_2.pth')
    weight = checkpoint['state_dict']['layer.weight']
    assert torch.equal(weight, trained.model.layer.weight)
    log = checkpoint['message_hub']['log_scalars']['train/loss']
    assert isinstance(log, HistoryBuffer)
    assert len(log.data[0]) == 2
    assert checkpoint['message_hub']['runtime_info']['best_score'] == 40.0


def test_runner_resumes_from_its_checkpoint(trained, tmp_path):
    path = tmp_path / 'run' / 'iter_2.pth'
    resumed = run_toy(
        tmp_path / 'again', max_iters=3, resume=True, load_from=str(path)
    )
    assert resumed.iter == 3
    log = resumed.message_hub.get_scalar('train/loss')
    assert len(log.data[0]) == 3
    assert log.statistics('mean') == pytest.approx(np.mean(log.data[0]))


@pytest.mark.parametrize('code', np.typecodes['AllFloat'] + '?bhilqBHILQ')
def test_arrays_and_scalars_of_each_type_are_read(code, tmp_path):
    array = np.array([0, 1], dtype=code)
    path = tmp_path / 'array.pth'
    torch.save({'array': array, 'scalar': array[1]}, path)
    checkpoint = load_checkpoint_file(path)
    assert checkpoint['array'].dtype == array.dtype
    assert checkpoint['scalar'] == 1


def test_numpy_values_pickled_by_other_versions_are_read(tmp_path):
    path, other = tmp_path / 'a.pth', tmp_path / 'b.pth'
    torch.save({'scalar': np.float64(2.0)}, path)
    names = {b'numpy._core.': b'numpy.core.', b'numpy.core.': b'numpy._core.'}
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, 'w') as new:
        for name in old.namelist():
            data = old.read(name)
            for before, after in names.items():
                if name.endswith('data.pkl') and before in data:
                    data = data.replace(before, after)
                    break
            new.writestr(name, data)
    assert other.read_bytes() != path.read_bytes()
    assert load_checkpoint_file(other) == {'scalar': 2.0}


def test_payload_is_refused_and_not_run(tmp_path):
    target = tmp_path / 'made_by_payload'
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'extra': Payload(target)}, path)
    with pytest.raises(CheckpointError, match='evil.pth: .*mkdir'):
        load_checkpoint_file(path)
    assert not target.exists()


def test_mmengine_refuses_payload_too(tmp_path):
    target = tmp_path / 'made_by_payload'
    path = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'extra': Payload(target)}, path)
    with pytest.raises(CheckpointError, match='mkdir'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not target.exists()


@pytest.mark.parametrize(
    ('owner', 'name'), [(dict, 'fromkeys'), (HistoryBuffer, '__class__')]
)
def test_getattr_reaches_statistics_only(owner, name, tmp_path):
    path = tmp_path / 'getattr.pth'
    torch.save(
        {'buffer': HistoryBuffer(), 'x': GetAttribute(owner, name)}, path
    )
    with pytest.raises(CheckpointError):
        load_checkpoint_file(path)


def test_checkpoint_from_url_in_cache_is_read_safely(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    cached = cached_path('https://example.org/evil.pth')
    cached.parent.mkdir(parents=True)
    target = tmp_path / 'made_by_payload'
    torch.save({'extra': Payload(target)}, cached)
    with pytest.raises(CheckpointError, match='mkdir'):
        CheckpointLoader.load_checkpoint('https://example.org/evil.pth')
    assert not target.exists()


@pytest.mark.parametrize(
    'address',
    [
        'open-mmlab://resnet50_v1c',
        'openmmlab://resnet50_v1c',
        'mmcls://resnet50',
        'modelzoo://resnet50',
        'torchvision://resnet50',
        'pavi://resnet50',
        's3://bucket/resnet50.pth',
        'open-mmlab:s3://bucket/resnet50.pth',
        'petrel://bucket/resnet50.pth',
        'local://resnet50.pth',
        'file:///resnet50.pth',
        'hf-hub://resnet50',
        'ftp://example.org/resnet50.pth',
        'later://resnet50.pth',
        '~later://resnet50.pth',
        '://resnet50.pth',
    ],
)
def test_other_schemes_are_refused_by_name(address, monkeypatch):
    register_all_modules(init_default_scope=False)
    schemes = dict(CheckpointLoader._schemes)
    # One more that some package registers after us.
    CheckpointLoader.register_scheme('later://', loader=torch.load)
    try:
        for load in (CheckpointLoader.load_checkpoint, load_checkpoint_file):
            with pytest.raises(CheckpointError) as error:
                load(address)
            assert f'not read by {address.split("://")[0]}://' in str(
                error.value
            ) or address.startswith('~')
            assert 'download the file and give its path' in str(error.value)
    finally:
        CheckpointLoader._schemes = schemes


def test_every_scheme_of_mmengine_has_our_loader():
    register_all_modules(init_default_scope=False)
    for prefix in CheckpointLoader._schemes:
        loader = CheckpointLoader._get_checkpoint_loader(prefix)
        assert loader is load_from_file_or_url, prefix


def test_pretrained_weights_are_not_read_by_other_schemes():
    register_all_modules(init_default_scope=False)
    model = Toy()
    model.init_cfg = dict(type='Pretrained', checkpoint='torchvision://vgg')
    with pytest.raises(CheckpointError, match='not read by torchvision://'):
        model.init_weights()


def test_meta_that_is_none_says_nothing(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': {}, 'meta': None}, path)
    assert load_checkpoint_file(path) == {'state_dict': {}}
    assert load_checkpoint_meta(path) == {}


def test_meta_that_is_no_dict_is_named(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': {}, 'meta': ['x']}, path)
    with pytest.raises(CheckpointError, match="a.pth: 'meta' is a list"):
        load_checkpoint_file(path)


@pytest.mark.parametrize('automatic', [False, True])
def test_config_in_a_checkpoint_is_not_run(trained, tmp_path, automatic):
    path = tmp_path / 'run' / 'iter_2.pth'
    content = torch.load(path, weights_only=False)
    target = tmp_path / 'made_by_payload'
    code = f"a = __import__('os').mkdir({str(target)!r})"
    content['meta']['config'] = code
    torch.save(content, path)
    register_all_modules(init_default_scope=False)
    resumed = run_toy(
        tmp_path / 'run',
        max_iters=3,
        resume=True,
        load_from=None if automatic else str(path),
    )
    assert resumed.iter == 3
    assert not target.exists()


def test_file_without_checksums_is_read_and_said_so(tmp_path):
    log = tmp_path / 'log'
    MMLogger.get_instance(str(tmp_path), log_file=str(log))
    path = tmp_path / 'old.pth'
    torch.save(
        {'weight': torch.ones(3)}, path, _use_new_zipfile_serialization=False
    )
    assert load_checkpoint_file(path)['weight'].sum() == 3
    assert 'old.pth holds no checksums' in log.read_text()


def test_meta_is_read_without_weights(trained, tmp_path):
    path = tmp_path / 'run' / 'iter_2.pth'
    data = bytearray(path.read_bytes())
    weight = trained.model.layer.weight.detach().numpy().tobytes()
    start = data.index(weight)
    data[start] ^= 1
    path.write_bytes(data)
    assert load_checkpoint_meta(path)['iter'] == 2
    with pytest.raises(CheckpointError, match='does not fit its checksum'):
        load_checkpoint_file(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match='none.pth: no such checkpoint'):
        load_checkpoint_file(tmp_path / 'none.pth')


@pytest.mark.parametrize('kept', [0, 10, 0.5, 0.99])
def test_file_cut_off_is_named(kept, tmp_path):
    path = tmp_path / 'half.pth'
    torch.save({'weight': torch.zeros(100)}, path)
    data = path.read_bytes()
    size = int(kept * len(data)) if kept < 1 else kept
    path.write_bytes(data[:size])
    with pytest.raises(CheckpointError, match='half.pth: cannot be read'):
        load_checkpoint_file(path)
