"""Reversing sequences with nn.Transformer: masks, padding, teacher forcing, a warm-up schedule."""

import torch
from torch import nn

PAD, START, WORDS = 0, 1, 14


class Translator(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.source = nn.Embedding(WORDS, width, padding_idx=PAD)
        self.target = nn.Embedding(WORDS, width, padding_idx=PAD)
        self.transformer = nn.Transformer(width, 2, 1, 1, 32, dropout=0.0, batch_first=True)
        self.out = nn.Linear(width, WORDS)

    def forward(self, src, tgt):
        mask = self.transformer.generate_square_subsequent_mask(tgt.size(1))
        padding = torch.zeros(src.shape).masked_fill(src == PAD, float("-inf"))
        out = self.transformer(self.source(src), self.target(tgt), tgt_mask=mask,
                               src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return self.out(out)


def main():
    torch.manual_seed(7)
    src = torch.randint(2, WORDS, (8, 6))
    src[:3, 4:] = PAD
    tgt = torch.cat([torch.full((8, 1), START), src.flip(1)], 1)
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    warm_up = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 16 ** -0.5 * min((step + 1) ** -0.5, (step + 1) * 20 ** -1.5))
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    losses = []
    for _ in range(10):
        logits = model(src, tgt[:, :-1])
        loss = criterion(logits.reshape(-1, WORDS), tgt[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        warm_up.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
