"""Training programs in PyTorch's idiom, told the framework and the device: they return the losses
as tensors, so that nothing is fetched on the way."""

from __future__ import annotations


def train(torch, model, optimizer, batch, loss_of, steps: int) -> list:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, *batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def classify(torch):
    return lambda model, x, y: torch.nn.functional.cross_entropy(model(x), y)


def mlp(torch, device: str) -> list:
    """With dropout and Adam."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 4)).to(device)
    batch = torch.randn(10, 8).to(device), torch.randint(0, 4, (10,)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    return train(torch, model, optimizer, batch, classify(torch), 20)


def cnn(torch, device: str) -> list:
    """Convolution, batch norm and pooling, with momentum and a schedule."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 3)).to(device)
    batch = torch.randn(4, 1, 8, 8).to(device), torch.randint(0, 3, (4,)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return train(torch, model, optimizer, batch, classify(torch), 6)


def lstm(torch, device: str) -> list:
    """A recurrent network over a sequence."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.LSTM(4, 8, batch_first=True).to(device)
    x = torch.randn(3, 5, 4).to(device)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
    return train(torch, model, optimizer, (x,), lambda m, x: m(x)[0].square().mean(), 4)


def gpt(torch, device: str) -> list:
    """A small transformer with clipping and AdamW."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                     nn.Linear(4 * width, width))

        def forward(self, x):  # (batch, time, width)
            time = x.shape[1]
            mask = torch.triu(torch.ones(time, time, dtype=torch.bool, device=x.device), 1)
            h = self.norm1(x)
            x = x + self.attention(h, h, h, attn_mask=mask, need_weights=False)[0]
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self, tokens=11, width=16, time=6):
            super().__init__()
            self.token, self.place = nn.Embedding(tokens, width), nn.Embedding(time, width)
            self.blocks = nn.ModuleList([Block(width, 2) for _ in range(2)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens, bias=False)

        def forward(self, tokens):
            x = self.token(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    torch.manual_seed(0)
    model = GPT().to(device)
    tokens = torch.randint(0, 11, (3, 6)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def loss_of(model, tokens):
        logits = model(tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 11), tokens[:, 1:].reshape(-1))
        return loss

    return train(torch, model, optimizer, (tokens,), loss_of, 4)


PROGRAMS = {"mlp": mlp, "cnn": cnn, "lstm": lstm, "gpt": gpt}
