"""`torch.utils.tensorboard.SummaryWriter`: scalars, histograms, texts and images as event files."""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib

import numpy as np

from compat.torch.utils.tensorboard import records
from minigrad import core


def to_numpy(values) -> np.ndarray:
    return np.asarray(core.to_array(values) if isinstance(values, core.Tensor) else values)


def png(pixels: np.ndarray) -> bytes:
    """(height, width, 3) bytes as a PNG file."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(
        b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class SummaryWriter:
    """Writes one event file into `log_dir`, by default `runs/<time>_<host>`."""

    def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10, flush_secs=120,
                 filename_suffix=""):
        host = socket.gethostname()
        if not log_dir:
            moment = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{moment}_{host}{comment}")
        self.log_dir = str(log_dir)
        os.makedirs(self.log_dir, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{host}.{os.getpid()}{filename_suffix}"
        self.file = open(os.path.join(self.log_dir, name), "ab")
        self.write(records.field(3, "brain.Event:2"), 0)

    def write(self, content: bytes, step, walltime=None) -> None:
        moment = time.time() if walltime is None else walltime
        self.file.write(records.record(records.event(moment, int(step or 0), content)))

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, new_style=False,
                   double_precision=False) -> None:
        value = records.field(2, float(scalar_value))
        self.write(records.summary(tag, value), global_step, walltime)

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None) -> None:
        """Several scalars under one name; each goes to a directory of its own."""
        for tag, value in tag_scalar_dict.items():
            place = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            with SummaryWriter(place) as writer:
                writer.add_scalar(main_tag, value, global_step, walltime)

    def add_histogram(self, tag, values, global_step=None, bins="tensorflow", walltime=None,
                      max_bins=None) -> None:
        values = to_numpy(values).astype(np.float64).reshape(-1)
        if not values.size:
            raise ValueError("The input has no element.")
        counts, edges = np.histogram(values, 30 if isinstance(bins, str) else bins)
        value = records.histogram(values, counts, edges[1:])
        self.write(records.summary(tag, value), global_step, walltime)

    def add_text(self, tag, text_string, global_step=None, walltime=None) -> None:
        self.write(records.summary(f"{tag}/text_summary", records.text(text_string)),
                   global_step, walltime)

    def add_image(self, tag, img_tensor, global_step=None, walltime=None,
                  dataformats="CHW") -> None:
        """An image of bytes, or of floats between 0 and 1."""
        pixels = to_numpy(img_tensor)
        kept = [d for d in "HWC" if d in dataformats]
        pixels = pixels.transpose([dataformats.index(d) for d in kept])
        pixels = pixels[..., None] if "C" not in kept else pixels
        if pixels.dtype != np.uint8:
            pixels = (pixels * 255).clip(0, 255).astype(np.uint8)
        pixels = np.broadcast_to(pixels[..., :3], (*pixels.shape[:2], 3))
        value = records.image(*pixels.shape[:2], png(pixels))
        self.write(records.summary(tag, value), global_step, walltime)

    def add_images(self, tag, img_tensor, global_step=None, walltime=None,
                   dataformats="NCHW") -> None:
        """A batch side by side."""
        images = to_numpy(img_tensor)
        row = np.concatenate(list(images), axis=dataformats.index("W") - 1)
        self.add_image(tag, row, global_step, walltime, dataformats[1:])

    def add_hparams(self, hparam_dict, metric_dict, *_, **__) -> None:
        """The parameters as a text and the metrics as scalars."""
        self.add_text("hparams", "\n".join(f"{k}: {v}" for k, v in hparam_dict.items()))
        for tag, value in metric_dict.items():
            self.add_scalar(tag, value)

    def unwritten(self, *_, **__) -> None:
        """Graphs, embeddings, figures, meshes and sounds are not written."""

    add_graph = add_embedding = add_figure = add_mesh = add_audio = add_video = unwritten
    add_pr_curve = add_custom_scalars = unwritten

    def get_logdir(self) -> str:
        return self.log_dir

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error) -> None:
        self.close()
