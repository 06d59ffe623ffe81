"""A siamese network: contrastive and triplet losses, cosine similarity, hooks."""

import torch
from torch import nn
from torch.nn import functional as F


def contrastive(a, b, same, margin=1.0):
    distance = F.pairwise_distance(a, b)
    return (same * distance.pow(2) + (1 - same) * (margin - distance).clamp(min=0).pow(2)).mean()


def main():
    torch.manual_seed(11)
    net = nn.Sequential(nn.Linear(10, 16), nn.PReLU(), nn.LayerNorm(16), nn.Linear(16, 4))
    seen = []
    net[0].register_forward_hook(lambda module, args, out: seen.append(out.shape))
    centres = torch.randn(3, 10)
    optimizer = torch.optim.NAdam(net.parameters(), lr=0.01)
    triplet = nn.TripletMarginLoss(margin=0.5, swap=True)
    losses = []
    for _ in range(10):
        classes = torch.randint(0, 3, (12, 2))
        x = centres[classes] + 0.1 * torch.randn(12, 2, 10)
        a, b = net(x[:, 0]), net(x[:, 1])
        same = (classes[:, 0] == classes[:, 1]).float()
        negative = net(centres[(classes[:, 0] + 1) % 3])
        loss = contrastive(a, b, same) + triplet(a, net(centres[classes[:, 0]]), negative) \
            + 0.1 * nn.CosineEmbeddingLoss()(a, b, same * 2 - 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses + [len(seen), F.cosine_similarity(a, b).mean().item()]


if __name__ == "__main__":
    print(main())
