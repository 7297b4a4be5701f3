"""What a user holds after many refits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, final, overload

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.fitting.results.parameters import list_parameters
from mixcheck.fitting.results.port import GlmmPort

__all__ = ["Refits"]


class _Fitted(Protocol):
    """A fit to one of the responses."""

    @property
    def converged(self) -> bool: ...

    @property
    def llf(self) -> float: ...

    def __mixcheck_port__(self) -> GlmmPort: ...


Fit = TypeVar("Fit", bound=_Fitted)


@final
@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Refits(Sequence[Fit | Exception], Generic[Fit]):
    """The fits of one model to many responses, made by :meth:`mixcheck.GLMM.refit`.

    A sequence in the order of the responses. Where a response could not be fitted its place holds
    the error that says why.

    Attributes
    ----------
    labels : Index, (B,)
        Names of the responses: the columns of a frame, or their numbers.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> refits = fit.refit(fit.simulate(100, seed=1))
    >>> refits
    <Refits 100 fits, 0 failures>
    >>> round(float(refits.estimates["sd(herd, Intercept)"].std()), 2)
    0.22
    """

    _fits: tuple[Fit | Exception, ...]
    labels: pd.Index[Any]
    _like: GlmmPort = field(repr=False)

    def __len__(self) -> int:
        """Number of responses, B."""
        return len(self._fits)

    @overload
    def __getitem__(self, k: int) -> Fit | Exception: ...

    @overload
    def __getitem__(self, k: slice) -> tuple[Fit | Exception, ...]: ...

    def __getitem__(self, k: int | slice) -> Fit | Exception | tuple[Fit | Exception, ...]:
        """The fit to response number k, or why there is none."""
        return self._fits[k]

    def __repr__(self) -> str:
        return f"<Refits {len(self) - self.failed} fits, {self.failed} failures>"

    @property
    def failures(self) -> tuple[tuple[str, int], ...]:
        """Why responses could not be fitted, and how many for each reason."""
        reasons = Counter(
            f"{type(fit).__name__}: {fit}" for fit in self._fits if isinstance(fit, Exception)
        )
        return tuple(reasons.most_common())

    @property
    def failed(self) -> int:
        """Number of responses that could not be fitted."""
        return sum(count for _, count in self.failures)

    @cached_property
    def converged(self) -> pd.Series[bool]:
        """Whether each optimum was reached, (B,); False where there is no fit."""
        reached = [not isinstance(fit, Exception) and fit.converged for fit in self._fits]
        return pd.Series(reached, self.labels, dtype=bool, name="converged")

    @cached_property
    def llf(self) -> pd.Series[float]:
        """Log-likelihoods, (B,); NaN where there is no fit."""
        values = [np.nan if isinstance(fit, Exception) else fit.llf for fit in self._fits]
        return pd.Series(values, self.labels, dtype=float, name="llf")

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Estimates of each fit, (B, p); NaN where there is none.

        Columns are the names of `GLMM.params`, then standard deviations ``sd(group, effect)``
        and correlations ``cor(group, effect, effect)`` of random effects, then a constant
        dispersion.
        """
        parameters = list_parameters(self._like)
        rows = np.full((len(self), len(parameters)), np.nan)
        for row, fit in zip(rows, self._fits, strict=True):
            if not isinstance(fit, Exception):
                psi = fit.__mixcheck_port__().optimum.psi
                row[:] = [parameter.of(psi) for parameter in parameters]
        return pd.DataFrame(rows, self.labels, [p.name for p in parameters])
