"""Advantage actor-critic on a pole: sampling, log-probabilities, returns, entropy."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from cartpole import CartPole


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 24)
        self.policy, self.value = nn.Linear(24, 2), nn.Linear(24, 1)

    def forward(self, state):
        h = torch.tanh(self.body(state))
        return F.log_softmax(self.policy(h), dim=-1), self.value(h).squeeze(-1)


def main():
    torch.manual_seed(9)
    model, env = ActorCritic(), CartPole()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    history = []
    for _ in range(5):
        state, _ = env.reset()
        logs, values, rewards, entropies, done = [], [], [], [], False
        while not done:
            log_p, value = model(torch.tensor(state))
            action = torch.multinomial(log_p.detach().exp(), 1).item()
            state, reward, fallen, late, _ = env.step(action)
            done = fallen or late
            logs.append(log_p[action])
            values.append(value)
            rewards.append(reward)
            entropies.append(-(log_p.exp() * log_p).sum())
        returns, total = [], 0.0
        for reward in reversed(rewards):
            total = reward + 0.98 * total
            returns.insert(0, total)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        values = torch.stack(values)
        advantage = returns - values.detach()
        loss = -(torch.stack(logs) * advantage).mean() + F.smooth_l1_loss(values, returns) \
            - 0.01 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history += [loss.item(), float(len(rewards))]
    return history


if __name__ == "__main__":
    print(main())
