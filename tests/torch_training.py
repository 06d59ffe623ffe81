"""Complete small training programs in PyTorch's idiom, for any package that speaks it."""

from __future__ import annotations


def mlp(torch):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, torch.randn(16, 4), torch.randint(0, 3, (16,))


def convolutional(torch):
    """Without biases before the norms: their gradients are rounding errors, which Adam enlarges."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.GELU(), nn.Dropout(0.25),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    return model, torch.randn(8, 2, 10, 10), torch.randint(0, 3, (8,))


def attention(torch):
    """A language model of two blocks, after nanoGPT."""
    nn, F = torch.nn, torch.nn.functional
    width, heads, time, tokens = 8, 2, 6, 11

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv = nn.Linear(width, 3 * width, bias=False)
            self.project = nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                     nn.Linear(4 * width, width), nn.Dropout(0.1))

        def forward(self, x):  # (batch, time, width)
            batch = x.shape[0]
            q, k, v = (part.view(batch, time, heads, width // heads).transpose(1, 2)
                       for part in self.qkv(self.norm1(x)).split(width, dim=2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(y.transpose(1, 2).contiguous().view(batch, time, width))
            return x + self.mlp(self.norm2(x))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(tokens, width)
            self.position = nn.Parameter(torch.randn(time, width) * 0.02)
            self.blocks = nn.ModuleList([Block() for _ in range(2)])
            self.head = nn.Linear(width, tokens, bias=False)

        def forward(self, i):
            x = self.embedding(i) + self.position
            for block in self.blocks:
                x = block(x)
            return self.head(x).flatten(0, 1)

    return Model(), torch.randint(0, tokens, (4, time)), torch.randint(0, tokens, (4 * time,))


def transformer(torch):
    """The library's own encoder, with dropout in attention."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.encoder(x).mean(1))

    return Model(), torch.randn(4, 5, 8), torch.randint(0, 3, (4,))


OPTIMIZERS = {
    "sgd": lambda torch, p: torch.optim.SGD(p, lr=0.1),
    "nesterov": lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True,
                                                 weight_decay=1e-2),
    "adam": lambda torch, p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2, amsgrad=True),
    "adamw": lambda torch, p: torch.optim.AdamW(p, lr=1e-2),
}
MODELS = {"mlp": mlp, "convolutional": convolutional, "attention": attention,
          "transformer": transformer}


def train(torch, make, optimizer: str, compiled: bool = False, steps: int = 6):
    """Losses of some steps and of evaluation, the final state, and the step function.

    Attention does not depend on the bias of its keys: its gradient is a rounding error, which Adam
    enlarges, so projections' biases are left out of the state.
    """
    torch.manual_seed(0)
    model, x, y = make(torch)
    optimize = OPTIMIZERS[optimizer](torch, model.parameters())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimize, T_max=5)
    cross_entropy = torch.nn.functional.cross_entropy

    def step(x, y):
        optimize.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimize.step()
        return loss

    step = torch.compile(step) if compiled else step
    losses = []
    for _ in range(steps):
        losses.append(step(x, y).item())
        schedule.step()
    model.eval()
    with torch.no_grad():
        losses.append(cross_entropy(model(x), y).item())
    state = {k: v.numpy() for k, v in model.state_dict().items() if "in_proj_bias" not in k}
    return losses, state, step
