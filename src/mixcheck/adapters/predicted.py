"""A model known by the distribution that it predicts for each response, as those of scipy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri

from mixcheck.adapters.layout import finite_numbers
from mixcheck.arguments.alignment import align_rows, read_array
from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_text, shown
from mixcheck.arrays import FloatArray
from mixcheck.design.frames import as_frame
from mixcheck.errors import ConvergenceError, DataError, MixcheckError, OptionError
from mixcheck.port import Conditioning, DataView, ProbabilityTransform

__all__ = ["PredictedModel", "RefittablePrediction", "from_distribution", "see_response"]

# Residuals are kept strictly inside (0, 1), and the probabilities of tails above zero.
_INSIDE: Final = 1e-12
_LEAST_TAIL: Final = 1e-300
# From here on a response is measured from above: below, one minus it has ten digits.
_ABOVE: Final = 1.0 - 1e-6
_ASKED: Final = ("cdf", "sf", "mean", "var", "rvs")


@dataclass(frozen=True, eq=False)
class _Transform:
    """Where responses stand in their distributions, found when it is asked for."""

    distribution: Any
    y: FloatArray
    below: FloatArray
    mass: FloatArray

    def __call__(self) -> ProbabilityTransform:
        """What is known of them, (1, n)."""
        middle = self.below + 0.5 * self.mass
        upper = _values(self.distribution, "sf", self.y, self.y) + 0.5 * self.mass
        scores = np.where(
            middle > _ABOVE,
            -ndtri(np.clip(upper, _LEAST_TAIL, 0.5)),
            ndtri(np.clip(middle, _LEAST_TAIL, _ABOVE)),
        )
        below, mass = self.below[None], self.mass[None]
        return ProbabilityTransform.of(below, mass, scores[None], np.ones(1))


@dataclass(frozen=True, eq=False)
class _Probability:
    """P(Y = k) of each row."""

    distribution: Any
    n: int

    def __call__(self, k: float) -> FloatArray:
        return _values(self.distribution, "pmf", np.empty(self.n), np.full(self.n, k))


def _values(distribution: Any, name: str, like: FloatArray, *arguments: FloatArray) -> FloatArray:
    """A number for each row, whatever shape the distribution gives."""
    with np.errstate(all="ignore"):
        told = getattr(distribution, name)(*arguments)
    return np.broadcast_to(np.asarray(told, dtype=np.float64), like.shape).copy()


def _is_discrete(distribution: Any) -> bool:
    return hasattr(distribution, "pmf") and not hasattr(distribution, "pdf")


@dataclass(frozen=True, eq=False, repr=False)
class PredictedModel:
    """A response and the distribution that a model predicts for it; made by `from_distribution`.

    Responses are independent given their distributions. It is checked with the predictions held,
    as by ``calibration="plug-in"``, unless it was made with ``refit=``.

    Attributes
    ----------
    response : (n,) array
    distribution : frozen distribution
        With a value for each row.
    frame : DataFrame, (n, ..)
    facts : mapping
        What a report says of the model.
    """

    response: FloatArray
    distribution: Any
    frame: pd.DataFrame
    facts: Mapping[str, str | int | float | bool | None]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.facts['model']}: {self.response.size} observations>"

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What is known of the model."""
        return self.facts

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return _is_discrete(self.distribution)

    @cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        y = self.response
        return _values(self.distribution, "mean", y), _values(self.distribution, "var", y)

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data; there are no random effects to be conditioned on."""
        return self._see(self.response, rng)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a response and see it likewise."""
        return self._see(self._draw(rng), rng)

    def _draw(self, rng: np.random.Generator) -> FloatArray:
        drawn = self.distribution.rvs(size=self.response.size, random_state=rng)
        return np.asarray(drawn, dtype=np.float64)

    def _see(self, y: FloatArray, rng: np.random.Generator) -> DataView:
        return see_response(y, self.distribution, self.discrete, rng, moments=self._moments)


def see_response(
    y: FloatArray,
    given: Any,
    discrete: bool,
    rng: np.random.Generator,
    effects: Mapping[str, FloatArray] | None = None,
    *,
    moments: tuple[FloatArray, FloatArray] | None = None,
) -> DataView:
    """A response, (n,), as it stands in its distribution; its moments, each (n,), if known."""
    upto = _values(given, "cdf", y, y)
    mass = _values(given, "pmf", y, y) if discrete else np.zeros(y.size)
    below = np.maximum(upto - mass, 0.0)
    residuals = below + rng.random(y.size) * mass if discrete else upto
    mean, variance = moments or (_values(given, "mean", y), _values(given, "var", y))
    probability = _Probability(given, y.size) if discrete else None
    return DataView(
        response=y,
        residuals=np.clip(residuals, _INSIDE, 1.0 - _INSIDE),
        fitted=mean,
        mean=mean,
        variance=variance,
        mode_mean=mean,
        mode_variance=variance,
        effects={} if effects is None else effects,
        probability=probability,
        mode_probability=probability,
        transform=_Transform(given, y, below, mass),
    )


@final
@dataclass(frozen=True, eq=False, repr=False)
class RefittablePrediction(PredictedModel):
    """The same of a model that can be fitted to another response.

    Attributes
    ----------
    refitter : callable
        Takes a response, (n,), to the distribution that the model predicts when fitted to it.
    """

    refitter: Callable[[FloatArray], Any]

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response vector, (n,)."""
        return self._draw(rng)

    def refit(self, response: FloatArray) -> Self:
        """Fit the same model to another response, (n,), by the program that fitted it.

        Raises
        ------
        ConvergenceError
            If that program finds no fit.
        """
        y = np.asarray(response, dtype=np.float64)
        try:
            distribution = self.refitter(y)
        except MixcheckError:
            raise
        except Exception as error:
            raise ConvergenceError(
                f"refit could not fit the model to this response: {type(error).__name__}: {error}"
            ) from error
        return replace(self, response=y, distribution=_require(distribution, y, "refit"))


@answer_calls
def from_distribution(
    observed: ArrayLike,
    distribution: Any,
    *,
    refit: Callable[[FloatArray], Any] | None = None,
    frame: Any = None,
    name: str | None = None,
) -> PredictedModel:
    """A model that predicts a distribution of each response, made by any other program.

    Parameters
    ----------
    observed : (n,)
        The response; a Series gives its index, by which `frame` is matched.
    distribution : frozen distribution
        Of scipy.stats, with parameters of n rows, or anything with ``cdf``, ``sf``, ``mean``,
        ``var``, ``rvs(size=, random_state=)``, and ``pmf`` where the response is discrete:
        ``norm(*model.predict(X, return_std=True))`` of a regressor of scikit-learn,
        ``model.pred_dist(X).dist`` of NGBoost, ``result.get_distribution()`` of statsmodels.
    refit : callable, optional
        Takes a response, (n,), to the distribution that the model predicts when it is fitted to
        it. With it checks include the estimation; without it the predictions are held, and
        checks of a model that was fitted to the same rows are cautious.
    frame : table of n rows, optional
        Columns for checks by group or against a predictor.
    name : str, optional
        What reports call the model.

    Returns
    -------
    PredictedModel

    Raises
    ------
    DataError
        If lengths or labels disagree, something is not finite, or a response is impossible under
        its distribution.
    OptionError
        If the distribution lacks a method.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(0, 2, 200)
    >>> y = rng.poisson(np.exp(x))
    >>> model = from_distribution(y, stats.poisson(np.exp(x)), frame={"x": x})
    >>> model
    <PredictedModel of a predicted distribution, poisson: 200 observations>
    >>> import mixcheck as mc
    >>> mc.check(model, seed=1).ok
    True
    """
    y = read_array(observed, "observed")
    if y.ndim != 1 or y.size == 0:
        raise DataError(f"observed must be one non-empty vector, found shape {y.shape}")
    y = finite_numbers("observed", y).astype(np.float64)
    labels = observed.index if isinstance(observed, pd.Series) else None
    table = _frame(frame, y, labels)
    given = _require(distribution, y, "distribution")
    kind = getattr(getattr(given, "dist", None), "name", type(given).__name__)
    named = None if name is None else require_text("name", name, "forest, boosting")
    facts: dict[str, str | int | float | bool | None] = {
        "model": named or f"of a predicted distribution, {kind}",
        "observations": y.size,
        "discrete response": _is_discrete(given),
    }
    if refit is None:
        return PredictedModel(y, given, table, facts)
    if not callable(refit):
        raise OptionError(
            "refit must be a function of a response that gives the distribution predicted by the "
            f"model fitted to it; found {shown(refit)}"
        )
    return RefittablePrediction(y, given, table, facts, refit)


def _require(distribution: Any, y: FloatArray, name: str) -> Any:
    """The distribution, if it can be asked and the responses are possible under it."""
    lacking = [word for word in _ASKED if not callable(getattr(distribution, word, None))]
    if lacking:
        raise OptionError(
            f"{name} must give a frozen distribution, such as stats.norm(mean, sd), with "
            f"{', '.join(_ASKED)}; {type(distribution).__name__} lacks {', '.join(lacking)}"
        )
    try:
        upto, above = (_values(distribution, word, y, y) for word in ("cdf", "sf"))
        mean = _values(distribution, "mean", y)
    except ValueError as error:
        raise DataError(
            f"{name} must have parameters of {y.size} rows, as observed has, or of one for all"
            f"{_found(distribution)}"
        ) from error
    if not (np.isfinite(upto) & np.isfinite(above) & np.isfinite(mean)).all():
        raise DataError(f"{name} must be finite in every row; see its parameters")
    masses = _values(distribution, "pmf", y, y) if _is_discrete(distribution) else None
    impossible = (upto <= 0.0) | (above <= 0.0) if masses is None else masses <= 0.0
    if impossible.all():
        raise DataError(
            f"no response is possible under {name}; see whether it is of these rows and this scale"
        )
    return distribution


def _found(distribution: Any) -> str:
    """How many rows a distribution has, if it can tell."""
    try:
        shape = np.shape(distribution.mean())
    except ValueError:
        return ""
    return f"; found shape {shape}"


def _frame(frame: Any, y: FloatArray, labels: pd.Index[Any] | None) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({"response": y}, index=labels)
    table = as_frame(frame, "frame")
    if len(table) != y.size:
        raise DataError(f"frame must have one row an observation, {y.size}; found {len(table)}")
    if labels is None or not isinstance(frame, pd.DataFrame):
        return table
    aligned: pd.DataFrame = align_rows(table, labels, "frame", "observed")
    return aligned
