"""A variational autoencoder: reparametrisation, transposed convolution, Kullback-Leibler term."""

import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, latent=4):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.LeakyReLU(0.2), nn.Flatten())
        self.mean, self.log_var = nn.Linear(6 * 16, latent), nn.Linear(6 * 16, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, 6 * 16), nn.Unflatten(1, (6, 4, 4)),
                                     nn.ReLU(), nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, x):
        h = self.encoder(x)
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return self.decoder(z), mean, log_var


def main():
    torch.manual_seed(8)
    x = (torch.rand(12, 1, 8, 8) > 0.7).float()
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(10):
        out, mean, log_var = model(x)
        reconstruction = F.binary_cross_entropy(out, x, reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        loss = (reconstruction + divergence) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        return losses + [model.decoder(torch.randn(2, 4)).mean().item()]


if __name__ == "__main__":
    print(main())
