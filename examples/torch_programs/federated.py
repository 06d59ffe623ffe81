"""Federated averaging and contrastive pretraining (InfoNCE) of one encoder.
Source: McMahan et al. (2017), van den Oord et al. (2018)."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def info_nce(a, b, temperature=0.2):
    logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    return F.cross_entropy(logits, torch.arange(len(a)))


def main():
    torch.manual_seed(17)
    encoder = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 5))
    clients = [torch.randn(10, 8) + shift for shift in (0.0, 1.0, -1.0)]
    losses = []
    for _ in range(3):
        states = []
        for data in clients:
            local = copy.deepcopy(encoder)
            optimizer = torch.optim.SGD(local.parameters(), lr=0.1)
            for _ in range(3):
                views = [data + 0.1 * torch.randn_like(data) for _ in range(2)]
                loss = info_nce(*map(local, views))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append(loss.item())
            states.append(local.state_dict())
        mean = {k: torch.stack([s[k].float() for s in states]).mean(0).to(v.dtype)
                for k, v in encoder.state_dict().items()}
        encoder.load_state_dict(mean)
    return losses + [encoder[1].num_batches_tracked.item()]


if __name__ == "__main__":
    print(main())
