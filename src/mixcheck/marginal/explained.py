"""R2 and ICC: which share of the variance fixed effects and groups explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_choice, require_draws, require_flag, require_seed
from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceWarning, OptionError
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.inference.bootstrap import least_draws, percentile_intervals
from mixcheck.inference.wald import normal_quantile
from mixcheck.notices import warn
from mixcheck.port import Ported, port_of
from mixcheck.port.variance import Approximation, MeanOf, Partitioned, VarianceParts

__all__ = ["Explained", "icc", "r2"]

# Data sets that are simulated and fitted together.
_TOGETHER = 256
_PREFERRED: tuple[Approximation, ...] = ("residual", "theoretical", "lognormal", "delta")


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Explained:
    """Shares of the variance, made by `r2` or `icc`.

    Attributes
    ----------
    kind : {"R2", "ICC"}
    shares : mapping of str to float
        By name.
    intervals : mapping of str to (float, float)
        From a bootstrap; empty without one.
    variances : mapping of str to float
        What the shares are of: "fixed", each random term, "observation".
    approximation : str
        How the variance of a response was put on the scale of the predictor.
    mean : float
        The mean at which this was done; NaN where it needs none.
    level : float
        The confidence.
    """

    kind: Literal["R2", "ICC"]
    shares: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    variances: Mapping[str, float]
    approximation: Approximation
    mean: float
    level: float

    @property
    def marginal(self) -> float:
        """R2 of the fixed effects."""
        return self._share("marginal")

    @property
    def conditional(self) -> float:
        """R2 of fixed and random effects; ICC with the variance of fixed effects in the total."""
        return self._share("conditional")

    @property
    def adjusted(self) -> float:
        """ICC, fixed effects held."""
        return self._share("adjusted")

    def _share(self, name: str) -> float:
        if name not in self.shares:
            raise AttributeError(f"an {self.kind} has no {name}; it has {', '.join(self.shares)}")
        return self.shares[name]

    def to_frame(self) -> pd.DataFrame:
        """A row for each share: ``estimate``, and ``low`` and ``high`` after a bootstrap."""
        frame = pd.DataFrame({"estimate": dict(self.shares)})
        if self.intervals:
            ends = pd.DataFrame(dict(self.intervals), ["low", "high"]).T
            frame = frame.join(ends)
        return frame

    def __repr__(self) -> str:
        at = "" if np.isnan(self.mean) else f" at a mean of {self.mean:.4g}"
        return f"{self.to_frame().round(4)}\n{self.kind} by {self.approximation} variance{at}"


@answer_calls
def r2(
    model: Ported | Partitioned,
    *,
    approximation: Approximation | None = None,
    mean: MeanOf = "null",
    semi_partial: bool = False,
    draws: int = 0,
    level: float = 0.95,
    seed: int | None = None,
) -> Explained:
    """R2 of a mixed model: the share of the variance that its effects explain.

    Parameters
    ----------
    model : fitted model
    approximation : {"residual", "theoretical", "delta", "lognormal", "trigamma"}, optional
        Variance of one response on the scale of the linear predictor. By default the residual one
        of a linear model, the theoretical one of a logit, probit or complementary log-log link,
        the lognormal one of another family with the log link, and the delta method otherwise,
        also for these links with a zero part.
    mean : {"null", "fitted"}
        Mean of the response at which it is: of the model without fixed effects, or of the model,
        averaged over the random effects and the rows.
    semi_partial : bool
        Whether to leave out each fixed term, with the products that hold it, and give the loss of
        marginal R2.
    draws : int
        Data sets of a parametric bootstrap for intervals; none by default.
    level : float
        The confidence.
    seed : int, optional
        Data set k depends on the seed and on k alone.

    Returns
    -------
    Explained
        Shares "marginal", "conditional", each random term by its name, and with `semi_partial`
        "without" each term.

    Raises
    ------
    OptionError

    Warns
    -----
    ConvergenceWarning
        If some data sets could not be fitted.

    Notes
    -----
    With the variance f of ``X beta`` over the rows, g the mean over the rows of the variance
    ``z' Sigma z`` of random terms (Johnson 2014) and e that of one response, marginal R2 is
    ``f / (f + g + e)`` and conditional R2 ``(f + g) / (f + g + e)``. With a response of mean m and
    variance v, e is ``v (d eta / d m)^2`` by the delta method, ``log(1 + v / m^2)`` and
    ``trigamma(m^2 / v)`` for the log link.

    With a zero part the predictor is that of the mean without it, and m and v are those of the
    response with its zeros, at the mean predictor of the zero part: effects of the zero part and
    its zeros are variance of one response, and no share of the effects. Such an R2 is that of the
    other part of the model.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), The coefficient of determination R2 and intra-class
    correlation coefficient from generalized linear mixed-effects models revisited and expanded,
    J. R. Soc. Interface 14; Johnson (2014), Methods in Ecology and Evolution 5;
    Stoffel, Nakagawa & Schielzeth (2021), partR2, PeerJ 9.

    Examples
    --------
    >>> import mixcheck as mc
    >>> sleep = mc.datasets.load("sleepstudy")
    >>> fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    >>> found = mc.r2(fit)
    >>> round(found.marginal, 4), round(found.conditional, 4)
    (0.2876, 0.7928)
    """
    port = _require(model, "r2")
    require_flag("semi_partial", semi_partial)
    first = port.variance_parts(mean)
    chosen = _choose(first, approximation)
    terms = port.term_names if semi_partial else ()
    reduced = {term: port.without_term(term) for term in terms}

    def shares(fit: Partitioned, others: Mapping[str, Partitioned]) -> dict[str, float]:
        parts = fit.variance_parts(mean)
        out = _r2_of(parts, chosen)
        for term, other in others.items():
            left = _r2_of(other.variance_parts(mean), chosen)["marginal"]
            out[f"without {term}"] = out["marginal"] - left
        return out

    found = shares(port, reduced)
    intervals = _bootstrap(port, reduced, shares, found, draws, level, seed)
    return _explained("R2", found, intervals, first, chosen, level)


@answer_calls
def icc(
    model: Ported | Partitioned,
    *,
    approximation: Approximation | None = None,
    mean: MeanOf = "null",
    draws: int = 0,
    level: float = 0.95,
    seed: int | None = None,
) -> Explained:
    """Intraclass correlation: the share of the variance between groups.

    Parameters
    ----------
    model : fitted model
    approximation, mean, draws, level, seed
        As of `r2`.

    Returns
    -------
    Explained
        Shares "adjusted" (of random terms and responses alone), "conditional" (of all) and, of
        the former, each random term by its name.

    Raises
    ------
    OptionError

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), as of `r2`.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(mc.icc(fit).adjusted, 3)
    0.111
    """
    port = _require(model, "icc")
    first = port.variance_parts(mean)
    if not first.by_term:
        raise OptionError("a model without random effects has no ICC: fit one with (1 | group)")
    chosen = _choose(first, approximation)

    def shares(fit: Partitioned, others: Mapping[str, Partitioned]) -> dict[str, float]:
        parts = fit.variance_parts(mean)
        e, g = parts.observation[chosen], sum(parts.by_term.values())
        out = {"adjusted": g / (g + e), "conditional": g / (parts.fixed + g + e)}
        if len(parts.by_term) > 1:
            out |= {name: value / (g + e) for name, value in parts.by_term.items()}
        return out

    found = shares(port, {})
    intervals = _bootstrap(port, {}, shares, found, draws, level, seed)
    return _explained("ICC", found, intervals, first, chosen, level)


def _require(model: object, verb: str) -> Partitioned:
    port = port_of(model)
    if isinstance(port, type) or not isinstance(port, Partitioned):
        raise OptionError(
            f"{verb} needs a fitted model that divides its variance, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    return port


def _choose(parts: VarianceParts, asked: object) -> Approximation:
    known = tuple(parts.observation)
    if not known:
        raise OptionError("the variance of a response of this family and link is not known")
    if asked is None:
        return next(name for name in _PREFERRED if name in known)
    require_choice("approximation", asked, known)
    return next(name for name in known if name == asked)


def _r2_of(parts: VarianceParts, chosen: Approximation) -> dict[str, float]:
    g, e = sum(parts.by_term.values()), parts.observation[chosen]
    total = parts.fixed + g + e
    out = {"marginal": parts.fixed / total, "conditional": (parts.fixed + g) / total}
    if len(parts.by_term) > 1:
        out |= {name: value / total for name, value in parts.by_term.items()}
    return out


def _explained(
    kind: Literal["R2", "ICC"],
    shares: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
    parts: VarianceParts,
    chosen: Approximation,
    level: float,
) -> Explained:
    variances = {"fixed": parts.fixed, **parts.by_term, "observation": parts.observation[chosen]}
    mean = parts.mean if chosen in ("delta", "lognormal", "trigamma") else np.nan
    return Explained(kind, shares, intervals, variances, chosen, mean, float(level))


def _bootstrap(
    port: Partitioned,
    reduced: Mapping[str, Partitioned],
    shares: object,
    found: Mapping[str, float],
    draws: int,
    level: float,
    seed: int | None,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the shares from refits to data simulated from the fit."""
    normal_quantile(level)
    require_seed(seed)
    if require_draws(draws, 0) == 0:
        return {}
    require_draws(draws, least_draws(level))
    start, failures = choose_seed(seed), Counter[str]()
    rows: list[list[float]] = []
    for first in range(0, draws, _TOGETHER):
        numbers = range(first, min(draws, first + _TOGETHER))
        responses = np.column_stack(
            [port.respond(stream(start, Purpose.SIMULATE, k)) for k in numbers]
        )
        fits = [port.refit_many(responses), *(r.refit_many(responses) for r in reduced.values())]
        for group in zip(*fits, strict=True):
            bad = next((one for one in group if isinstance(one, Exception)), None)
            if bad is not None:
                failures[f"{type(bad).__name__}: {bad}"] += 1
                continue
            made = shares(group[0], dict(zip(reduced, group[1:], strict=True)))  # type: ignore[operator]
            rows.append([made[name] for name in found])
    if failures:
        warn(
            f"{failures.total()} of {draws} simulated data sets could not be fitted, and the "
            f"intervals rest on the others; most often: {failures.most_common(1)[0][0]}",
            ConvergenceWarning,
        )
    table: FloatArray = np.array(rows).reshape(len(rows), len(found))
    ends = percentile_intervals(table, level)
    return {name: (float(a), float(b)) for name, (a, b) in zip(found, ends, strict=True)}
