"""Graph convolution and attention over edges: index_add, scatter, softmax by node.
Source: Kipf and Welling (2017), Velickovic et al. (2018)."""

import torch
from torch import nn


class GraphConvolution(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.linear = nn.Linear(features, out)

    def forward(self, x, edges):
        source, target = edges
        degree = torch.zeros(len(x)).index_add(0, target, torch.ones(len(target)))
        scale = degree.clamp(min=1).rsqrt()
        messages = self.linear(x)[source] * (scale[source] * scale[target]).unsqueeze(1)
        return torch.zeros(len(x), messages.size(1)).index_add(0, target, messages)


class GraphAttention(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.linear = nn.Linear(features, out, bias=False)
        self.score = nn.Parameter(torch.empty(2, out))
        nn.init.xavier_uniform_(self.score)

    def forward(self, x, edges):
        source, target = edges
        h = self.linear(x)
        e = nn.functional.leaky_relu((h[source] * self.score[0]).sum(1)
                                     + (h[target] * self.score[1]).sum(1), 0.2)
        weights = (e - e.max().detach()).exp()
        total = torch.zeros(len(x)).scatter_add(0, target, weights)
        weights = weights / total[target].clamp(min=1e-12)
        return torch.zeros_like(h).index_add(0, target, h[source] * weights.unsqueeze(1))


class GraphNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = GraphConvolution(5, 8), GraphAttention(8, 3)

    def forward(self, x, edges):
        return self.second(torch.relu(self.first(x, edges)), edges)


def main():
    torch.manual_seed(13)
    x, edges = torch.randn(12, 5), torch.randint(0, 12, (2, 40))
    edges = torch.cat([edges, torch.arange(12).repeat(2, 1)], 1)
    labels = (x.sum(1) > 0).long() + (x[:, 0] > 1).long()
    known = torch.rand(12) < 0.7
    model = GraphNetwork()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
    losses = []
    for _ in range(12):
        out = model(x, edges)
        loss = nn.functional.cross_entropy(out[known], labels[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses + out.argmax(1).tolist()


if __name__ == "__main__":
    print(main())
