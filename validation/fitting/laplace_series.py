"""The next term of Laplace's expansion beside quadrature and importance sampling.

For models where one of these can be had: what Laplace's approximation misses of the log-likelihood
at its estimates, and the largest shift of an estimate in standard errors, both ways.

    python validation/fitting/laplace_series.py

Results are stored in ``laplace_series.json`` beside this file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import mixcheck as mc
from mixcheck.fitting.estimation import laplace_error
from mixcheck.port import port_of

RESULTS = Path(__file__).with_name("laplace_series.json")
# Levels of two crossed factors, rows, intercept, and deviation of both.
CROSSED = ((30, 30, 600, 0.0, 0.5), (30, 30, 600, 0.0, 1.0), (40, 20, 800, -1.0, 0.8))


def models() -> Iterator[tuple[str, mc.GLMM]]:
    """Data of the package, and simulated 0/1 data and counts."""
    load = mc.datasets.load
    for name, formula, family in (
        ("cbpp", "incidence / size ~ period + (1 | herd)", "binomial"),
        ("grouseticks", "TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", "poisson"),
        ("epil", "y ~ lbase * trt + (1 | subject)", "poisson"),
        ("Salamanders", "count ~ mined + (1 | site)", "poisson"),
    ):
        yield name, mc.glmm(formula, load(name), family=family)
    for left, right, n, intercept, sd in CROSSED:
        rng = np.random.default_rng(n)
        g, h = rng.integers(0, left, n), rng.integers(0, right, n)
        eta = intercept + sd * (rng.normal(size=left)[g] + rng.normal(size=right)[h])
        for family, y in (
            ("binomial", rng.binomial(1, 1.0 / (1.0 + np.exp(-eta)))),
            ("poisson", rng.poisson(np.exp(eta))),
        ):
            data = {"y": y, "g": g, "h": h}
            name = f"{family} {left} x {right}, sd {sd:g}"
            yield name, mc.glmm("y ~ 1 + (1 | g) + (1 | h)", data, family=family)


def expanded(fit: mc.GLMM) -> Any:
    """The comparison with the next term, whatever else could be had."""
    held = laplace_error._by_quadrature, laplace_error._by_importance
    laplace_error._by_quadrature = laplace_error._by_importance = lambda *_: "not asked"
    try:
        return port_of(fit).approximation()
    finally:
        laplace_error._by_quadrature, laplace_error._by_importance = held


def main() -> None:
    """Compare, print and store."""
    warnings.simplefilter("ignore", mc.MixcheckWarning)
    content: dict[str, Any] = {"mixcheck": mc.__version__, "numpy": np.__version__}
    for name, fit in models():
        finer, term = port_of(fit).approximation(), expanded(fit)
        content[name] = {"finer": asdict(finer), "next term": asdict(term)}
        print(
            f"{name:26s} missed {finer.missed:7.4f} (se {finer.missed_error:.4f}) "
            f"{term.missed:7.4f}   shift {finer.shift:.4f} (se {finer.shift_error:.4f}) "
            f"{term.shift:.4f}   {finer.reference}",
            flush=True,
        )
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
