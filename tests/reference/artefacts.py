"""Lipponen and Tarvainen 2019 step by step, one list per quantity: slow, to be read beside the paper."""

from __future__ import annotations

import numpy as np

ECTOPIC, MISSED, EXTRA, LONG_SHORT = 1, 2, 3, 4


def centred(values, i, width):
    half = width // 2
    return values[max(0, i - half) : i + half + 1]


def threshold(values):
    size = np.abs(values)
    spread = []
    for i in range(len(size)):
        low, high = np.percentile(centred(size, i, 91), [25, 75])
        spread.append(5.2 * (high - low) / 2)
    return np.array([s if s > 0 else np.nan for s in spread])


def classify(times):
    times = np.asarray(times, dtype=float)
    n = len(times)
    classes = np.zeros(n, dtype=np.int8)
    if n < 4:
        return classes
    rr = np.concatenate([[0.0], np.diff(times)])
    rr[0] = rr[1:91].mean()
    d = np.concatenate([[0.0], np.diff(rr)])
    d[0] = d[1:91].mean()
    d = d / threshold(d)
    median = np.array([np.median(centred(rr, i, 11)) for i in range(n)])
    m = rr - median
    m[m < 0] *= 2
    th2 = threshold(m)
    m = m / th2
    pad = np.pad(d, 2, mode="reflect")
    s12, s22 = np.zeros(n), np.zeros(n)
    for i in range(n):
        around, ahead = pad[[i + 1, i + 3]], pad[[i + 3, i + 4]]
        if d[i] > 0:
            s12[i], s22[i] = around.max(), ahead.min()
        elif d[i] < 0:
            s12[i], s22[i] = around.min(), ahead.max()
    i = 0
    while i <= n - 3:
        if abs(d[i]) <= 1:
            i += 1
            continue
        if (d[i] > 1 and s12[i] < -0.13 * d[i] - 0.17) or (d[i] < -1 and s12[i] > -0.13 * d[i] + 0.17):
            classes[i] = ECTOPIC
            i += 1
            continue
        candidates = [i, i + 1] if abs(d[i + 1]) < abs(d[i + 2]) else [i]
        for j in candidates:
            i += 1
            long = d[j] > 1 and s22[j] < -1
            short = d[j] < -1 and s22[j] > 1
            if not (long or short or abs(m[j]) > 3):
                continue
            if short and abs(rr[j] + rr[j + 1] - median[j]) < th2[j]:
                classes[j] = EXTRA
            elif long and abs(rr[j] / 2 - median[j]) < th2[j]:
                classes[j] = MISSED
            else:
                classes[j] = LONG_SHORT
    return classes


def correct_once(times, classes, whole, spaced=False):
    def half_way(a, b):
        middle = a + (b - a) / 2
        return float(np.floor(middle)) if whole else middle

    beats = [[float(t), int(c)] for t, c in zip(times, classes, strict=True) if c != EXTRA]
    with_missed = []
    for i, (time, kind) in enumerate(beats):
        if kind == MISSED and i > 1:
            with_missed.append([half_way(beats[i - 1][0], time), 0])
        with_missed.append([time, kind])
    if spaced:
        return space([time for time, _ in with_missed], [kind for _, kind in with_missed], whole)
    for kind in (ECTOPIC, LONG_SHORT):
        old = [time for time, _ in with_missed]
        for i in range(2, len(with_missed) - 1):
            if with_missed[i][1] == kind:
                with_missed[i][0] = half_way(old[i - 1], old[i + 1])
    return np.array([time for time, _ in with_missed])


def space(times, kinds, whole):
    """New lengths for the intervals of runs of beats that are to move; an ectopic beat's run begins a beat earlier."""
    times = list(times)
    n = len(times)
    moving = [2 <= i < n - 1 and kinds[i] in (ECTOPIC, LONG_SHORT) for i in range(n)]
    i = 2
    while i < n - 1:
        starts = moving[i] or kinds[i + 1] == ECTOPIC
        if not starts:
            i += 1
            continue
        run = [i]
        while run[-1] + 1 < n - 1 and moving[run[-1] + 1]:
            run.append(run[-1] + 1)
        if len(run) == 1:
            if i + 1 > n - 2:
                break
            run.append(i + 1)
        a, b = run[0], run[-1]
        before = times[a - 1] - times[a - 2]
        after = times[b + 1] - times[b]
        wanted = np.linspace(before, after, len(run) + 2)[1:-1]
        steps = wanted / wanted.sum() * (times[b] - times[a - 1])
        for k, beat in enumerate(run[:-1]):
            time = times[a - 1] + steps[: k + 1].sum()
            times[beat] = float(np.floor(time)) if whole else time
        i = b + 1
    return np.array(times)


def correct(times, passes=None, spaced=False):
    whole = np.asarray(times).dtype.kind in "iu"
    times = np.asarray(times, dtype=float)
    classes = classify(times)
    done = 0
    while True:
        total = np.count_nonzero(classes)
        if total == 0 or done == passes:
            return times
        times = correct_once(times, classes, whole, spaced)
        done += 1
        classes = classify(times)
        if passes is None and np.count_nonzero(classes) >= total:
            return times
