"""TensorBoard's event files: length-framed, checksummed records of protocol buffers.

Source: TFRecord (tensorflow/core/lib/io/record_writer.h) and event.proto, summary.proto.
"""

from __future__ import annotations

import struct


def checksum_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # the Castagnoli polynomial
        table.append(byte)
    return table


TABLE = checksum_table()


def masked_crc(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted, as records store it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """A framed record.

    >>> record(b"").hex()
    '000000000000000029039807d8ea82a2'
    """
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number: int, value) -> bytes:
    """One field of a message: int, float (32 bits), str or bytes (a message too)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def doubles(number: int, values) -> bytes:
    return field(number, b"".join(struct.pack("<d", float(v)) for v in values))


def event(wall_time: float, step: int, content: bytes) -> bytes:
    return double(1, wall_time) + field(2, step) + content


def summary(tag: str, value: bytes) -> bytes:
    """The content of an event that shows one value under a tag."""
    return field(5, field(1, field(1, tag) + value))


def histogram(values, counts, edges) -> bytes:
    """A HistogramProto as the value of a summary."""
    return field(5, double(1, values.min()) + double(2, values.max()) + double(3, values.size)
                 + double(4, values.sum()) + double(5, (values * values).sum())
                 + doubles(6, edges) + doubles(7, counts))


def text(content: str) -> bytes:
    """A string tensor with the metadata of the text plugin."""
    plugin = field(9, field(1, field(1, "text")))
    return plugin + field(8, field(1, 7) + field(2, field(2, field(1, 1))) + field(8, content))


def image(height: int, width: int, png: bytes) -> bytes:
    return field(4, field(1, height) + field(2, width) + field(3, 3) + field(4, png))
