"""Fine-tuning with low-rank adapters on a frozen base; a checkpoint of the adapters alone.
Source: Hu et al. (2022)."""

import io
import math

import torch
from torch import nn


class LowRank(nn.Module):
    def __init__(self, base, rank=2):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x):
        return self.base(x) + x @ self.down.t() @ self.up.t()


def main():
    torch.manual_seed(16)
    model = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 3))
    for name, child in list(model.named_children()):
        if isinstance(child, nn.Linear):
            setattr(model, name, LowRank(child))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.RAdam(trained, lr=0.05)
    x, y = torch.randn(20, 6), torch.randn(20, 3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.smooth_l1_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    adapters = {k: v for k, v in model.state_dict().items() if "base" not in k}
    file = io.BytesIO()
    torch.save(adapters, file)
    file.seek(0)
    with torch.no_grad():
        for p in trained:
            p.zero_()
    result = model.load_state_dict(torch.load(file), strict=False)
    with torch.no_grad():
        losses.append(nn.functional.smooth_l1_loss(model(x), y).item())
    return losses + [len(result.missing_keys), sum(p.numel() for p in trained)]


if __name__ == "__main__":
    print(main())
