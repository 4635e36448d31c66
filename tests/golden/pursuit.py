"""Codes by pursuit: gradient pursuit written in torch from its rule, orthogonal matching pursuit with scipy's non-negative least squares.

Run with torch, numpy and scipy: python pursuit.py. Writes pursuit.json: directions of uneven length with near copies, signals, steps of each token, and the codes
after that many steps, in f64.
"""

import json

import numpy as np
import torch
from scipy.optimize import nnls

F, D, N = 40, 10, 12


def gradient_pursuit(signal, directions, steps):
    """4.4 item 9: start at 0; argmax of the signed products; step along the products of the selected set; clamp."""
    w = torch.zeros(directions.shape[0], dtype=torch.float64)
    for _ in range(steps):
        rest = signal - w @ directions
        products = directions @ rest
        selected = w != 0
        selected[torch.argmax(products)] = True
        grad = torch.where(selected, products, torch.zeros_like(products))
        c = directions.T @ grad
        step = torch.dot(c, rest) / torch.dot(c, c)
        w = torch.clamp(w + step * grad, min=0)
    return w.numpy()


def orthogonal_pursuit(signal, directions, steps):
    """Add the unselected feature of the largest product, fit the set with weights >= 0, stop where no product is positive."""
    chosen, w = [], np.zeros(directions.shape[0])
    for _ in range(steps):
        products = directions @ (signal - w @ directions)
        products[chosen] = -np.inf
        best = int(np.argmax(products))
        if products[best] <= 0:
            break
        chosen.append(best)
        w = np.zeros(directions.shape[0])
        w[chosen], _ = nnls(directions[chosen].T, signal)
    return w


def main():
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(F, D))
    for i in range(2, F, 3):
        directions[i] = directions[i - 1] + 0.3 * directions[i]
    directions *= (0.4 + 0.5 * (np.arange(F) % 4))[:, None]
    signals = rng.normal(size=(N, D)) * 3
    directions = directions.astype(np.float32).astype(np.float64)
    signals = signals.astype(np.float32).astype(np.float64)
    steps = [1 + i % 7 for i in range(N)]
    by_torch = [
        gradient_pursuit(torch.tensor(s), torch.tensor(directions), k)
        for s, k in zip(signals, steps)
    ]
    by_scipy = [orthogonal_pursuit(s, directions, k) for s, k in zip(signals, steps)]
    codes = lambda all: [
        {str(i): float(v) for i, v in enumerate(code) if v > 0} for code in all
    ]
    value = {
        "torch": torch.__version__,
        "features": F,
        "width": D,
        "directions": directions.ravel().tolist(),
        "signals": signals.ravel().tolist(),
        "steps": steps,
        "gradient": codes(by_torch),
        "orthogonal": codes(by_scipy),
    }
    with open("pursuit.json", "w") as file:
        json.dump(value, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
