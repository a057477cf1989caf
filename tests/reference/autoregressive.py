"""Forward-backward least squares over an explicit list of equations."""

from __future__ import annotations

import numpy as np


def autoregressive(stretches, order):
    mean = np.mean(np.concatenate([s for s in stretches if len(s) > order]))
    rows, targets = [], []
    for stretch in stretches:
        x = np.asarray(stretch, dtype=float) - mean
        for i in range(order, len(x)):
            rows.append(x[i - order : i][::-1])
            targets.append(x[i])
            rows.append(x[i - order + 1 : i + 1])
            targets.append(x[i - order])
    solution = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    errors = np.array(targets) - np.array(rows) @ solution
    return np.concatenate([[1.0], -solution]), float(np.mean(errors**2))
