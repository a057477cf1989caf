"""Delta-compressed frames, bit by bit, and their encoder: slow and plain."""

from __future__ import annotations


def bits_of(data: bytes) -> list[int]:
    """Least significant bit of the first byte first."""
    return [byte >> place & 1 for byte in data for place in range(8)]


def signed(bits: list[int]) -> int:
    """Two's complement of bits, least significant first."""
    value = sum(bit << place for place, bit in enumerate(bits))
    return value - (1 << len(bits)) if bits and bits[-1] else value


def wrapped(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def decode(payload: bytes, channels: int, resolution_bits: int) -> tuple[list[list[int]], int]:
    """Complete samples, and how many the last block promised beyond them."""
    size = -(-resolution_bits // 8)
    if len(payload) < size * channels:
        return [], 0
    sample = [int.from_bytes(payload[size * c : size * (c + 1)], "little", signed=True) for c in range(channels)]
    samples = [list(sample)]
    rest = payload[size * channels :]
    while len(rest) >= 2:
        width, count, rest = rest[0], rest[1], rest[2:]
        if width > 32:
            return samples, count
        bits = bits_of(rest)
        for number in range(count):
            if len(bits) < channels * width:
                return samples, count - number
            for channel in range(channels):
                sample[channel] = wrapped(sample[channel] + signed(bits[:width]))
                bits = bits[width:]
            samples.append(list(sample))
        rest = rest[-(-count * channels * width // 8) :]
    return samples, 0


def encode(first: list[int], resolution_bits: int, blocks: list[tuple[int, list[list[int]]]]) -> bytes:
    """Payload of a whole sample and blocks of (width, differences per sample)."""
    size = -(-resolution_bits // 8)
    payload = b"".join(value.to_bytes(size, "little", signed=True) for value in first)
    for width, steps in blocks:
        number, place = 0, 0
        for step in steps:
            for value in step:
                number |= (value & ((1 << width) - 1)) << place
                place += width
        payload += bytes([width, len(steps)]) + number.to_bytes(-(-place // 8), "little")
    return payload
