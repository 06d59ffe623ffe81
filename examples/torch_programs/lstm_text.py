"""Classes of texts: convolution over words, a two-layer bidirectional LSTM, RMSprop."""

import torch
import torch.nn as nn


class TextClassifier(nn.Module):
    def __init__(self, vocabulary, embed=10, hidden=12, classes=4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embed)
        self.conv = nn.Conv1d(embed, 14, 3, padding=1)
        self.lstm = nn.LSTM(14, hidden, num_layers=2, batch_first=True, dropout=0.2,
                            bidirectional=True)
        self.fc = nn.Linear(2 * hidden, classes)

    def forward(self, text):
        x = self.embedding(text).permute(0, 2, 1)
        x = torch.relu(self.conv(x)).permute(0, 2, 1)
        _, (h_n, _) = self.lstm(x)
        return self.fc(torch.cat((h_n[-2], h_n[-1]), dim=1))


def main():
    torch.manual_seed(4)
    texts, labels = torch.randint(0, 50, (10, 7)), torch.randint(0, 4, (10,))
    model = TextClassifier(50)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005, momentum=0.5)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(texts), labels)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
