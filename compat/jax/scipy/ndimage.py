"""jax.scipy.ndimage."""

from compat.jax.face import boxed
from minigrad.scipy import ndimage

map_coordinates = boxed(ndimage.map_coordinates)
