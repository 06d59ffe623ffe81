"""The pole on a cart, with gymnasium's interface. Source: Barto, Sutton and Anderson (1983)."""

import math


class CartPole:
    """`force`: discrete actions 0 and 1, or a continuous force in [-1, 1]."""

    def __init__(self, continuous=False, limit=60):
        self.continuous, self.limit = continuous, limit

    def reset(self, start=(0.01, 0.0, 0.02, 0.0)):
        self.state, self.time = list(start), 0
        return list(self.state), {}

    def step(self, action):
        force = 10.0 * (float(action) if self.continuous else 1.0 if action else -1.0)
        x, speed, angle, turn = self.state
        total, length = 1.1, 0.5
        push = (force + 0.05 * turn * turn * math.sin(angle)) / total
        bend = (9.8 * math.sin(angle) - math.cos(angle) * push) / (
            length * (4.0 / 3.0 - 0.1 * math.cos(angle) ** 2 / total))
        drift = push - 0.05 * bend * math.cos(angle) / total
        dt = 0.02
        self.state = [x + dt * speed, speed + dt * drift, angle + dt * turn, turn + dt * bend]
        self.time += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 0.2095
        return list(self.state), 1.0, fallen, self.time >= self.limit, {}
