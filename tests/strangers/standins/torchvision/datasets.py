"""Data sets of random images: the shapes and labels are those of the real ones, 600 rows each."""

import numpy as np
import torch
from torch.utils.data import Dataset


class Images(Dataset):
    """Rows (image, label): `image` is a uint8 array (height, width, 3), or (height, width)."""

    shape: tuple[int, ...] = (32, 32, 3)
    classes_number = 10
    rows = 600

    def __init__(self, root=None, train=True, transform=None, target_transform=None,
                 download=False, **_):
        source = np.random.RandomState(7 if train else 8)
        self.transform, self.target_transform, self.train = transform, target_transform, train
        self.targets = source.randint(0, self.classes_number, self.rows)
        # a bright column whose place says the class, so that there is something to learn
        noise = source.randint(0, 128, (self.rows, *self.shape))
        for image, label in zip(noise, self.targets, strict=True):
            image[:, 2 * int(label) % self.shape[1]] = 255
        self.data = noise.astype(np.uint8)
        self.classes = [str(number) for number in range(self.classes_number)]

    def __len__(self):
        return self.rows

    def __getitem__(self, index):
        image, label = np.asarray(self.data[index]), int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label


class MNIST(Images):
    shape = (28, 28)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.data, self.targets = torch.from_numpy(self.data), torch.from_numpy(self.targets)

    @property
    def train_data(self):
        return self.data

    test_data = train_data

    @property
    def train_labels(self):
        return self.targets

    test_labels = train_labels


class FashionMNIST(MNIST):
    pass


class KMNIST(MNIST):
    pass


class CIFAR10(Images):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.targets = self.targets.tolist()


class CIFAR100(CIFAR10):
    classes_number = 100


class ImageFolder(Images):
    shape = (64, 64, 3)

    def __init__(self, root=None, transform=None, **_):
        super().__init__(root, transform=transform)


class FakeData(Images):
    def __init__(self, size=600, image_size=(3, 32, 32), num_classes=10, transform=None, **_):
        self.shape = (*image_size[1:], image_size[0])
        self.rows, self.classes_number = min(size, self.rows), num_classes
        super().__init__(transform=transform)
