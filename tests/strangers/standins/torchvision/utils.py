"""Pictures of results go nowhere."""


def make_grid(images, *_, **__):
    return images[0] if images.dim() == 4 else images


def save_image(*_, **__):
    return None
