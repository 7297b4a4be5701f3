"""Adjusted p-values of findings, and the smallest that their replicates could have given."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import DataError
from mixcheck.report.adjustment import (
    Pool,
    attainable,
    graded_pvalues,
    pool_pvalues,
    smallest_pvalue,
    step_down,
)
from mixcheck.report.finding import Finding, Skipped

__all__ = ["FAR", "AdjustedTest", "Adjustment", "adjust_pvalues"]

# A p-value by a tail that is so much smaller than a level is below it.
FAR = 0.1

Adjustment = Literal["min-p", "holm", "none"]


@dataclass(frozen=True)
class AdjustedTest:
    """What the adjustment says of one finding.

    Attributes
    ----------
    adjusted : float
        Adjusted p-value.
    attainable : float
        The smallest that these draws could have given, the other findings being as they are.
    joint : bool
        Whether it was adjusted over replicates that it shares with others.
    own : float
        Its p-value; of what shares replicates that which tells its rank apart by a tail, see
        `mixcheck.report.adjustment.graded_pvalues`.
    enough : int or None
        Replicates with which the smallest would be alpha at most; None where there are none.
    error : float
        Monte Carlo standard error of the adjusted p-value; zero without replicates, and of what
        shares them where the data lie so far beyond all of them that no other replicates matter.
    """

    adjusted: float
    attainable: float
    joint: bool
    own: float
    enough: int | None = None
    error: float = 0.0


def adjust_pvalues(
    findings: Sequence[Finding | Skipped], adjust: Adjustment, alpha: float
) -> list[AdjustedTest | None]:
    """What the adjustment says of each finding; None of those without a p-value."""
    positions = [row for row, finding in enumerate(findings) if _is_tested(finding)]
    tests = _adjusted([cast(Finding, findings[row]) for row in positions], adjust, alpha)
    found: list[AdjustedTest | None] = [None] * len(findings)
    for row, test in zip(positions, tests, strict=True):
        found[row] = test
    return found


def _is_tested(finding: Finding | Skipped) -> bool:
    """Whether it has a p-value that can be adjusted."""
    return (
        isinstance(finding, Finding)
        and finding.pvalue is not None
        and not math.isnan(finding.pvalue)
    )


def _adjusted(findings: Sequence[Finding], adjust: Adjustment, alpha: float) -> list[AdjustedTest]:
    """The adjusted p-value of each finding and the smallest one it could have had."""
    if not findings:
        return []
    pvalues = _raw_pvalues(findings)
    floors = np.array([finding.floor for finding in findings], dtype=np.float64)
    if adjust == "none":
        least = np.minimum(floors, pvalues)
        alone = np.zeros(len(findings), dtype=np.bool_)
        return _tests(findings, alpha, pvalues, least, alone, pvalues)
    pools = _pools(findings) if adjust == "min-p" else []
    joint = np.zeros(len(findings), dtype=np.bool_)
    # A pooled test has its place by a graded p-value, which can be as small as one likes.
    places, least_places, least = pvalues.copy(), np.minimum(floors, pvalues), floors.copy()
    for pool in pools:
        joint[pool.members] = True
        for row, graded in zip(pool.members, pool.pvalues[:, 0], strict=True):
            finding = findings[row]
            own = _own_pvalue(finding)
            pvalues[row] = max(pvalues[row], own)
            places[row] = graded if pvalues[row] == own else pvalues[row]
            least_places[row] = 0.0
            least[row] = max(
                floors[row], smallest_pvalue(finding.replicates.size, finding.alternative)
            )
    adjusted = step_down(places, pools, pvalues)
    least_adjusted = np.maximum(
        attainable(places, least_places, pools, alpha), np.minimum(least, pvalues)
    )
    return _tests(findings, alpha, adjusted, least_adjusted, joint, places)


def _tests(
    findings: Sequence[Finding],
    alpha: float,
    adjusted: FloatArray,
    least: FloatArray,
    joint: BoolArray,
    places: FloatArray,
) -> list[AdjustedTest]:
    numbers = (adjusted.tolist(), least.tolist(), joint.tolist(), places.tolist())
    far = FAR * alpha / max(int(joint.sum()), 1)
    return [
        AdjustedTest(
            pvalue,
            floor,
            shared,
            own,
            _enough(finding, floor, alpha),
            0.0 if shared and own <= far else _error(finding, pvalue, own, joint=shared),
        )
        for finding, pvalue, floor, shared, own in zip(findings, *numbers, strict=True)
    ]


def _error(finding: Finding, adjusted: float, own: float, *, joint: bool) -> float:
    """Monte Carlo standard error of an adjusted p-value.

    That of the own p-value, which is a share of N data sets on each side, times the slope of the
    other in it: a multiple. A joint one is a share of data sets itself, and the tail that tells
    ranks apart leaves half the variance of the own one.
    """
    if not finding.replicates.size:
        return 0.0
    data_sets = finding.replicates.size + 1
    sides = 2.0 if finding.alternative == "two-sided" else 1.0
    share = min(max(own / sides, 1.0 / data_sets), 1.0)
    relative = (1.0 - share) / (data_sets * share)
    if joint:
        least = max(adjusted, 1.0 / data_sets)
        relative = 0.5 * relative + (1.0 - least) / (data_sets * least)
    return adjusted * math.sqrt(relative)


def _enough(finding: Finding, attainable: float, alpha: float) -> int | None:
    """Replicates with which a test can fail: what is attainable goes down as their number."""
    draws = finding.replicates.size
    return math.ceil(attainable * (draws + 1) / alpha - 1e-9) - 1 if draws else None


def _raw_pvalues(findings: Sequence[Finding]) -> FloatArray:
    for finding in findings:
        if not 0.0 <= cast(float, finding.pvalue) <= 1.0:
            raise DataError(
                f"the finding {finding.check!r} has the p-value {finding.pvalue!r}; "
                "a p-value lies between 0 and 1"
            )
    return np.array([finding.pvalue for finding in findings], dtype=np.float64)


def _pools(findings: Sequence[Finding]) -> list[Pool]:
    """The findings with replicates, by the number of them: equal numbers are the same data sets."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, finding in enumerate(findings):
        if finding.replicates.size and not math.isnan(finding.statistic):
            groups[finding.replicates.size].append(row)
    return [
        Pool(
            np.array(rows, dtype=np.intp),
            np.stack(
                [
                    graded_pvalues(_data_sets(findings[row]), findings[row].alternative)
                    for row in rows
                ]
            ),
        )
        for rows in groups.values()
    ]


def _data_sets(finding: Finding) -> FloatArray:
    """The statistic of the data and of the replicates, (B + 1,)."""
    return np.concatenate([[finding.statistic], finding.replicates])


def _own_pvalue(finding: Finding) -> float:
    return float(pool_pvalues(_data_sets(finding), finding.alternative)[0])
