"""Sentiment of sentences by an RNN: embeddings, packed sequences, binary cross entropy."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence


class RNNModel(nn.Module):
    def __init__(self, words, features=12, hidden=16):
        super().__init__()
        self.embedding = nn.Embedding(words, features, padding_idx=0)
        self.rnn = nn.RNN(features, hidden, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, text, lengths):
        packed = pack_padded_sequence(self.embedding(text), lengths, batch_first=True,
                                      enforce_sorted=False)
        _, hidden = self.rnn(packed)
        return self.fc(hidden[-1]).squeeze(1)


def main():
    torch.manual_seed(3)
    lengths = torch.randint(3, 9, (12,))
    sentences = [torch.randint(1, 40, (int(n),)) for n in lengths]
    labels = torch.tensor([float((s % 2).float().mean() > 0.5) for s in sentences])
    text = pad_sequence(sentences, batch_first=True)
    model = RNNModel(40)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = nn.BCEWithLogitsLoss()
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = criterion(model(text, lengths), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    accuracy = ((model(text, lengths) > 0).float() == labels).float().mean()
    return losses + [accuracy.item()]


if __name__ == "__main__":
    print(main())
