"""Recommendations: embeddings of users and items, biases, BCELoss, Adagrad, a weighted sampler."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler


class Recommender(nn.Module):
    def __init__(self, users, items, width=6):
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)
        self.bias = nn.EmbeddingBag(items, 1, mode="sum")
        self.mlp = nn.Sequential(nn.Linear(2 * width, 8), nn.ReLU(), nn.Dropout(0.1),
                                 nn.Linear(8, 1))

    def forward(self, user, item):
        u, i = self.users(user), self.items(item)
        score = (u * i).sum(1) + self.mlp(torch.cat([u, i], 1)).squeeze(1)
        return torch.sigmoid(score + self.bias(item.unsqueeze(1)).squeeze(1))


def main():
    torch.manual_seed(12)
    user, item = torch.randint(0, 9, (80,)), torch.randint(0, 15, (80,))
    liked = ((user + item) % 3 == 0).float()
    sampler = WeightedRandomSampler(liked * 2 + 1, 80)
    loader = DataLoader(TensorDataset(user, item, liked), batch_size=20, sampler=sampler)
    model = Recommender(9, 15)
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
    criterion = nn.BCELoss()
    losses = []
    for _ in range(3):
        for u, i, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(u, i), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        scores = model(torch.zeros(15, dtype=torch.long), torch.arange(15))
    return losses + torch.topk(scores, 3).indices.tolist()


if __name__ == "__main__":
    print(main())
