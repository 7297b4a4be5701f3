"""What residuals are regressed on: the ranks of a number, or the levels of a factor.

A check along a column says what it takes of each row; where its mean differs, and how that is
drawn, is the same for all of them, and written here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.rank_basis import CURVE_RANKS, RankBasis
from mixcheck.display.document import Caterpillar, CurvePlot, Picture
from mixcheck.port import DataView

__all__ = ["FITTED", "FactorLevels", "RankCurve", "Regression", "Regressor"]

FITTED = "fitted"
# Levels in a picture; of more, those that are farthest off are shown.
_MOST_LEVELS = 40


class Regression(Protocol):
    """Orthonormal functions of a predictor."""

    def regress(self, values: FloatArray) -> FloatArray:
        """Coefficients (.., d) of centred values (.., n), with the variance of a row."""
        ...

    def read(self, coefficients: FloatArray) -> FloatArray:
        """The fit of coefficients (.., d) at the places where effects are read, (.., g)."""
        ...


@dataclass(frozen=True, eq=False)
class Regressor(ABC):
    """Fitted values, or a column, in all rows.

    Attributes
    ----------
    against : str
        The word "fitted", or the name of the column.
    """

    against: str

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return "the fitted values" if self.against == FITTED else self.against

    @property
    def subject(self) -> dict[str, str]:
        """What a finding is about, as in `Finding`."""
        return {} if self.against == FITTED else {"column": self.against}

    @property
    @abstractmethod
    def points(self) -> int:
        """At how many places fits are read, g."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """How many coefficients there are, d."""

    @abstractmethod
    def at(self, data_view: DataView) -> Regression:
        """The functions in a data set, or in many."""

    def fit(self, values: FloatArray, data_view: DataView) -> tuple[FloatArray, FloatArray]:
        """Coefficients, (.., d), of centred values (.., n), and their fit, (.., g)."""
        regression = self.at(data_view)
        found = regression.regress(values)
        return found[..., : self.dimension], regression.read(found)

    def split(self, pool: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coefficients (.., d) and fits (.., g) that stand one after another."""
        return pool[..., : -self.points], pool[..., -self.points :]

    @abstractmethod
    def picture(
        self,
        fit: FloatArray,
        low: FloatArray,
        high: FloatArray,
        centre: FloatArray,
        *,
        null: float,
        title: str,
        unit: str,
    ) -> Picture:
        """A fit with the band in which those of the model lie.

        Parameters
        ----------
        fit, low, high, centre : (g,) arrays
            Of the data; edges and middle of the band.
        null : float
            What the middle stands for, where it is a straight line.
        title, unit : str
            What is fitted, and its unit.
        """


@final
@dataclass(frozen=True, eq=False)
class RankCurve(Regressor):
    """A number; `follows` where each data set has fitted values of its own."""

    x: FloatArray
    basis: RankBasis
    follows: bool

    @property
    def points(self) -> int:
        """Ranks at which the curve is read."""
        return CURVE_RANKS.size

    @property
    def dimension(self) -> int:
        """Polynomials in ranks."""
        return int(self.basis.rows.shape[1])

    def at(self, data_view: DataView) -> RankBasis:
        """The polynomials in the ranks of the number; only refits move fitted values."""
        return self.basis.following(self.x, data_view.fitted if self.follows else None)

    def picture(
        self,
        fit: FloatArray,
        low: FloatArray,
        high: FloatArray,
        centre: FloatArray,
        *,
        null: float,
        title: str,
        unit: str,
    ) -> CurvePlot:
        """The curve with its band."""
        return CurvePlot(
            (CURVE_RANKS + 1.0) / 2.0,
            fit,
            low,
            high,
            centre,
            title=f"{title} against {self.against}",
            x_label=f"{self.against} (rank)",
            y_label=unit,
        )


@final
@dataclass(frozen=True, eq=False)
class FactorLevels(Regressor):
    """A factor: codes (n,) of its levels, each of which occurs."""

    codes: IntArray
    levels: tuple[str, ...]

    @property
    def points(self) -> int:
        """Levels."""
        return len(self.levels)

    @property
    def dimension(self) -> int:
        """Levels."""
        return len(self.levels)

    @property
    def counts(self) -> IntArray:
        """Rows of each level."""
        return np.bincount(self.codes, minlength=self.points)

    def at(self, data_view: DataView) -> FactorLevels:
        """Itself: no data set moves the levels."""
        return self

    def regress(self, values: FloatArray) -> FloatArray:
        """``sum_i y_i / sqrt(n_k)``."""
        flat = values.reshape(-1, values.shape[-1])
        # One sum after another in the order of the rows, however many data sets there are.
        cells = self.codes + self.points * np.arange(len(flat))[:, None]
        sums = np.bincount(cells.ravel(), weights=flat.ravel(), minlength=len(flat) * self.points)
        found: FloatArray = sums.reshape(*values.shape[:-1], self.points) / np.sqrt(self.counts)
        return found

    def read(self, coefficients: FloatArray) -> FloatArray:
        """Means of the levels."""
        means: FloatArray = coefficients / np.sqrt(self.counts)
        return means

    def picture(
        self,
        fit: FloatArray,
        low: FloatArray,
        high: FloatArray,
        centre: FloatArray,
        *,
        null: float,
        title: str,
        unit: str,
    ) -> Caterpillar:
        """Each level less the middle of its band, with how far it may be off."""
        apart = null + fit - centre
        reach = np.where(fit < centre, centre - low, high - centre)
        share = np.abs(fit - centre) / np.where(reach > 0.0, reach, np.inf)
        kept = np.sort(np.argsort(-share, kind="stable")[:_MOST_LEVELS])
        more = f" ({kept.size} of {self.points} levels)" if kept.size < self.points else ""
        return Caterpillar(
            tuple(self.levels[k] for k in kept),
            apart[kept],
            (apart - (high - centre))[kept],
            (apart + (centre - low))[kept],
            ((fit < low) | (fit > high))[kept],
            null,
            title=f"{title} by {self.against}{more}",
            x_label=unit,
        )
