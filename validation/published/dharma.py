"""DHARMa: its deterministic statistics, from its own simulations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mixcheck.adapters.draws import from_draws
from mixcheck.checks import Dispersion, Statistic, Suite
from mixcheck.checks.goodness import clopper_pearson, kolmogorov_smirnov
from mixcheck.quantile_residuals import rank_residuals
from validation.published.frame import Case, Number, Source, Tables, Values

SYSTEM = "DHARMa"
STORED = Path(__file__).parents[2] / "tests" / "data" / "dharma_parity.json"
RECORD: dict[str, Any] = json.loads(STORED.read_text())
OUTPUT = Source("DHARMa 0.5.0, on its own simulations", "tests/data/dharma_parity.json", "recorded")
DIGITS = "fifteen digits of exact decimals"
NOTE = (
    "p-values are not compared: ours count the observed data among the simulated, and DHARMa's do "
    "not."
)


def _number(name: str, value: float, tolerance: float = 1e-12) -> Number:
    return Number(name, float(value), tolerance * max(1.0, abs(value)), DIGITS)


def _ratio(check: Any, case: dict[str, Any], of_mean: bool) -> float:
    model = from_draws(case["obs"], np.array(case["sims"]), fitted=case["pred"])
    finding = Suite((check,)).run(model, seed=1).findings[0]
    if not of_mean:
        return float(finding.effect.value)
    return float(finding.statistic / finding.replicates.mean())


def sample_sd(y: np.ndarray) -> float:
    """R's sd."""
    return float(np.std(y, ddof=1))


def count_zeros(y: np.ndarray) -> float:
    """How many are zero."""
    return float(np.sum(y == 0))


def count_ones(y: np.ndarray) -> float:
    """How many are one."""
    return float(np.sum(y == 1))


class _Uniform:
    """A generator of one number."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self, size: int) -> np.ndarray:
        """That number, `size` times."""
        return np.full(size, self.u)


def _continuous(tables: Tables) -> Values:
    case = RECORD["continuous"]
    residuals = np.array(case["residuals"])
    bound = 1.0 / (len(case["sims"][0]) + 1)
    count = int(np.sum(residuals < bound) + np.sum(residuals > 1.0 - bound))
    low, high = clopper_pearson(count, residuals.size)
    return {
        "testDispersion, ratio": _ratio(Dispersion("variance"), case, False),
        "testGeneric(mean), ratio": _ratio(Statistic(np.mean), case, True),
        "testGeneric(sd), ratio": _ratio(Statistic(sample_sd), case, True),
        "testUniformity, distance": float(kolmogorov_smirnov(np.sort(residuals))),
        "testOutliers, count": count,
        "testOutliers, lower limit": float(low),
        "testOutliers, upper limit": float(high),
    }


def _counts(tables: Tables) -> Values:
    case = RECORD["poisson"]
    draws = np.array(case["sims"]).T
    m = len(draws)
    low = rank_residuals(case["obs"], draws, _Uniform(0.0)) * (m + 1) / m
    high = (rank_residuals(case["obs"], draws, _Uniform(1.0)) * (m + 1) - 1.0) / m
    return {
        "testDispersion, ratio": _ratio(Dispersion("variance"), case, False),
        "testZeroInflation, ratio": _ratio(Statistic(count_zeros), case, True),
        "testGeneric(ones), ratio": _ratio(Statistic(count_ones), case, True),
        "shares of simulations below, sum": float(np.sum(low)),
        "shares of simulations not above, sum": float(np.sum(high)),
    }


_C, _P = RECORD["continuous"], RECORD["poisson"]

CASES = (
    Case(
        SYSTEM,
        "a continuous response",
        "80 observations, 250 simulations each",
        "none",
        OUTPUT,
        (
            _number("testDispersion, ratio", _C["dispersion"]["two.sided"]["stat"]),
            _number("testGeneric(mean), ratio", _C["generic_mean"]["two.sided"]["stat"]),
            _number("testGeneric(sd), ratio", _C["generic_sd"]["two.sided"]["stat"]),
            _number("testUniformity, distance", _C["ks_two_sided"]["stat"]),
            _number("testOutliers, count", _C["outliers"]["both"]["count"]),
            _number("testOutliers, lower limit", _C["outliers"]["both"]["ci"][0], 1e-9),
            _number("testOutliers, upper limit", _C["outliers"]["both"]["ci"][1], 1e-9),
        ),
        _continuous,
        note=NOTE,
    ),
    Case(
        SYSTEM,
        "counts",
        "60 observations, 250 simulations each",
        "none",
        OUTPUT,
        (
            _number("testDispersion, ratio", _P["dispersion"]["two.sided"]["stat"]),
            _number("testZeroInflation, ratio", _P["zeroinfl"]["two.sided"]["stat"]),
            _number("testGeneric(ones), ratio", _P["ones"]["stat"]),
            _number("shares of simulations below, sum", float(np.sum(_P["lower"])), 1e-9),
            _number(
                "shares of simulations not above, sum", float(np.sum(_P["lower_or_equal"])), 1e-9
            ),
        ),
        _counts,
        note=NOTE,
    ),
)
