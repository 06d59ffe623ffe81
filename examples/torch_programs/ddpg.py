"""Deep deterministic policy gradient: target networks, replay, soft updates.
Source: Lillicrap et al. (2016)."""

import copy

import torch
import torch.nn as nn
from cartpole import CartPole


def soft_update(target, source, tau=0.05):
    for old, new in zip(target.parameters(), source.parameters()):
        old.data.copy_(old.data * (1.0 - tau) + new.data * tau)


def main():
    torch.manual_seed(10)
    policy = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.Tanh())
    value = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
    target_policy, target_value = copy.deepcopy(policy), copy.deepcopy(value)
    policy_optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    value_optimizer = torch.optim.Adam(value.parameters(), lr=1e-2)
    env, replay, history = CartPole(continuous=True, limit=20), [], []
    state, _ = env.reset()
    for step in range(60):
        with torch.no_grad():
            action = policy(torch.tensor([state]))[0] + 0.3 * torch.randn(1)
        action = action.clamp(-1, 1)
        new_state, reward, fallen, late, _ = env.step(action.item())
        replay.append((state, action.item(), reward, new_state, float(fallen)))
        state = env.reset()[0] if fallen or late else new_state
        if step < 20:
            continue
        picks = [replay[i] for i in torch.randint(0, len(replay), (16,)).tolist()]
        s, a, r, s2, end = (torch.tensor(column) for column in zip(*picks))
        with torch.no_grad():
            future = target_value(torch.cat([s2, target_policy(s2)], 1)).squeeze(1)
            wanted = r + 0.99 * (1 - end) * future
        value_loss = nn.functional.mse_loss(
            value(torch.cat([s, a.unsqueeze(1)], 1)).squeeze(1), wanted)
        value_optimizer.zero_grad()
        value_loss.backward()
        value_optimizer.step()
        policy_loss = -value(torch.cat([s, policy(s)], 1)).mean()
        policy_optimizer.zero_grad()
        policy_loss.backward()
        policy_optimizer.step()
        soft_update(target_policy, policy)
        soft_update(target_value, value)
        history += [value_loss.item(), policy_loss.item()]
    return history


if __name__ == "__main__":
    print(main())
