"""Gym's name for gymnasium, each environment starting from the same seed."""

from gymnasium import *  # noqa: F403
from gymnasium import make as make_unseeded
from gymnasium import spaces as spaces


def make(*args, **kwargs):
    environment = make_unseeded(*args, **kwargs)
    environment.reset(seed=0)
    environment.action_space.seed(0)
    return environment
