"""Elements and attribute values found in the bytes of an XML file, block by block, without a parser.

A parser makes objects of every element and refuses a file for one stray byte. Here a table says which elements are
wanted, and the result is where their attribute values stand. No entity is expanded, nothing is decoded, and a document
type that is malformed does not matter, because nothing counts before the root element.

What is relied on: inside a tag, ``<`` occurs in no attribute value (XML 1.0, section 2.4), so that every ``<`` begins
a tag or a comment, and a block may be cut at any of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.byte_words import EACH, ZERO, bytes_before, either
from allostat.kernels.compiled import inner_kernel, kernel

ROOT, HOLDER, CHILD, GROUP, COUNTED = range(5)
"""Roles of elements: the root; one that is wanted, by its key; one that is wanted inside a wanted holder; one whose
holders are numbered as a group; one that is only counted."""

ROOT_STATE, OPEN_HOLDER, OPEN_GROUP, GROUPS, IN_COMMENT, N_KEYS, LAST_KEY, N_ROWS, N_CUT, FIRST_CUT, CONSUMED = range(
    11
)
"""Places in the state that goes from block to block."""
N_STATE = 11
BEFORE_ROOT, IN_ROOT, AFTER_ROOT = range(3)

ELEMENT, KEY, PARENT, AT, SPANS = range(5)
"""Columns of a row; from `SPANS` on begin and end of each attribute's value, -1 where the element has none."""


@inner_kernel
def find_either(data: NDArray[np.uint8], words: NDArray[np.uint64], at: int, stop: int, one: int, other: int) -> int:
    """Where either of two bytes occurs next in ``at:stop``; ``stop`` when neither does.

    Looked for in eight bytes at once: text between tags and values of attributes are most of a file.
    """
    if at >= stop:
        return stop
    first, second = np.uint64(one) * EACH, np.uint64(other) * EACH
    place = at >> 3
    # bytes of the first word that lie before `at` are taken for others
    before = (np.uint64(1) << np.uint64((at & 7) * 8)) - np.uint64(1)
    while place << 3 < stop:
        found = either(words[place], first, second) & ~before
        if found != ZERO:
            return min((place << 3) + bytes_before(found), stop)
        before = ZERO
        place += 1
    return stop


@inner_kernel
def entry_of(
    words: NDArray[np.uint64], at: int, stop: int, pool: NDArray[np.uint64], ends: NDArray[np.int64], n: int, last: int
) -> int:
    """Number of the text ``at:stop`` among the ``n`` texts of a pool, of which ``last`` is tried first; -1: none.

    Parameters
    ----------
    words
        The bytes as uint64, with at least one word behind those that are compared.
    pool, ends
        int64 (capacity, 2): text i fills words of the pool up to ``ends[i, 0]`` and has ``ends[i, 1]`` bytes, the last
        word being filled up with zeros.
    """
    length = stop - at
    shift = np.uint64((at & 7) * 8)
    place, filled = at >> 3, (length + 7) >> 3
    rest = np.uint64(8 * (length & 7))
    for turn in range(-1, n):
        i = last if turn < 0 else turn
        if i < 0 or ends[i, 1] != length:
            continue
        begin = ends[i, 0] - filled
        same = True
        for k in range(filled):
            word = words[place + k] >> shift
            if shift != ZERO:
                word |= words[place + k + 1] << (np.uint64(64) - shift)
            if k == filled - 1 and rest != ZERO:
                word &= (np.uint64(1) << rest) - np.uint64(1)
            if word != pool[begin + k]:
                same = False
                break
        if same:
            return i
    return -1


@kernel
def enter(
    data: NDArray[np.uint8], at: int, stop: int, pool: NDArray[np.uint64], ends: NDArray[np.int64], n: int
) -> bool:
    """Add ``data[at:stop]`` as text ``n`` of a pool; False when the pool is full."""
    begin = ends[n - 1, 0] if n > 0 else 0
    filled = (stop - at + 7) >> 3
    if n >= len(ends) or begin + filled > len(pool):
        return False
    for k in range(filled):
        pool[begin + k] = ZERO
    for k in range(stop - at):
        pool[begin + (k >> 3)] |= np.uint64(data[at + k]) << np.uint64(8 * (k & 7))
    ends[n, 0], ends[n, 1] = begin + filled, stop - at
    return True


@inner_kernel
def _rest_equal(data: NDArray[np.uint8], at: int, stop: int, names: NDArray[np.uint8], begin: int, end: int) -> bool:
    """Whether ``at:stop`` is the name ``begin:end``, blanks and case left aside."""
    k = begin
    for j in range(at, stop):
        c = data[j]
        if c > 32:
            if k >= end or c | 32 != names[k] | 32:
                return False
            k += 1
    return k == end


@inner_kernel
def _element(data: NDArray[np.uint8], at: int, stop: int, names: NDArray[np.uint8], ends: NDArray[np.int64]) -> int:
    """Which of the names begins at ``at``, exactly written and ended; -1: none."""
    for i in range(len(ends)):
        begin = ends[i - 1] if i > 0 else 0
        length = ends[i] - begin
        if at + length >= stop or data[at] != names[begin]:
            continue
        k = 1
        while k < length and data[at + k] == names[begin + k]:
            k += 1
        c = int(data[at + length])
        if k == length and (c <= 32 or c == 62 or c == 47):
            return i
    return -1


@kernel
def scan(
    data: NDArray[np.uint8],
    words: NDArray[np.uint64],
    start: int,
    stop: int,
    elements: NDArray[np.uint8],
    element_ends: NDArray[np.int64],
    plan: NDArray[np.int64],
    attributes: NDArray[np.uint8],
    attribute_ends: NDArray[np.int64],
    wanted: int,
    pool: NDArray[np.uint64],
    pool_ends: NDArray[np.int64],
    counts: NDArray[np.int64],
    seen: NDArray[np.int64],
    state: NDArray[np.int64],
    rows: NDArray[np.int32],
) -> int:
    """Find the wanted elements of a block, which ends before a ``<`` or at the end of the file.

    Parameters
    ----------
    data, words
        uint8 (n,), n a multiple of 8 and at least ``stop + 8``, and the same memory as uint64.
    start, stop
        The bytes to look at.
    elements, element_ends
        Names of the elements that matter, one after the other, and where each ends.
    plan
        int64 (elements, 2): role of each, and the attribute that holds its key, or -1 when every one is wanted.
    attributes, attribute_ends
        Names of attributes; they are compared without blanks and case, as old exports write ``start Date``.
    wanted
        Keys 0 to ``wanted - 1`` of the pool are wanted.
    pool, pool_ends
        Keys, as in `entry_of`. Further keys of holders are entered as they come; of children none is.
    counts
        int64 (keys + 1,): holders seen of each key, the last one for those that found no place in the pool.
    seen
        int64 (elements,): elements seen of each name.
    state
        int64 (`N_STATE`,): see the names of its places; `OPEN_HOLDER` and `LAST_KEY` begin with -1, `N_KEYS` with the
        number of keys. `CONSUMED` is set to where to go on: below ``stop`` when ``rows`` was full. `N_CUT` counts
        elements without an end, `FIRST_CUT` is the place of the first of them in this call.
    rows
        int32 (capacity, `SPANS` + 2 × attributes): filled. `PARENT` is the number of the holder around a child, counted
        over all calls, or the number of the group around a holder (0: none).

    Returns
    -------
    int
        Rows filled.
    """
    n_rows, at, base = 0, start, state[N_ROWS]
    n_attributes, full = len(attribute_ends), len(rows)
    initials = np.zeros(256, np.bool_)
    for k in range(len(element_ends)):
        initials[elements[element_ends[k - 1] if k > 0 else 0]] = True
    heads = np.zeros(n_attributes, np.uint64)
    for k in range(n_attributes):
        first = attribute_ends[k - 1] if k > 0 else 0
        for j in range(first, min(first + 8, attribute_ends[k])):
            heads[k] |= np.uint64(attributes[j] | 32) << np.uint64(8 * (j - first))
    while at < stop:
        if state[IN_COMMENT]:
            at = find_either(data, words, at, stop, 62, 62)
            if at < stop and at >= start + 2 and data[at - 1] == 45 and data[at - 2] == 45:
                state[IN_COMMENT] = 0
            at += 1
            continue
        at = find_either(data, words, at, stop, 60, 60)
        if at + 1 >= stop:
            break
        begin = at
        closing = data[at + 1] == 47
        comment = data[at + 1] == 33 and at + 4 <= stop and data[at + 2] == 45 and data[at + 3] == 45
        if comment and state[ROOT_STATE] == IN_ROOT:
            state[IN_COMMENT] = 1
            at += 4
            continue
        at += 2 if closing else 1
        element = _element(data, at, stop, elements, element_ends) if at < stop and initials[data[at]] else -1
        if element < 0:
            continue
        role = plan[element, 0]
        if closing:
            if role == ROOT and state[ROOT_STATE] == IN_ROOT:
                state[ROOT_STATE] = AFTER_ROOT
            elif role == HOLDER:
                state[OPEN_HOLDER] = -1
            elif role == GROUP:
                state[OPEN_GROUP] = 0
            continue
        if role == ROOT and state[ROOT_STATE] == BEFORE_ROOT:
            state[ROOT_STATE] = IN_ROOT
        if state[ROOT_STATE] != IN_ROOT or (role == CHILD and state[OPEN_HOLDER] < 0):
            continue
        if n_rows == full and role in (HOLDER, CHILD):
            state[N_ROWS] += n_rows
            state[CONSUMED] = begin
            return n_rows
        seen[element] += 1
        if role == GROUP:
            state[GROUPS] += 1
            state[OPEN_GROUP] = state[GROUPS]
        if role in (GROUP, HOLDER):
            state[OPEN_HOLDER] = -1
        if role != HOLDER and role != CHILD:
            continue

        at += element_ends[element] - (element_ends[element - 1] if element > 0 else 0)
        key_attribute, key = plan[element, 1], -1
        use, ended, empty = key_attribute < 0, False, False
        for k in range(n_attributes):
            rows[n_rows, SPANS + 2 * k] = -1
            rows[n_rows, SPANS + 2 * k + 1] = -1
        while at < stop:
            c = data[at]
            if c <= 32:
                at += 1
                continue
            if c == 62:
                ended = True
                break
            if c == 60:
                break
            if c == 47:
                empty = at + 1 < stop and data[at + 1] == 62
                at += 1
                continue
            name, head, length = at, ZERO, 0
            while at < stop:
                c = data[at]
                if 60 <= c <= 62:
                    break
                if c > 32:
                    if length < 8:
                        head |= np.uint64(c | 32) << np.uint64(8 * length)
                    length += 1
                at += 1
            if at >= stop or data[at] != 61:
                continue
            name_end = at
            at += 1
            while at < stop and data[at] <= 32:
                at += 1
            if at >= stop or (data[at] != 34 and data[at] != 39):
                continue
            value = at + 1
            at = find_either(data, words, value, stop, int(np.int64(data[at])), 60)
            if at >= stop or data[at] == 60:
                break
            which = -1
            for k in range(n_attributes):
                first = attribute_ends[k - 1] if k > 0 else 0
                if head == heads[k] and attribute_ends[k] - first == length:
                    if length <= 8 or _rest_equal(data, name, name_end, attributes, first, attribute_ends[k]):
                        which = k
                    break
            if which >= 0:
                rows[n_rows, SPANS + 2 * which] = value
                rows[n_rows, SPANS + 2 * which + 1] = at
                if which == key_attribute:
                    n_keys = state[N_KEYS]
                    key = entry_of(words, value, at, pool, pool_ends, n_keys, state[LAST_KEY])
                    if role == HOLDER:
                        if key < 0 and enter(data, value, at, pool, pool_ends, n_keys):
                            key = n_keys
                            state[N_KEYS] += 1
                        state[LAST_KEY] = key
                        counts[key if key >= 0 else len(counts) - 1] += 1
                    use = 0 <= key < wanted
                    if not use:
                        ended = True
                        break
            at += 1
        if not ended:
            if state[N_CUT] == 0:
                state[FIRST_CUT] = begin
            state[N_CUT] += 1
        elif use:
            rows[n_rows, ELEMENT] = element
            rows[n_rows, KEY] = key
            rows[n_rows, PARENT] = state[OPEN_HOLDER] if role == CHILD else state[OPEN_GROUP]
            rows[n_rows, AT] = begin
            if role == HOLDER and not empty:
                state[OPEN_HOLDER] = base + n_rows
            n_rows += 1
    state[N_ROWS] += n_rows
    state[CONSUMED] = stop
    return n_rows
