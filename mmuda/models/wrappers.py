# Copyright (c) mmuda authors.
"""Distributed data parallel training of models with several optimizers."""

import logging
from contextlib import ExitStack, contextmanager

import torch
from mmengine.logging import print_log
from mmengine.model import (
    MMDistributedDataParallel,
    MMSeparateDistributedDataParallel,
    is_model_wrapper,
    revert_sync_batchnorm,
)
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from mmuda.registry import MODEL_WRAPPERS as UDA_WRAPPERS
from mmuda.utils.errors import ConfigError


@UDA_WRAPPERS.register_module()
class TransparentDistributedDataParallel(MMDistributedDataParallel):
    """DDP whose checkpoints have the keys of the wrapped module.

    Plain DDP writes ``module.`` in front of each key; a checkpoint of a
    model whose *children* are wrapped could then be loaded by nobody.
    """

    def state_dict(self, *args, **kwargs) -> dict:
        """State of the wrapped module, without a ``module.`` prefix."""
        return self.module.state_dict(*args, **kwargs)


def _needs_wrapper(module: nn.Module) -> bool:
    return any(p.requires_grad for p in module.parameters())


def _use_own_statistics(module: nn.Module) -> None:
    """Replace synchronised batch norms, which need GPUs, in place."""
    kinds = [isinstance(m, nn.SyncBatchNorm) for m in module.modules()]
    if not any(kinds):
        return
    revert_sync_batchnorm(module)
    print_log(
        f'No GPU: {sum(kinds)} batch norms are not synchronised (SyncBN); '
        'their statistics are those of the images of each process',
        'current',
        logging.WARNING,
    )


# mmengine's runner looks a wrapper up in the root registry only, and tells
# wrappers from other modules by the registries.
@MODEL_WRAPPERS.register_module()
@UDA_WRAPPERS.register_module()
class UDADistributedDataParallel(MMSeparateDistributedDataParallel):
    """Wrap each trainable child of a UDA model on its own.

    mmengine's ``MMDistributedDataParallel`` ignores the model's
    ``train_step``, and its ``MMSeparateDistributedDataParallel`` writes
    checkpoints that can't be loaded and has a ``no_sync`` that fails; hence
    this class. Without a GPU, where PyTorch has no synchronised batch norm,
    norms take the statistics of their own process.

    Args:
        module: The UDA model. Each child that is trained must have a
            ``forward`` (no ``ModuleDict`` or ``ModuleList``).
        broadcast_buffers: Must stay False: a network runs forward several
            times before its optimizer steps, and a broadcast in between
            would change buffers that autograd still needs.
        find_unused_parameters: As in DDP.
        device_ids: GPU of this process; ignored on the CPU.
        **kwargs: Further arguments of DDP.

    Raises:
        ConfigError: A trained child is a bare container.
    """

    def __init__(
        self,
        module: nn.Module,
        broadcast_buffers: bool = False,
        find_unused_parameters: bool = False,
        device_ids: list[int] | None = None,
        **kwargs,
    ) -> None:
        # The parent's constructor would wrap the children in plain DDP.
        nn.Module.__init__(self)
        if broadcast_buffers:
            raise ConfigError(
                'model_wrapper_cfg.broadcast_buffers must be False: a network '
                'runs forward several times in one training step'
            )
        self.module = module
        cuda = torch.cuda.is_available()
        if not cuda:
            _use_own_statistics(module)
        for name, child in module.named_children():
            if not _needs_wrapper(child):
                continue
            if isinstance(child, nn.ModuleDict | nn.ModuleList):
                raise ConfigError(
                    f"child '{name}' of {type(module).__name__} is a bare "
                    'container; put its modules into one with a forward'
                )
            module._modules[name] = TransparentDistributedDataParallel(
                module=child,
                device_ids=device_ids if cuda else None,
                broadcast_buffers=False,
                find_unused_parameters=find_unused_parameters,
                **kwargs,
            )

    @contextmanager
    def no_sync(self):
        """Keep the gradients of all children local inside the block."""
        with ExitStack() as stack:
            for child in self.module.children():
                if is_model_wrapper(child):
                    wrapper: MMDistributedDataParallel = child
                    stack.enter_context(wrapper.no_sync())
            yield
