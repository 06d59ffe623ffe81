"""The next values of a wave by a GRU: gradient clipping, a plateau schedule, early stopping."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Forecast(nn.Module):
    def __init__(self, hidden=10):
        super().__init__()
        self.cell = nn.GRUCell(1, hidden)
        self.gru = nn.GRU(1, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, series, steps):
        _, h = self.gru(series.t().unsqueeze(-1))
        h, x, outs = h[0], series[:, -1:], []
        for _ in range(steps):
            h = self.cell(x, h)
            x = self.out(h)
            outs.append(x)
        return torch.cat(outs, 1)


def main():
    torch.manual_seed(5)
    phase = torch.rand(32, 1) * 2 * math.pi
    wave = torch.sin(phase + torch.arange(14.0) * 0.5) + 0.05 * torch.randn(32, 14)
    loader = DataLoader(TensorDataset(wave[:, :10], wave[:, 10:]), batch_size=16, shuffle=True,
                        generator=torch.Generator().manual_seed(1))
    model = Forecast()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    losses, best, waited = [], math.inf, 0
    for _ in range(8):
        total = 0.0
        for past, future in loader:
            optimizer.zero_grad()
            loss = nn.functional.huber_loss(model(past, 4), future)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        losses += [total, norm.item(), optimizer.param_groups[0]["lr"]]
        schedule.step(total)
        best, waited = (total, 0) if total < best else (best, waited + 1)
        if waited > 2:
            break
    return losses


if __name__ == "__main__":
    print(main())
