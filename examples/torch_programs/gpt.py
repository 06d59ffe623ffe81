"""A language model of TransformerEncoder layers with a causal mask; generation by top-k."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class StorytellerGPT(nn.Module):
    def __init__(self, vocab_size, d_model=16, nhead=2, num_layers=2, max_len=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(max_len, d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead, 4 * d_model, dropout=0.1,
                                           activation="gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(d_model),
                                                 enable_nested_tensor=False)
        self.fc = nn.Linear(d_model, vocab_size, bias=False)
        self.fc.weight = self.embedding.weight

    def forward(self, ids):
        time = ids.size(1)
        mask = nn.Transformer.generate_square_subsequent_mask(time)
        x = self.embedding(ids) + self.position(torch.arange(time))
        return self.fc(self.transformer(x, mask=mask, is_causal=True))


@torch.no_grad()
def generate(model, prompt, length, temperature=0.8, top_k=5):
    model.eval()
    ids = prompt
    for _ in range(length):
        logits = model(ids[:, -32:])[:, -1, :] / temperature
        values, _ = torch.topk(logits, min(top_k, logits.size(-1)))
        logits[logits < values[:, [-1]]] = float("-inf")
        ids = torch.cat([ids, torch.multinomial(F.softmax(logits, dim=-1), 1)], dim=1)
    return ids[0].tolist()


def main():
    torch.manual_seed(6)
    text = "once upon a time there was a small fox who liked stories. "
    letters = sorted(set(text))
    data = torch.tensor([letters.index(c) for c in text])
    model = StorytellerGPT(len(letters))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    losses = []
    for _ in range(12):
        starts = torch.randint(0, len(data) - 17, (6,))
        batch = torch.stack([data[i:i + 17] for i in starts])
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.view(-1, len(letters)), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses + generate(model, data[None, :5], 8)


if __name__ == "__main__":
    print(main())
