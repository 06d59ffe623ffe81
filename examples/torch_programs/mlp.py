"""A perceptron for handwritten digits: data sets, loaders, SGD with momentum, accuracy."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, random_split


class Digits(Dataset):
    """Noisy copies of ten patterns of 8x8 pixels."""

    def __init__(self, count):
        patterns = (torch.rand(10, 1, 8, 8) > 0.5).float()
        self.labels = torch.randint(0, 10, (count,))
        self.images = patterns[self.labels] + 0.5 * torch.randn(count, 1, 8, 8)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Perceptron(nn.Module):
    def __init__(self):
        super(Perceptron, self).__init__()  # noqa: UP008
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 10)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        x = F.relu(self.fc1(x.view(-1, 64)))
        return self.fc2(self.dropout(x))


def main():
    torch.manual_seed(0)
    train_set, test_set = random_split(Digits(400), [320, 80])
    train = DataLoader(train_set, batch_size=32, shuffle=True)
    test = DataLoader(test_set, batch_size=40)
    model = Perceptron()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(3):
        model.train()
        for inputs, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    model.eval()
    correct = 0
    with torch.no_grad():
        for inputs, labels in test:
            _, predicted = torch.max(model(inputs).data, 1)
            correct += (predicted == labels).sum().item()
    return losses + [correct / len(test_set)]


if __name__ == "__main__":
    print(main())
