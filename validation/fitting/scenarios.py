"""Random data sets of zero-inflated negative binomials with random effects in several parts.

Data set k of a kind depends on the kind and on k alone. Sizes are log-uniform from 200 to 3,000
rows, and every parameter is drawn, so that some data sets determine all parts well and some
hardly.

    python validation/fitting/scenarios.py FOLDER --kind zinb --count 150

writes the tables ``zinb-0.csv`` and so on, and their models as ``zinb.csv``, for
``several_parts.R``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = ("zinb", "three")


@dataclass(frozen=True)
class Case:
    """A data set and the model that made it.

    Attributes
    ----------
    data : DataFrame
    formula, family, zi : str
    dispersion : str or None
    """

    data: pd.DataFrame
    formula: str
    family: str
    zi: str
    dispersion: str | None


def draw(kind: str, k: int) -> Case:
    """Data set k of a kind: "zinb" (mean and zero part), or "three" (the dispersion too)."""
    rng = np.random.default_rng([KINDS.index(kind), k])
    n = round(float(np.exp(rng.uniform(np.log(200), np.log(3000)))))
    groups = int(rng.integers(10, max(11, min(100, n // 10)) + 1))
    g, h = rng.permutation(np.arange(n) % groups), rng.integers(0, 15, n)
    x, z = rng.standard_normal(n), rng.integers(0, 2, n).astype(float)
    crossed = bool(rng.random() < 0.25)

    def effects(index: np.ndarray, low: float, high: float) -> np.ndarray:
        return rng.normal(0.0, rng.uniform(low, high), int(index.max()) + 1)[index]

    family = "nbinom1" if rng.random() < 1 / 3 else "nbinom2"
    eta = rng.uniform(0, 2) + rng.uniform(-0.5, 0.5) * x + effects(g, 0.2, 1.0)
    log_dispersion = np.full(n, rng.uniform(-0.7, 1.6))
    if kind == "three":
        log_dispersion += rng.uniform(-0.5, 0.5) * z + effects(g, 0.2, 0.8)
    logit = rng.uniform(-2, 1) + rng.uniform(-1, 1) * z + effects(h if crossed else g, 0.3, 1.5)
    mu, phi = np.exp(eta), np.exp(log_dispersion)
    shape = phi if family == "nbinom2" else mu / phi
    y = rng.poisson(rng.gamma(shape, mu / shape))
    y[rng.random(n) < 1 / (1 + np.exp(-logit))] = 0
    group = "h" if crossed else "g"
    return Case(
        pd.DataFrame({"y": y, "x": x, "z": z, "g": g, "h": h}),
        "y ~ x + (1 | g)",
        family,
        f"~ z + (1 | {group})",
        "~ z + (1 | g)" if kind == "three" else None,
    )


def main() -> None:
    """Write the tables of a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=KINDS, default="zinb")
    parser.add_argument("--count", type=int, default=150)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for k in range(asked.count):
        case = draw(asked.kind, k)
        case.data.to_csv(asked.folder / f"{asked.kind}-{k}.csv", index=False)
        rows.append((k, case.formula, case.family, case.zi))
    models = pd.DataFrame(rows, columns=["k", "formula", "family", "zi"])
    models.to_csv(asked.folder / f"{asked.kind}.csv", index=False)


if __name__ == "__main__":
    main()
