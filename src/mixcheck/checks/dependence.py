"""Do residuals that stand close resemble each other? Correlation in bands of distance.

Rows of one place (a point of space, a time within a series) are one number, the sum of their
Pearson residuals over the square root of how many they are. Pairs of places are sorted by how far
they are apart and cut into bands; of each data set the correlation in every band is kept, and
the replicates say how much of it belongs to the model: residuals given the modes of random
effects are correlated under a correct model too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.pooled import pool_of, standardised
from mixcheck.checks.statistic import CheckStatistic, NullSample
from mixcheck.display.document import CurvePlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding
from mixcheck.trial_values import binary_exponents

__all__ = [
    "BandedStatistic",
    "Bands",
    "Places",
    "Simultaneous",
    "cut_into_bands",
    "pearson_residuals",
]

# Distances closer than this, relative to the largest, are one distance.
_ROUNDING = 1e-9
_MOST_BANDS = 8
_LEAST_PAIRS = 20
_CONFIDENCE = 0.95


def pearson_residuals(data_view: DataView) -> FloatArray:
    """``(y - m) / sqrt(v)`` with mean and variance given the modes of the random effects, (n,).

    Where a distribution is so narrow that its variance is zero in double precision, 0.
    """
    difference = data_view.response - data_view.mode_mean
    variance = data_view.mode_variance
    residuals: FloatArray = np.divide(
        difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0.0
    )
    return residuals


@final
@dataclass(frozen=True, eq=False)
class Places:
    """Which place each row stands at.

    Attributes
    ----------
    codes : (n,) array of int
    counts : (m,) array
        Rows of each place.
    """

    codes: IntArray
    counts: FloatArray

    @classmethod
    def of(cls, codes: IntArray) -> Places:
        """Places by their codes, all of which occur."""
        return cls(codes, np.bincount(codes).astype(np.float64))

    def gather(self, residuals: FloatArray) -> FloatArray:
        """``sum_i r_i / sqrt(n_k)`` of each place, (m,)."""
        sums = np.bincount(self.codes, weights=residuals, minlength=self.counts.size)
        gathered: FloatArray = sums / np.sqrt(self.counts)
        return gathered


@final
@dataclass(frozen=True, eq=False)
class Bands:
    """Pairs of places, those of one band after another.

    Attributes
    ----------
    first, second : (p,) array of int
    starts : (b,) array of int
        Where each band begins.
    distances : (b,) array
        Mean distance of the pairs of each band.
    """

    first: IntArray
    second: IntArray
    starts: IntArray
    distances: FloatArray

    @property
    def counts(self) -> IntArray:
        """Pairs in each band, (b,)."""
        return np.diff(np.append(self.starts, self.first.size))

    def correlate(self, values: FloatArray) -> FloatArray:
        """Correlation ``mean_pairs(r_k r_l) / mean(r^2)`` in each band, (b,).

        With a band for its weights this is Moran's coefficient about the mean zero that
        residuals have under the model.

        References
        ----------
        Moran (1950), Notes on continuous stochastic phenomena, Biometrika 37, 17-23.
        """
        # In units of a power of two, so that no square overflows.
        values = np.ldexp(values, -binary_exponents(values))
        size = float(np.mean(values**2))
        if size == 0.0:
            return np.zeros(self.starts.size)
        sums = np.add.reduceat(values[self.first] * values[self.second], self.starts)
        correlations: FloatArray = sums / self.counts / size
        return correlations


def cut_into_bands(
    first: IntArray, second: IntArray, distances: FloatArray, places: int
) -> Bands | None:
    """Bands of pairs by distance: the first has two pairs a place, and each next one twice as many.

    Pairs of the same distance stay together. None where there are too few pairs.
    """
    if distances.size < _LEAST_PAIRS:
        return None
    largest = float(distances.max())
    rounded = np.rint(distances / (_ROUNDING * largest)) if largest > 0.0 else distances
    order = np.argsort(rounded, kind="stable")
    ends = _band_ends(rounded[order], max(2 * places, _LEAST_PAIRS))
    starts = np.append(0, ends[:-1])
    means = np.add.reduceat(distances[order], starts) / np.diff(np.append(starts, order.size))
    return Bands(first[order], second[order], starts, means)


def _band_ends(ordered: FloatArray, width: int) -> IntArray:
    """One past the last pair of each band, of sorted distances."""
    ends: list[int] = []
    wanted = width
    while len(ends) < _MOST_BANDS - 1 and wanted + width < ordered.size:
        ends.append(int(np.searchsorted(ordered, ordered[wanted - 1], side="right")))
        width *= 2
        wanted = ends[-1] + width
    return np.unique(np.array([end for end in ends if end < ordered.size] + [ordered.size]))


@final
@dataclass(frozen=True, eq=False)
class Simultaneous:
    """Several numbers of each data set judged at once, by the largest standardised deviation.

    ``t = max_j |x_j - m_j| / s_j`` with mean and standard deviation over all data sets, the
    observed one among them: so they are treated alike, and the p-value of t is that of one
    statistic.

    Attributes
    ----------
    sample : NullSample
        Of t.
    centre, scale : (s,) array
    worst : int
        The number that deviates most in the observed data.
    """

    sample: NullSample
    centre: FloatArray
    scale: FloatArray
    worst: int

    @classmethod
    def of(cls, sample: NullSample) -> Simultaneous:
        """Of all numbers of a sample."""
        numbers = pool_of(sample)
        deviations = np.abs(standardised(numbers))
        largest = deviations.max(axis=1)
        told = replace(sample, numbers=largest[:1], replicates=largest[1:, None])
        return cls(told, numbers.mean(axis=0), numbers.std(axis=0), int(np.argmax(deviations[0])))

    @property
    def halfwidth(self) -> FloatArray:
        """Half width of the simultaneous band about `centre`, (s,)."""
        halfwidth: FloatArray = self.sample.quantile(_CONFIDENCE) * self.scale
        return halfwidth


@final
@dataclass(frozen=True, eq=False)
class BandedStatistic(CheckStatistic):
    """The correlation of residuals in each band.

    Attributes
    ----------
    places : Places
    bands : Bands
    null, apart : str
        The null hypothesis, and what the distance is, in words.
    subject : mapping of str to str
    references : tuple of str
    """

    randomised: ClassVar[bool] = False

    places: Places
    bands: Bands
    null: str
    apart: str
    subject: dict[str, str]
    references: tuple[str, ...]

    def numbers(self, data_view: DataView) -> FloatArray:
        """Correlations, (b,)."""
        return self.bands.correlate(self.places.gather(pearson_residuals(data_view)))

    def finding(self, sample: NullSample) -> Finding:
        """The largest deviation from the replicates, and the correlogram with its envelope."""
        judged = Simultaneous.of(sample)
        worst = judged.worst
        excess = float(sample.numbers[worst] - judged.centre[worst])
        low, high = np.quantile(sample.replicates[:, worst] - judged.centre[worst], (0.025, 0.975))
        finding = self.found(
            judged.sample,
            null=self.null,
            effect=Effect("residual correlation", excess, excess - high, excess - low, 0.0),
            alternative="greater",
            n=self.places.codes.size,
            references=self.references,
        )
        distance = self.bands.distances[worst]
        where = f"The correlation deviates most at a {self.apart} of {distance:.4g}."
        return replace(
            finding,
            picture=self._correlogram(sample, judged),
            subject=self.subject,
            detail=f"{finding.detail} {where}".strip(),
        )

    def _correlogram(self, sample: NullSample, judged: Simultaneous) -> CurvePlot:
        return CurvePlot(
            self.bands.distances,
            sample.numbers,
            judged.centre - judged.halfwidth,
            judged.centre + judged.halfwidth,
            judged.centre,
            discrete=True,
            title=f"Correlation of residuals by {self.apart}",
            x_label=self.apart,
            y_label="correlation of Pearson residuals",
        )
