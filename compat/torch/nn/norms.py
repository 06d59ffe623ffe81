"""Layers that normalise: over a batch, an instance, a layer, groups of channels."""

from __future__ import annotations

from compat.torch import creation
from compat.torch.nn import functional as F
from compat.torch.nn import init
from compat.torch.nn.layer import Layer, add_parameters


class Affine(Layer):
    """What norms share: a weight of ones and a bias of zeros, or None for either."""

    def take_affine(self, sizes, dtype, **wanted) -> None:
        add_parameters(self, dtype, **{n: want and sizes for n, want in wanted.items()})
        Affine.reset_parameters(self)

    def reset_parameters(self) -> None:
        for name, value in self._parameters.items():
            if value is not None:
                (init.ones_ if name == "weight" else init.zeros_)(value)


STATISTICS = ("num_features, eps=1e-5, momentum=0.1, affine={0}, track_running_stats={0}{1}, "
              "device=None, dtype=None, *, bias=True")


class NormWithStatistics(Affine, settings=STATISTICS.format(True, ""), shown=(
        "num_features eps= momentum= affine= bias= track_running_stats=")):
    """What batch and instance norms of all ranks share: running statistics of each channel."""

    ranks: tuple[int, ...]
    expected: str
    _version = 2

    def _build(self, bias, dtype) -> None:
        n, kept = self.num_features, self.track_running_stats
        self.take_affine((n,), dtype, weight=self.affine, bias=self.affine and bias)
        self.register_buffer("running_mean", creation.zeros(n, dtype=dtype) if kept else None)
        self.register_buffer("running_var", creation.ones(n, dtype=dtype) if kept else None)
        self.register_buffer("num_batches_tracked", creation.tensor(0) if kept else None)

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        super().reset_parameters()

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest) -> None:
        """State of old, before batches were counted, has no count."""
        count = f"{prefix}num_batches_tracked"
        if local_metadata.get("version", 1) < 2 and self.track_running_stats:
            own = self.num_batches_tracked
            state_dict.setdefault(count, creation.tensor(0) if own is None else own)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _check_input_dim(self, input) -> None:
        if input.dim() not in self.ranks:
            raise ValueError(f"expected {self.expected} input (got {input.dim()}D input)")


class BatchNorm(NormWithStatistics):
    """Each channel with mean 0 and variance 1 over the batch."""

    def forward(self, input):
        self._check_input_dim(input)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / self.num_batches_tracked.float()
        training = self.training or self.running_mean is None
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(input, self.running_mean if tracked else None,
                            self.running_var if tracked else None, self.weight, self.bias,
                            training, 0.0 if momentum is None else momentum, self.eps)


class InstanceNorm(NormWithStatistics, settings=STATISTICS.format(False, "")):
    """Each channel of each example with mean 0 and variance 1."""

    def forward(self, input):
        self._check_input_dim(input)
        single = input.dim() == self.ranks[0]
        batch = input.unsqueeze(0) if single else input
        if batch.spec.shape[1] != self.num_features and self.affine:
            raise ValueError("expected input's size at dim=1 to match num_features "
                             f"({self.num_features}), but got: {batch.spec.shape[1]}.")
        out = F.instance_norm(batch, self.running_mean, self.running_var, self.weight, self.bias,
                              self.training or not self.track_running_stats,
                              0.0 if self.momentum is None else self.momentum, self.eps)
        return out.squeeze(0) if single else out


def norms(base: type, ranks: list[tuple[int, ...]]) -> list[type]:
    return [type(f"{base.__name__}{r}d", (base,), {
        "ranks": dims, "expected": " or ".join(f"{d}D" for d in dims), "__doc__": base.__doc__,
        "__module__": __name__}) for r, dims in enumerate(ranks, 1)]


BatchNorm1d, BatchNorm2d, BatchNorm3d = norms(BatchNorm, [(2, 3), (4,), (5,)])
InstanceNorm1d, InstanceNorm2d, InstanceNorm3d = norms(InstanceNorm, [(2, 3), (3, 4), (4, 5)])


class SyncBatchNorm(BatchNorm, settings=STATISTICS.format(True, ", process_group=None")):
    """Batch norm over the batches of all processes, of which there is one."""

    ranks, expected = (2, 3, 4, 5), "at least 2D"

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """`module` with SyncBatchNorm in place of every batch norm."""
        if isinstance(module, BatchNorm):
            made = cls(module.num_features, module.eps, module.momentum, module.affine,
                       module.track_running_stats, process_group)
            made.__dict__.update(module.__dict__)
            return made
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module


def take_last(module, normalized_shape, dtype, **bias) -> None:
    """The shape of the last dimensions, and parameters of that shape."""
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    module.normalized_shape, wanted = sizes, module.elementwise_affine
    module.take_affine(sizes, dtype, weight=wanted, **{n: wanted and b for n, b in bias.items()})


class LayerNorm(Affine, shown="normalized_shape eps= elementwise_affine= bias=",
                settings="normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, "
                         "device=None, dtype=None"):
    """Layer norm over the last dimensions."""

    def _build(self, normalized_shape, bias, dtype) -> None:
        take_last(self, normalized_shape, dtype, bias=bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Affine, shown="normalized_shape eps= elementwise_affine=",
              settings="normalized_shape, eps=None, elementwise_affine=True, device=None, "
                       "dtype=None"):
    """x over the root of the mean square of the last dimensions."""

    def _build(self, normalized_shape, dtype) -> None:
        take_last(self, normalized_shape, dtype)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Affine, shown="num_groups num_channels eps= affine= bias=",
                settings="num_groups, num_channels, eps=1e-5, affine=True, device=None, "
                         "dtype=None, *, bias=True"):
    """Groups of channels normalised within each example."""

    def _build(self, bias, dtype) -> None:
        if self.num_channels % self.num_groups:
            raise ValueError(f"num_channels ({self.num_channels}) must be divisible by num_groups "
                             f"({self.num_groups})")
        self.take_affine((self.num_channels,), dtype, weight=self.affine,
                         bias=self.affine and bias)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
