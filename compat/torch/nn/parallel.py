"""`torch.nn.parallel`: one device, one process, so a parallel module is the module."""

from __future__ import annotations

import contextlib

from compat.torch.nn.containers import DataParallel
from compat.torch.nn.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DistributedDataParallel(Module):
    """A module whose gradients are the mean over a process group, of which there is one."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim=0, **options):
        from compat.torch import distributed

        distributed.started()
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError("DistributedDataParallel is not needed when a module doesn't have "
                               "any parameter that requires a gradient.")
        super().__init__()
        self.module, self.device_ids = module, device_ids

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)

    def no_sync(self):
        """Gradients are not averaged inside this block."""
        return contextlib.nullcontext()

    def join(self, *_, **options):
        return contextlib.nullcontext()


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """`module(*inputs)`: there is one device."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
