"""Files that make a folder if a reader runs what they hold."""

import io
import os
import pickle
import shutil
from collections import defaultdict

import numpy as np
import torch
import yaml
from mmengine.config import Config

# Arrays that our own npz files have, and one more.
ARRAYS = ('probabilities', 'classes', 'num_classes', 'counts', 'other')


class Payload:
    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return os.mkdir, (str(self.made),)


def code_of(made):
    """A Python config that makes the folder."""
    return f"a = __import__('os').makedirs({str(made)!r}, exist_ok=True)\n"


def yaml_text(made):
    return f'a: !!python/object/apply:os.mkdir [{str(made)!r}]\n'


def with_code(checkpoint, made):
    """A checkpoint whose texts make the folder if they are run."""
    code = code_of(made)
    checkpoint['meta'] = checkpoint.get('meta', {}) | dict(
        config=code, cfg=code, dataset_meta=dict(classes=(code,))
    )
    hub = checkpoint.setdefault('message_hub', {})
    hub.setdefault('runtime_info', {})['cfg'] = code
    return checkpoint


def checkpoint(made):
    """With an object that makes the folder, and texts."""
    file = io.BytesIO()
    content = dict(state_dict={}, extra=Payload(made))
    torch.save(with_code(content, made), file)
    return file.getvalue()


def legacy(made):
    file = io.BytesIO()
    content = dict(state_dict={}, extra=Payload(made))
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def texts(made):
    file = io.BytesIO()
    torch.save(with_code(dict(state_dict={}), made), file)
    return file.getvalue()


def arrays(made):
    file = io.BytesIO()
    parts = dict.fromkeys(ARRAYS, np.array([Payload(made)]))
    np.savez(file, **parts)
    return file.getvalue()


def array(made):
    file = io.BytesIO()
    np.save(file, np.array([Payload(made)]), allow_pickle=True)
    return file.getvalue()


# Suffix of the file, and what makes its content.
KINDS = {
    'checkpoint': ('.pth', checkpoint),
    'legacy': ('.pth', legacy),
    'texts': ('.pth', texts),
    'pickle': ('.pkl', lambda made: pickle.dumps(Payload(made))),
    'arrays': ('.npz', arrays),
    'array': ('.npy', array),
    'yaml': ('.yaml', lambda made: yaml_text(made).encode()),
    'json': ('.json', lambda made: code_of(made).encode()),
}


CONTENTS = {
    suffix: content
    for kind, (suffix, content) in KINDS.items()
    if kind not in ('legacy', 'texts', 'json')
}


def write(kind, folder, made):
    suffix, content = KINDS[kind]
    path = folder / f'{kind}{suffix}'
    path.write_bytes(content(made))
    return path


def run_naively(path):
    """Read a file as a careless program would."""
    if path.suffix == '.pkl':
        pickle.loads(path.read_bytes())
    elif path.suffix == '.npy':
        np.load(path, allow_pickle=True)
    elif path.suffix == '.npz':
        np.load(path, allow_pickle=True)['probabilities']
    elif path.suffix == '.yaml':
        yaml.load(path.read_text(), Loader=yaml.UnsafeLoader)
    elif path.suffix == '.json':
        Config.fromstring(path.read_text(), '.py')
    else:
        content = torch.load(path, weights_only=False)
        if path.stem == 'texts':
            Config.fromstring(content['meta']['config'], '.py')


def infected(folder, copy, made):
    """Copies of a folder, in each of which files of one kind are payloads.

    Yields:
        What was replaced, and the copy.
    """
    groups = defaultdict(list)
    for path in sorted(folder.rglob('*')):
        if path.is_file():
            many = path.suffix in ('.png', '.jpg', *CONTENTS)
            groups[path.suffix if many else path.name].append(path)
    for name, paths in groups.items():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        kind = CONTENTS.get(name, lambda made: pickle.dumps(Payload(made)))
        for path in paths:
            target = copy / path.relative_to(folder)
            target.write_bytes(kind(made))
        yield name, copy
