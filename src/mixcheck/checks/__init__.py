"""Questions about a model: residuals to findings."""

from mixcheck.checks.check import Check, Suite, answer_constructors, check_from_dict, known_kinds
from mixcheck.checks.distribution import (
    Count,
    Dispersion,
    Outliers,
    Statistic,
    Uniformity,
    Zeros,
)
from mixcheck.checks.pattern import Trend
from mixcheck.checks.structure import Convergence, LaplaceAdequacy, RandomEffects

__all__ = [
    "Check",
    "Convergence",
    "Count",
    "Dispersion",
    "LaplaceAdequacy",
    "Outliers",
    "RandomEffects",
    "Statistic",
    "Suite",
    "Trend",
    "Uniformity",
    "Zeros",
    "check_from_dict",
    "known_kinds",
]

answer_constructors()
