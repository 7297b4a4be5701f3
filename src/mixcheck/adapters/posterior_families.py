"""Distributions by the parameters that programs for Bayesian models draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import expit, gamma

from mixcheck.adapters.frozen_distributions import (
    BetaBinomial,
    Categorical,
    Hurdle,
    ZeroInflated,
)

__all__ = ["DISTRIBUTIONS", "PARAMETERS", "Distribution"]


class Distribution(NamedTuple):
    """A distribution by parameters of these names, as PyMC and bambi have them.

    Attributes
    ----------
    name : str
    parameters : tuple of str
    kind : {"continuous", "whole", "mixed"}
        What the response is: numbers with a density, whole numbers, or zeros beside a density.
    make : callable
        Takes parameters, each (n,), to a frozen distribution of n rows.
    """

    name: str
    parameters: tuple[str, ...]
    kind: str
    make: Callable[..., Any]

    @property
    def discrete(self) -> bool:
        """Whether there are probability masses."""
        return self.kind != "continuous"


def _stats(name: str) -> Any:
    from scipy import stats

    return getattr(stats, name)


def _poisson(mu: Any) -> Any:
    return _stats("poisson")(mu)


def _bernoulli(p: Any) -> Any:
    return _stats("bernoulli")(p)


def _binomial(p: Any, n: Any) -> Any:
    return _stats("binom")(n.astype(np.int64), p)


def _negative_binomial(mu: Any, alpha: Any) -> Any:
    """Variance mu + mu^2 / alpha."""
    return _stats("nbinom")(alpha, alpha / (alpha + mu))


def _failures(n: Any, p: Any) -> Any:
    """Failures before n successes of probability p."""
    return _stats("nbinom")(n, p)


def _normal(mu: Any, sigma: Any) -> Any:
    return _stats("norm")(mu, sigma)


def _student(mu: Any, sigma: Any, nu: Any) -> Any:
    return _stats("t")(nu, mu, sigma)


def _gamma(alpha: Any, beta: Any) -> Any:
    """Shape alpha and rate beta."""
    return _stats("gamma")(alpha, scale=1.0 / beta)


def _inverse_gamma(alpha: Any, beta: Any) -> Any:
    """Shape alpha and scale beta."""
    return _stats("invgamma")(alpha, scale=beta)


def _beta(a: Any, b: Any) -> Any:
    return _stats("beta")(a, b)


def _beta_of_mean(mu: Any, precision: Any) -> Any:
    """The sum of both shapes is the precision."""
    return _beta(mu * precision, (1.0 - mu) * precision)


def _lognormal(mu: Any, sigma: Any) -> Any:
    """Mean and standard deviation of the logarithm."""
    return _stats("lognorm")(sigma, scale=np.exp(mu))


def _weibull(alpha: Any, beta: Any) -> Any:
    """Shape alpha and scale beta."""
    return _stats("weibull_min")(alpha, scale=beta)


def _wald(mu: Any, lam: Any) -> Any:
    """Mean mu and variance mu^3 / lam."""
    return _stats("invgauss")(mu / lam, scale=lam)


def _asymmetric_laplace(mu: Any, b: Any, kappa: Any) -> Any:
    return _stats("laplace_asymmetric")(kappa, mu, 1.0 / b)


def _bernoulli_logit(logit_p: Any) -> Any:
    return _bernoulli(expit(logit_p))


def _binomial_logit(logit_p: Any, n: Any) -> Any:
    return _binomial(expit(logit_p), n)


def _geometric(p: Any) -> Any:
    """Trials up to the first success."""
    return _stats("geom")(p)


def _beta_binomial_of_mean(n: Any, mu: Any, kappa: Any) -> Any:
    return BetaBinomial(n, mu * kappa, (1.0 - mu) * kappa)


def _zero_inflated_poisson(psi: Any, mu: Any) -> Any:
    return ZeroInflated(psi, _poisson(mu))


def _zero_inflated_negative_binomial(psi: Any, mu: Any, alpha: Any) -> Any:
    return ZeroInflated(psi, _negative_binomial(mu, alpha))


def _zero_inflated_failures(psi: Any, n: Any, p: Any) -> Any:
    return ZeroInflated(psi, _failures(n, p))


def _zero_inflated_binomial(psi: Any, p: Any, n: Any) -> Any:
    return ZeroInflated(psi, _binomial(p, n))


def _hurdle_poisson(psi: Any, mu: Any) -> Any:
    return Hurdle(psi, _poisson(mu))


def _hurdle_negative_binomial(psi: Any, mu: Any, alpha: Any) -> Any:
    return Hurdle(psi, _negative_binomial(mu, alpha))


def _hurdle_failures(psi: Any, n: Any, p: Any) -> Any:
    return Hurdle(psi, _failures(n, p))


def _hurdle_gamma(psi: Any, alpha: Any, beta: Any) -> Any:
    return Hurdle(psi, _gamma(alpha, beta))


def _hurdle_gamma_of_mean(psi: Any, mu: Any, alpha: Any) -> Any:
    return Hurdle(psi, _gamma_of_mean(mu, alpha))


def _hurdle_gamma_of_deviation(psi: Any, mu: Any, sigma: Any) -> Any:
    return Hurdle(psi, _gamma_of_deviation(mu, sigma))


def _hurdle_lognormal(psi: Any, mu: Any, sigma: Any) -> Any:
    return Hurdle(psi, _lognormal(mu, sigma))


def _normal_of_precision(mu: Any, tau: Any) -> Any:
    return _normal(mu, 1.0 / np.sqrt(tau))


def _student_of_precision(mu: Any, lam: Any, nu: Any) -> Any:
    return _student(mu, 1.0 / np.sqrt(lam), nu)


def _skew_normal(mu: Any, sigma: Any, alpha: Any) -> Any:
    return _stats("skewnorm")(alpha, mu, sigma)


def _exponentially_modified(mu: Any, sigma: Any, nu: Any) -> Any:
    """A normal number and an exponential one of mean nu."""
    return _stats("exponnorm")(nu / sigma, mu, sigma)


def _laplace(mu: Any, b: Any) -> Any:
    return _stats("laplace")(mu, b)


def _logistic(mu: Any, s: Any) -> Any:
    return _stats("logistic")(mu, s)


def _cauchy(alpha: Any, beta: Any) -> Any:
    return _stats("cauchy")(alpha, beta)


def _gumbel(mu: Any, beta: Any) -> Any:
    return _stats("gumbel_r")(mu, beta)


def _lognormal_of_precision(mu: Any, tau: Any) -> Any:
    return _lognormal(mu, 1.0 / np.sqrt(tau))


def _gamma_of_mean(mu: Any, alpha: Any) -> Any:
    return _gamma(alpha, alpha / mu)


def _gamma_of_deviation(mu: Any, sigma: Any) -> Any:
    return _gamma((mu / sigma) ** 2, mu / sigma**2)


def _inverse_gamma_of_deviation(mu: Any, sigma: Any) -> Any:
    shape = 2.0 + (mu / sigma) ** 2
    return _inverse_gamma(shape, mu * (shape - 1.0))


def _exponential(mu: Any) -> Any:
    return _stats("expon")(scale=mu)


def _exponential_of_rate(lam: Any) -> Any:
    return _exponential(1.0 / lam)


def _weibull_of_mean(mu: Any, alpha: Any) -> Any:
    return _weibull(alpha, mu / gamma(1.0 + 1.0 / alpha))


def _half_normal(sigma: Any) -> Any:
    return _stats("halfnorm")(scale=sigma)


def _beta_of_deviation(mu: Any, sigma: Any) -> Any:
    return _beta_of_mean(mu, mu * (1.0 - mu) / sigma**2 - 1.0)


_WHOLE: Final = (
    ("bernoulli", ("p",), _bernoulli),
    ("bernoulli", ("logit_p",), _bernoulli_logit),
    ("binomial", ("p", "n"), _binomial),
    ("binomial", ("logit_p", "n"), _binomial_logit),
    ("poisson", ("mu",), _poisson),
    ("geometric", ("p",), _geometric),
    ("negative binomial", ("mu", "alpha"), _negative_binomial),
    ("negative binomial", ("n", "p"), _failures),
    ("beta-binomial", ("n", "alpha", "beta"), BetaBinomial),
    ("beta-binomial", ("n", "mu", "kappa"), _beta_binomial_of_mean),
    ("zero-inflated poisson", ("psi", "mu"), _zero_inflated_poisson),
    (
        "zero-inflated negative binomial",
        ("psi", "mu", "alpha"),
        _zero_inflated_negative_binomial,
    ),
    ("zero-inflated negative binomial", ("psi", "n", "p"), _zero_inflated_failures),
    ("zero-inflated binomial", ("psi", "p", "n"), _zero_inflated_binomial),
    ("hurdle poisson", ("psi", "mu"), _hurdle_poisson),
    ("hurdle negative binomial", ("psi", "mu", "alpha"), _hurdle_negative_binomial),
    ("hurdle negative binomial", ("psi", "n", "p"), _hurdle_failures),
    ("categorical", ("categories",), Categorical),
)
_CONTINUOUS: Final = (
    ("normal", ("mu", "sigma"), _normal),
    ("normal", ("mu", "tau"), _normal_of_precision),
    ("t", ("mu", "sigma", "nu"), _student),
    ("t", ("mu", "lam", "nu"), _student_of_precision),
    ("skew normal", ("mu", "sigma", "alpha"), _skew_normal),
    ("exponentially modified normal", ("mu", "sigma", "nu"), _exponentially_modified),
    ("laplace", ("mu", "b"), _laplace),
    ("asymmetric laplace", ("mu", "b", "kappa"), _asymmetric_laplace),
    ("logistic", ("mu", "s"), _logistic),
    ("cauchy", ("alpha", "beta"), _cauchy),
    ("gumbel", ("mu", "beta"), _gumbel),
    ("lognormal", ("mu", "sigma"), _lognormal),
    ("lognormal", ("mu", "tau"), _lognormal_of_precision),
    ("gamma", ("mu", "alpha"), _gamma_of_mean),
    ("gamma", ("mu", "sigma"), _gamma_of_deviation),
    ("gamma", ("alpha", "beta"), _gamma),
    ("inverse gamma", ("alpha", "beta"), _inverse_gamma),
    ("inverse gamma", ("mu", "sigma"), _inverse_gamma_of_deviation),
    ("exponential", ("mu",), _exponential),
    ("exponential", ("lam",), _exponential_of_rate),
    ("weibull", ("alpha", "beta"), _weibull),
    ("weibull", ("mu", "alpha"), _weibull_of_mean),
    ("wald", ("mu", "lam"), _wald),
    ("half-normal", ("sigma",), _half_normal),
    ("beta", ("mu", "kappa"), _beta_of_mean),
    ("beta", ("mu", "nu"), _beta_of_mean),
    ("beta", ("mu", "sigma"), _beta_of_deviation),
    ("beta", ("alpha", "beta"), _beta),
)
_MIXED: Final = (
    ("hurdle gamma", ("psi", "alpha", "beta"), _hurdle_gamma),
    ("hurdle gamma", ("psi", "mu", "alpha"), _hurdle_gamma_of_mean),
    ("hurdle gamma", ("psi", "mu", "sigma"), _hurdle_gamma_of_deviation),
    ("hurdle lognormal", ("psi", "mu", "sigma"), _hurdle_lognormal),
)

DISTRIBUTIONS: Final = tuple(
    Distribution(name, parameters, kind, make)
    for kind, known in (("whole", _WHOLE), ("continuous", _CONTINUOUS), ("mixed", _MIXED))
    for name, parameters, make in known
)
PARAMETERS: Final = tuple(dict.fromkeys(name for one in DISTRIBUTIONS for name in one.parameters))
