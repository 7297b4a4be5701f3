"""What a fitted model says, under the names that published tables use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mixcheck.port import port_of
from validation.published.pseudo_likelihood import Estimates

# A summary prints the generalised chi-square, with four places.
SUMMARY = re.compile(r"generalised chi-square\s+([0-9.]+)")


def sd(fit: Any, group: str, name: str = "Intercept") -> float:
    """Standard deviation of a random effect."""
    table = fit.variance_components
    return float(table[(table["group"] == group) & (table["name"] == name)]["sd"].iloc[0])


def sd_error(fit: Any, group: str, name: str = "Intercept") -> float:
    """Standard error of that standard deviation."""
    table = port_of(fit).covariance_parameters()
    chosen = (table["group"] == group) & (table["name"] == name) & (table["kind"] == "sd")
    return float(table[chosen]["std_error"].iloc[0])


def coefficients(fit: Any, names: Mapping[str, str]) -> dict[str, float]:
    """Estimates and standard errors, under the names of a published table."""
    values = {shown: float(fit.params[ours]) for shown, ours in names.items()}
    errors = {f"se {shown}": float(fit.bse[ours]) for shown, ours in names.items()}
    return values | errors


def linearised(fit: Any, names: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, float]:
    """What a table of a pseudo-likelihood holds, of a fit by ``method="pql"``."""
    values = coefficients(fit, names)
    for shown, group in groups.items():
        deviation = sd(fit, group)
        values[f"variance {shown}"] = deviation**2
        values[f"se variance {shown}"] = 2 * deviation * sd_error(fit, group)
        values[f"sd {shown}"] = deviation
        values[f"se sd {shown}"] = sd_error(fit, group)
    found = SUMMARY.search(str(fit.summary()))
    assert found is not None
    values["-2 log pseudo-likelihood"] = -2 * float(fit.llf)
    values["generalised chi-square"] = float(found.group(1))
    return values


def linearised_independently(
    estimates: Estimates, names: tuple[str, ...], groups: tuple[str, ...]
) -> dict[str, float]:
    """The same of a fit by `pseudo_likelihood.fit`."""
    values: dict[str, float] = {}
    for i, shown in enumerate(names):
        values[shown] = float(estimates.beta[i])
        values[f"se {shown}"] = float(estimates.beta_se[i])
    for k, shown in enumerate(groups):
        variance, error = float(estimates.variances[k]), float(estimates.variances_se[k])
        values[f"variance {shown}"] = variance
        values[f"se variance {shown}"] = error
        values[f"sd {shown}"] = variance**0.5
        values[f"se sd {shown}"] = error / (2 * variance**0.5)
    values["-2 log pseudo-likelihood"] = estimates.minus_two
    values["generalised chi-square"] = estimates.chi_square
    return values
