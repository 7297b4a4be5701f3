"""What a user holds after a fit over partitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, final

import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.families import Family
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.partitions import part as parts
from mixcheck.fitting.partitions.after_fit import hand_over
from mixcheck.fitting.partitions.estimates import INSTEAD
from mixcheck.fitting.partitions.port import PartsPort
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.fitting.results.predictions import (
    Part,
    PredictionRequest,
    RandomEffects,
    Scale,
    Unseen,
)
from mixcheck.fitting.results.summary import Summary, summarise
from mixcheck.port import ConvergenceFacts

__all__ = ["PartitionedGLMM"]


@dataclass(frozen=True, eq=False, repr=False)
class _PartPort(GlmmPort):
    """The fit of one part at the estimates of all, which a refit of the part would not be."""

    def refit(self, response: ArrayLike) -> NoReturn:
        """Refuse: other parts have their say in the estimates."""
        self._refuse_refits()

    def refit_many(self, responses: FloatArray, *, one_step: bool = False) -> NoReturn:
        """Refuse: other parts have their say in the estimates."""
        self._refuse_refits()

    def _refuse_refits(self) -> NoReturn:
        raise OptionError(
            "these are the rows of one part at the estimates of all parts, and a fit to this part "
            'alone has other ones; write calibration="plug-in" for checks, or mc.glmm with the '
            "rows of the part for a fit of its own"
        )


@final
@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class PartitionedGLMM:
    """A generalized linear mixed model fitted over partitions, by :func:`mixcheck.glmm_partitions`.

    Names are those of :class:`mixcheck.GLMM`. The rows and the conditional modes stay where the
    partitions are held, until `close` or the end of a ``with``. What is asked of rows is asked of
    one partition at a time: ``fit.part(k)`` is a fit like any other.
    """

    _fit: PartsPort

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            words = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and hasattr(GLMM, name):
                words = f"a fit over partitions has no {name}; {INSTEAD}"
            raise AttributeError(words, name=name, obj=self)

    def __mixcheck_port__(self) -> NoReturn:
        """Say what to write in place: no room holds all rows."""
        raise OptionError(
            "residuals, simulations and comparisons look at rows, and those of a fit over "
            f"partitions lie in parts; {INSTEAD}, as in mc.residuals(fit.part(0)), and "
            "mc.check(fit) makes one report of all of them"
        )

    def __mixcheck_parts__(self) -> PartsPort:
        """The object that asks the partitions, for a report of all of them; see `mixcheck.port`."""
        return self._fit

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the partitions up, and end the worker processes that were started for them.

        Estimates stay; `predict` by levels, `random_effects` and `part` need the partitions.
        """
        self._fit.parts.crew.close()

    # ---- what was fitted -----------------------------------------------------------------------

    @property
    def formula(self) -> str:
        """The formula as it was written."""
        return self._fit.formula

    @property
    def family(self) -> Family:
        """Distribution of the response, with the link of its mean."""
        return self._fit.family

    @property
    def method(self) -> Method:
        """How the likelihood was approximated."""
        return self._fit.method

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was found before fitting: rows left out, separation."""
        return self._fit.notes

    @property
    def nobs(self) -> int:
        """Number of observations (rows used) of all partitions."""
        return self._fit.nobs

    @property
    def n_parts(self) -> int:
        """Number of partitions, those without rows too."""
        return self._fit.parts.crew.size

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: fixed effects, covariance, dispersion."""
        return self._fit.n_parameters

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return self._fit.n_groups

    # ---- estimates -----------------------------------------------------------------------------

    @property
    def params(self) -> pd.Series[float]:
        """Fixed effects; see `GLMM.params`."""
        return self._fit.params

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors of the fixed effects, by the observed information of the likelihood."""
        return self._fit.bse

    @property
    def tvalues(self) -> pd.Series[float]:
        """Estimates over standard errors: Wald's z."""
        return self._fit.tvalues

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values of Wald's z, from the normal distribution."""
        return self._fit.pvalues

    def cov_params(self) -> pd.DataFrame:
        """Covariance of the fixed effects."""
        return self._fit.cov_params()

    def conf_int(self, *, level: float = 0.95) -> pd.DataFrame:
        """Wald intervals of the fixed effects, columns ``low`` and ``high``."""
        return self._fit.conf_int(level)

    def coefficients(self, *, level: float = 0.95) -> pd.DataFrame:
        """Estimates, standard errors, Wald's z with its p-value and interval.

        From the normal distribution; there are no degrees of freedom over partitions.
        """
        return tabulate_coefficients(self._fit, "normal", level)

    @property
    def dispersion(self) -> float | None:
        """Constant dispersion parameter (Gaussian: residual standard deviation), or None."""
        return self._fit.dispersion

    @property
    def shapes(self) -> pd.DataFrame:
        """Parameters of the family that no formula speaks of; see `GLMM.shapes`."""
        return self._fit.shapes

    @property
    def variance_components(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations of the random effects."""
        return self._fit.variance_components

    @property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes, a frame of levels x effects per grouping factor.

        All of them are brought here; ``fit.part(k).random_effects`` are those of one partition.
        """
        return self._fit.random_effects

    # ---- likelihood ----------------------------------------------------------------------------

    @property
    def llf(self) -> float:
        """Log-likelihood, every constant kept."""
        return self._fit.llf

    @property
    def aic(self) -> float:
        """Marginal AIC."""
        return self._fit.aic

    @property
    def bic(self) -> float:
        """Marginal BIC, with the number of observations."""
        return self._fit.bic

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self._fit.converged

    @property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped."""
        return self._fit.convergence

    # ---- rows ----------------------------------------------------------------------------------

    def predict(
        self,
        data: object,
        *,
        random_effects: RandomEffects = "auto",
        unseen: Unseen = "error",
        scale: Scale = "response",
        offset: str | ArrayLike | None = None,
        part: Part = "response",
    ) -> pd.Series[float]:
        """Predict new rows; see `GLMM.predict`.

        Parameters
        ----------
        data : table
            New rows, of any levels of any partitions. They are sent to each.
        random_effects : {"auto", "zero", "marginal"}
            As in `GLMM.predict`.
        unseen : {"error", "zero"}
            As in `GLMM.predict`.
        scale : {"response", "link"}
            As in `GLMM.predict`.
        offset : str or array_like, optional
            As in `GLMM.predict`.
        part : {"response", "conditional", "dispersion", "zi"}
            As in `GLMM.predict`.

        Returns
        -------
        Series, (n,)
            Aligned with `data`; NaN where a predictor is missing.

        Raises
        ------
        UnseenLevelError, OptionError, DataError

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> herds = [rows for _, rows in cbpp.groupby("herd", observed=True)]
        >>> fit = mc.glmm_partitions(
        ...     "incidence / size ~ period + (1 | herd)", herds, family="binomial"
        ... )
        >>> fit.predict(cbpp.head(2)).round(3).tolist()
        [0.308, 0.142]
        """
        request = PredictionRequest(data, random_effects, unseen, scale, offset, part)
        return self._fit.predict(request)

    def part(self, k: int) -> GLMM:
        """The rows of one partition as a fit, at the estimates of all.

        Simulations, residuals and checks of these rows are those of the whole model, since rows
        of different partitions are independent: ``mc.check(fit.part(k), calibration="plug-in")``.
        Estimates and standard errors are those of all partitions, log-likelihood, numbers of rows
        and criteria those of this one. It has no refits. Its rows are brought into this process.

        Parameters
        ----------
        k : int
            From 0 to ``n_parts - 1``.

        Raises
        ------
        OptionError
            If there is no such partition, or it has no rows.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> herds = [rows for _, rows in cbpp.groupby("herd", observed=True)]
        >>> fit = mc.glmm_partitions(
        ...     "incidence / size ~ period + (1 | herd)", herds, family="binomial"
        ... )
        >>> first = fit.part(0)
        >>> first.nobs, first.params.equals(fit.params)
        (4, True)
        """
        if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k < self.n_parts:
            raise OptionError(
                f"k must be the number of a partition, 0 to {self.n_parts - 1}; found {shown(k)}"
            )
        whole, at = self._fit.parts, self._fit.optimum
        number, method = self._fit.number, self._fit.laplace
        found = whole.crew.ask_one(k, parts.answer, hand_over, at.psi, number, method)
        if found is None:
            raise OptionError(f"partition {k} has no complete row")
        design, problem, seen = found
        note = f"Rows of partition {k} of {self.n_parts}, at the estimates of all."
        optimum: Optimum = replace(at, evaluation=replace(seen, gradient=at.evaluation.gradient))
        return GLMM(_PartPort(design, problem, optimum, method, (note, *self.notes)))

    def summary(self) -> Summary:
        """What was fitted, variances, coefficients with Wald tests, and remarks."""
        return summarise(self._fit, "normal")

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __repr__(self) -> str:
        return (
            f"<PartitionedGLMM {self.formula!r}, {self.family!r}: {self.nobs} observations in "
            f"{self.n_parts} partitions, {self._fit.llf_name} {self.llf:.4f}>"
        )
