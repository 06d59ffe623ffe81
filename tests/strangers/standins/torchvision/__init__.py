"""As much of torchvision as the programs of `tests.strangers` touch, over made-up images.

It is written for `torch`, whichever framework that name means where it is imported.
"""

from torchvision import datasets, models, transforms, utils

__version__ = "0.0"
