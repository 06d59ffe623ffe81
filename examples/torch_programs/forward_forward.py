"""Layers trained one by one, without back-propagation between them. Source: Hinton (2022)."""

import torch
import torch.nn as nn
from torch.optim import Adam


class Layer(nn.Linear):
    def __init__(self, features, out):
        super().__init__(features, out)
        self.relu = nn.ReLU()
        self.optimizer = Adam(self.parameters(), lr=0.03)
        self.threshold = 1.0

    def forward(self, x):
        direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(direction, self.weight.T) + self.bias.unsqueeze(0))

    def train_layer(self, positive, negative, epochs):
        losses = []
        for _ in range(epochs):
            good = self.forward(positive).pow(2).mean(1)
            bad = self.forward(negative).pow(2).mean(1)
            loss = torch.log(1 + torch.exp(torch.cat([
                -good + self.threshold, bad - self.threshold]))).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return self.forward(positive).detach(), self.forward(negative).detach(), losses


def overlay(x, y):
    out = x.clone()
    out[:, :4] *= 0.0
    out[range(x.shape[0]), y] = x.max()
    return out


def main():
    torch.manual_seed(14)
    y = torch.randint(0, 4, (24,))
    x = torch.randn(4, 20)[y] + 0.3 * torch.randn(24, 20)
    layers = [Layer(20, 16), Layer(16, 16)]
    positive, negative = overlay(x, y), overlay(x, (y + torch.randint(1, 4, (24,))) % 4)
    history = []
    for layer in layers:
        positive, negative, losses = layer.train_layer(positive, negative, 8)
        history += losses
    goodness = []
    for label in range(4):
        h, total = overlay(x, torch.full((24,), label)), 0
        for layer in layers:
            h = layer(h)
            total = total + h.pow(2).mean(1)
        goodness.append(total.unsqueeze(1))
    return history + [(torch.cat(goodness, 1).argmax(1) == y).float().mean().item()]


if __name__ == "__main__":
    print(main())
