"""Processes that need not import torch and mmseg, which takes seconds.

A server of this test process has imported them and forks for each.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import config_text
import torch

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(
    [
        'rich.progress',
        'mmseg.models',
        'mmuda.hooks',
        'mmuda.pseudo_labels',
        'mmuda.procedures.selection',
        # Of an optimizer, and of what a runner logs of its surroundings.
        'torch._dynamo',
        'torch.utils.cpp_extension',
        'mmuda.evaluation',
    ]
)


def run(words, cwd=None, env=None, timeout=None, **_):
    """As ``subprocess.run`` with captured text, for tools in Python.

    Other commands are run by it.
    """
    words = [str(word) for word in words]
    environment = dict(os.environ if env is None else env)
    if words[0] != sys.executable or not words[1].endswith('.py'):
        options = dict(capture_output=True, text=True, timeout=timeout)
        return subprocess.run(words, cwd=cwd, env=environment, **options)
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ('stdout', 'stderr')]
        process = CONTEXT.Process(
            target=_run, args=(words[1:], cwd, environment, streams)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, timeout)
        texts = [path.read_text() for path in streams]
    return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _run(words, cwd, environment, streams):
    gc.freeze()  # these two as in conftest.py
    config_text.leave_as_it_is()
    for number, path in enumerate(streams, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
    if 'OMP_NUM_THREADS' in environment:
        torch.set_num_threads(int(environment['OMP_NUM_THREADS']))
    sys.argv = words
    found = environment.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[:0] = [str(Path(words[0]).parent), *filter(None, found)]
    try:
        runpy.run_path(words[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()
