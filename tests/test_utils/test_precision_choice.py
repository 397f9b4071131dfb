"""What --amp asks for, and how a config is changed by it."""

import argparse

import pytest
import torch
from mmengine.config import Config

from mmuda.utils.errors import ConfigError
from mmuda.utils.mixed_precision import (
    add_amp_option,
    amp_arguments,
    choose_precision,
    computing_in,
    enable_amp,
    label_in,
    precision_of_config,
)


@pytest.mark.parametrize(
    ('asked', 'device', 'has_bf16', 'precision', 'words'),
    [
        ('auto', 'cpu', ' (amx_bf16)', 'bf16', 'this CPU has (amx_bf16)'),
        ('auto', 'cpu', '', 'fp32', 'this CPU has no bfloat16'),
        ('auto', 'cuda', ' (H200)', 'bf16', 'this GPU has (H200)'),
        ('auto', 'cuda', '', 'fp16', 'this GPU has no bfloat16'),
        ('bf16', 'cpu', ' (amx_bf16)', 'bf16', 'this CPU has (amx_bf16)'),
        ('bf16', 'cpu', '', 'bf16', 'emulated'),
        ('bf16', 'cuda', '', 'bf16', 'emulated'),
        ('fp16', 'cpu', ' (amx_bf16)', 'fp16', 'slower than without --amp'),
        ('fp16', 'cuda', ' (H200)', 'fp16', 'with loss scaling'),
    ],
)
def test_precision_of_a_device(asked, device, has_bf16, precision, words):
    choice = choose_precision(asked, device, has_bf16)
    assert choice.precision == precision
    assert words in choice.reason
    assert '\n' not in choice.reason


@pytest.mark.parametrize(
    ('words', 'amp'),
    [
        (['config'], None),
        (['config', '--amp'], 'auto'),
        (['config', '--amp', 'bf16'], 'bf16'),
        (['--amp', 'fp16', 'config'], 'fp16'),
    ],
)
def test_amp_with_and_without_a_value(words, amp):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_amp_option(parser, 'train')
    assert parser.parse_args(words) == argparse.Namespace(
        config='config', amp=amp
    )


def test_another_argument_is_not_taken_for_a_precision(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_amp_option(parser, 'train')
    with pytest.raises(SystemExit):
        parser.parse_args(['--amp', 'a.py'])
    assert "bf16 or fp16, not 'a.py'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('precision', 'words'),
    [('fp32', []), ('bf16', ['--amp', 'bf16']), ('fp16', ['--amp', 'fp16'])],
)
def test_arguments_for_other_tools(precision, words):
    assert amp_arguments(precision) == words


@pytest.mark.parametrize(
    ('precision', 'kind'),
    [
        ('fp32', torch.float32),
        ('bf16', torch.bfloat16),
        ('fp16', torch.float16),
    ],
)
def test_matrix_products_have_the_precision_asked_for(precision, kind):
    ones = torch.ones(2, 2)
    with computing_in(precision, 'cpu'):
        assert (ones @ ones).dtype == kind


@pytest.mark.parametrize('change', [enable_amp, label_in])
def test_labels_are_made_in_the_same_precision(change):
    wrapper = dict(optimizer=dict(type='SGD'))
    cfg = Config(dict(optim_wrapper=wrapper, pseudo_labels=dict(rule={})))
    change(cfg, 'bf16')
    assert cfg.pseudo_labels.precision == 'bf16'


def test_single_precision_changes_nothing():
    wrapper = dict(optimizer=dict(type='SGD'))
    cfg = Config(dict(optim_wrapper=wrapper, pseudo_labels=dict(rule={})))
    text = cfg.pretty_text
    enable_amp(cfg, 'fp32')
    assert cfg.pretty_text == text


def test_amp_reaches_each_optimizer():
    cfg = Config(
        dict(
            optim_wrapper=dict(
                constructor='MultiOptimWrapperConstructor',
                segmentor=dict(
                    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)
                ),
                discriminator=dict(
                    type='OptimWrapper', optimizer=dict(type='Adam', lr=0.1)
                ),
            )
        )
    )
    enable_amp(cfg, 'bf16')
    for player in ('segmentor', 'discriminator'):
        wrapper = cfg.optim_wrapper[player]
        assert wrapper.type == 'MixedPrecisionOptimWrapper'
        assert wrapper.precision == 'bf16'
    assert 'type' not in cfg.optim_wrapper


def test_amp_of_single_optimizer_keeps_loss_scale():
    optimizer = dict(type='SGD', lr=0.1)
    cfg = Config(
        dict(
            optim_wrapper=dict(
                type='OptimWrapper', optimizer=optimizer, loss_scale=512.0
            )
        )
    )
    enable_amp(cfg, 'fp16')
    assert cfg.optim_wrapper == dict(
        type='MixedPrecisionOptimWrapper',
        precision='fp16',
        optimizer=optimizer,
        loss_scale=512.0,
    )


def test_amp_refuses_other_wrappers():
    wrapper = dict(type='ApexOptimWrapper', optimizer=dict(type='SGD'))
    cfg = Config(dict(optim_wrapper=dict(segmentor=wrapper)))
    with pytest.raises(ConfigError, match='optim_wrapper.segmentor.type'):
        enable_amp(cfg, 'bf16')


@pytest.mark.parametrize('precision', ['fp32', 'bf16', 'fp16'])
@pytest.mark.parametrize('players', [True, False])
def test_precision_of_a_config(precision, players):
    wrapper = dict(optimizer=dict(type='SGD'))
    cfg = Config(dict(optim_wrapper=wrapper))
    if players:
        cfg = Config(dict(optim_wrapper=dict(segmentor=wrapper)))
    enable_amp(cfg, precision)
    assert precision_of_config(cfg) == precision
