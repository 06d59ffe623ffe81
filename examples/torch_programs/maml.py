"""Model-agnostic meta-learning of sine waves, with second derivatives, in two ways: gradients of
gradients on the tape, and torch.func. Source: Finn, Abbeel and Levine (2017)."""

import math

import torch
from torch import nn
from torch.func import functional_call, grad, vmap


def tasks(count, shots=6):
    phase = torch.rand(count, 1, 1) * math.pi
    x = torch.rand(count, 2 * shots, 1) * 10 - 5
    y = torch.sin(x + phase)
    return x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:]


def main():
    torch.manual_seed(15)
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    mse = nn.functional.mse_loss
    losses = []
    for _ in range(5):  # on the tape
        total = 0.0
        for x, y, x2, y2 in zip(*tasks(3)):
            params = dict(net.named_parameters())
            loss = mse(functional_call(net, params, (x,)), y)
            grads = torch.autograd.grad(loss, list(params.values()), create_graph=True)
            fast = {k: p - 0.05 * g for (k, p), g in zip(params.items(), grads)}
            total = total + mse(functional_call(net, fast, (x2,)), y2)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())

    def adapted_loss(params, x, y, x2, y2):
        inner = grad(lambda p: mse(functional_call(net, p, (x,)), y))(params)
        fast = {k: p - 0.05 * inner[k] for k, p in params.items()}
        return mse(functional_call(net, fast, (x2,)), y2)

    for _ in range(5):  # all tasks at once
        params = {k: p.detach() for k, p in net.named_parameters()}
        data = tasks(4)

        def mean_loss(params, data=data):
            return vmap(adapted_loss, in_dims=(None, 0, 0, 0, 0))(params, *data).mean()

        grads = grad(mean_loss)(params)
        for k, p in net.named_parameters():
            p.grad = grads[k]
        optimizer.step()
        losses.append(mean_loss(params).item())
    return losses


if __name__ == "__main__":
    print(main())
