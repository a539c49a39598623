"""Rows put together into packs of bounded length: best fit, longest first.

The same rows give the same packs. A pack is a list of row numbers; a row longer than the limit stands alone.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

Packs = tuple[tuple[int, ...], ...]


def pack(lengths: npt.NDArray[np.int64], limit: int) -> Packs:
    """Best-fit decreasing: each row goes where the least room is left after it."""
    packs: list[list[int]] = []
    by_room: dict[int, list[int]] = defaultdict(list)
    # Bit r is set while a pack with room r is there, so that the tightest fit is the lowest bit from a length on.
    rooms = 0
    for row in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[row])
        fitting = rooms >> length
        if fitting and length <= limit:
            room = length + (fitting & -fitting).bit_length() - 1
            number = by_room[room].pop()
            if not by_room[room]:
                rooms ^= 1 << room
            packs[number].append(row)
        else:
            room, number = max(limit, length), len(packs)
            packs.append([row])
        left = room - length
        by_room[left].append(number)
        rooms |= 1 << left
    return tuple(tuple(rows) for rows in packs)
