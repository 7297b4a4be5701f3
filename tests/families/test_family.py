"""What every family must satisfy; a new family joins by one line in CASES."""

import functools
import itertools
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.errors import FamilyError
from mixcheck.families import (
    Beta,
    BetaBinomial,
    Binomial,
    Family,
    Gamma,
    Gaussian,
    Hurdle,
    LogNormal,
    NegativeBinomial1,
    NegativeBinomial2,
    Observed,
    Ordinal,
    Poisson,
    StudentT,
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
    ZeroInflated,
    ZeroPart,
    add_zeros,
    get_link,
)
from mixcheck.families.registry import FAMILIES
from mixcheck.families.template import Template

RELATIVE = 1e-9
"""Of derivatives against mpmath; the formulas lose at most a few digits near a zero."""
SUMS = 1e-9
"""Of sums over a support whose omitted part is below 1e-12."""
ROUNDING = 4e-16
"""Of sums over y terms of order one whose total is far smaller."""
SUMMED = 1e-13
"""Of F(y-) against F(y - 1): sums of the same masses, which may begin at other ends."""
STEP = (0.02, 60.0)
"""A step fifty times too long is halved six times; bounds from above only make steps shorter."""
DIGITS = 120
NEAR = mpmath.mpf("1e-20")
"""Step of central differences: they are off by about its square."""
STENCILS = (
    {0: 1},
    {1: mpmath.mpf(1) / 2, -1: -mpmath.mpf(1) / 2},
    {1: 1, 0: -2, -1: 1},
    {2: mpmath.mpf(1) / 2, 1: -1, -1: 1, -2: -mpmath.mpf(1) / 2},
)
STANDARD_ERRORS = 5.0
"""A sampler with the right moments is beyond it once in 1.7 million seeds."""

mp = mpmath.mp


@dataclass(frozen=True)
class Case:
    """A family, its log density in mpmath, extreme points, and a box of ordinary predictors.

    ``line`` says on which scale the support of a continuous family is the whole line,
    ``ordinary`` holds two responses inside the support; ``rounding`` is the absolute error
    allowed for each unit of the response, where sums as large as it cancel.
    """

    family: Family
    log_density: Callable
    extremes: tuple[tuple[float, float | None, tuple[float, ...]], ...]
    box: tuple[tuple[float, float], ...]
    size: float | None = None
    line: str = "identity"
    ordinary: tuple[float, float] = (0.0, 1.0)
    rounding: float = 0.0

    def __str__(self) -> str:
        return repr(self.family)


def poisson(mean: Callable) -> Callable:
    """Poisson log probability with the given inverse link."""

    def log_density(y, size, eta):
        mu = mean(eta)
        return y * mp.log(mu) - mu - mp.loggamma(y + 1)

    return log_density


def binomial(below: Callable, above: Callable) -> Callable:
    """Binomial log probability with the given distribution and survival functions."""

    def log_density(y, size, eta):
        choose = mp.loggamma(size + 1) - mp.loggamma(y + 1) - mp.loggamma(size - y + 1)
        return choose + y * mp.log(below(eta)) + (size - y) * mp.log(above(eta))

    return log_density


def gaussian(mean: Callable) -> Callable:
    """Normal log density with the given inverse link of the mean."""

    def log_density(y, size, eta, log_sd):
        z = (y - mean(eta)) * mp.exp(-log_sd)
        return -z * z / 2 - log_sd - mp.log(2 * mp.pi) / 2

    return log_density


def student(mean: Callable, known: float | None = None) -> Callable:
    """Log density of location and scale times Student's t, by its log degrees of freedom."""

    def log_density(y, size, eta, log_scale, log_df=None):
        df = mp.mpf(known) if log_df is None else mp.exp(log_df)
        z = (y - mean(eta)) * mp.exp(-log_scale)
        ratio = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2
        return ratio - log_scale - (df + 1) / 2 * mp.log(1 + z * z / df)

    return log_density


def cumulative(below: Callable, above: Callable) -> Callable:
    """Log probability of categories 1, 2, .. by thresholds."""

    def log_density(y, size, eta, *thresholds):
        k = int(y) - 1
        low = mp.mpf(0) if k == 0 else below(thresholds[k - 1] - eta)
        if k == len(thresholds):
            return mp.log(above(thresholds[-1] - eta))
        return mp.log(below(thresholds[k] - eta) - low)

    return log_density


def nbinom2(mean: Callable) -> Callable:
    """Negative binomial log probability by its size theta."""

    def log_density(y, size, eta, log_theta):
        mu, theta = mean(eta), mp.exp(log_theta)
        ratio = mp.loggamma(y + theta) - mp.loggamma(theta) - mp.loggamma(y + 1)
        return ratio + theta * mp.log(theta) + y * mp.log(mu) - (y + theta) * mp.log(mu + theta)

    return log_density


def nbinom1(mean: Callable) -> Callable:
    """Negative binomial log probability whose size is the mean over phi."""
    quadratic = nbinom2(mean)

    def log_density(y, size, eta, log_phi):
        return quadratic(y, size, eta, mp.log(mean(eta)) - log_phi)

    return log_density


def gamma(mean: Callable) -> Callable:
    """Gamma log density by its mean and log shape."""

    def log_density(y, size, eta, log_shape):
        shape, mu = mp.exp(log_shape), mean(eta)
        return (
            shape * mp.log(shape / mu) - mp.loggamma(shape) + (shape - 1) * mp.log(y)
        ) - shape * y / mu

    return log_density


def lognormal(mean: Callable) -> Callable:
    """Log-normal log density by its mean and log standard deviation."""

    def log_density(y, size, eta, log_sd):
        mu = mean(eta)
        v = mp.log(1 + (mp.exp(log_sd) / mu) ** 2)
        w = mp.log(y / mu) + v / 2
        return -w * w / (2 * v) - mp.log(2 * mp.pi * v) / 2 - mp.log(y)

    return log_density


def beta(below: Callable, above: Callable) -> Callable:
    """Beta log density by its mean and log precision."""

    def log_density(y, size, eta, log_phi):
        a, b = below(eta) * mp.exp(log_phi), above(eta) * mp.exp(log_phi)
        ratio = mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)
        return ratio + (a - 1) * mp.log(y) + (b - 1) * mp.log(1 - y)

    return log_density


def betabinomial(below: Callable, above: Callable) -> Callable:
    """Beta-binomial log probability by its mean and log precision."""

    def log_density(y, size, eta, log_phi):
        a, b = below(eta) * mp.exp(log_phi), above(eta) * mp.exp(log_phi)
        choose = mp.loggamma(size + 1) - mp.loggamma(y + 1) - mp.loggamma(size - y + 1)
        up = mp.loggamma(a + y) - mp.loggamma(a) + mp.loggamma(b + size - y) - mp.loggamma(b)
        return choose + up + mp.loggamma(a + b) - mp.loggamma(a + b + size)

    return log_density


def truncated(log_density: Callable) -> Callable:
    """The same given that the count is not zero."""

    def conditional(y, size, *eta):
        return log_density(y, size, *eta) - mp.log(1 - mp.exp(log_density(0, size, *eta)))

    return conditional


def inflated(log_density: Callable) -> Callable:
    """With additional zeros; the last predictor is the logit of their probability."""

    def mixed(y, size, *eta):
        zero, density = LOGIT[0](eta[-1]), mp.exp(log_density(y, size, *eta[:-1]))
        return mp.log(LOGIT[1](eta[-1]) * density + (zero if y == 0 else 0))

    return mixed


def separated(log_density: Callable) -> Callable:
    """With zeros of their own probability only."""

    def mixed(y, size, *eta):
        if y == 0:
            return mp.log(LOGIT[0](eta[-1]))
        return mp.log(LOGIT[1](eta[-1])) + log_density(y, size, *eta[:-1])

    return mixed


def mix(points: tuple, zeros: tuple = (-17.0, 0.6, 20.0)) -> tuple:
    """The points with predictors of the zero part, and a zero at each."""
    return tuple(
        (response, m, (*eta, z)) for y, m, eta in points for z in zeros for response in (0.0, y)
    )


LOGIT = (lambda x: 1 / (1 + mp.exp(-x)), lambda x: 1 / (1 + mp.exp(x)))
PROBIT = (mp.ncdf, lambda x: mp.ncdf(-x))
CLOGLOG = (lambda x: -mp.expm1(-mp.exp(x)), lambda x: mp.exp(-mp.exp(x)))
CAUCHIT = (lambda x: mp.atan2(1, -x) / mp.pi, lambda x: mp.atan2(1, x) / mp.pi)


def same(x):
    """Identity."""
    return x


def both_tails(*etas: float) -> tuple:
    """Binomial points: all failures, all successes and a mixture, at each predictor."""
    return tuple((k, m, (e,)) for e in etas for k, m in ((0.0, 1.0), (1.0, 1.0), (3.0, 7.0)))


NORMAL_POINTS = tuple(
    (y, None, (mean, float(np.log(sd))))
    for sd in (1e-3, 0.7, 1e3)
    for y, mean in ((0.4, 1.3), (2.0, -0.5))
)
TAILED_POINTS = tuple(
    (y, size, (*eta, float(np.log(df))))
    for y, size, eta in NORMAL_POINTS
    for df in (0.3, 4.0, 60.0, 1e6)
)
CATEGORY_POINTS = tuple(
    (y, None, (eta, *thresholds))
    for y in (1.0, 2.0, 3.0)
    for eta in (-3.0, 0.4, 2.0)
    for thresholds in ((-1.0, 1.5), (-4.0, -2.5), (0.5, 1.2))
)
ORDERED = ((-2, 2), (-1.5, -0.2), (0.2, 1.5))


def rates(
    link: Callable,
    counts: tuple = (0.0, 3.0, 5e7),
    means: tuple = (1e-8, 0.3, 20.0, 1e8),
) -> tuple:
    """Poisson points: few and many counts, with means from 1e-8 to 1e8."""
    return tuple((y, None, (float(link(mu)),)) for y in counts for mu in means)


def dispersed(
    link: Callable,
    means: tuple = (1e-8, 0.3, 20.0, 1e8),
    dispersions: tuple = (1e-6, 0.05, 1.3, 30.0, 1e8),
    counts: tuple = (0.0, 1.0, 3.0, 40.0, 5e7),
) -> tuple:
    """Count points, by default with dispersion parameters from 1e-6 to 1e8."""
    return tuple(
        (y, None, (float(link(mu)), float(np.log(d))))
        for y in counts
        for mu in means
        for d in dispersions
    )


def positives(link: Callable, dispersions: tuple) -> tuple:
    """Positive responses near and far from means from 1e-3 to 1e3, with their dispersions."""
    return tuple(
        (mu * ratio, None, (float(link(mu)), float(np.log(d))))
        for mu in (1e-3, 0.7, 1e3)
        for ratio in (1e-2, 0.999, 1.3, 20.0)
        for d in dispersions
    )


def shares(etas: tuple, precisions: tuple = (1e-2, 0.4, 12.0, 1e3, 1e8)) -> tuple:
    """Proportions with small and large precisions."""
    return tuple(
        (y, None, (eta, float(np.log(phi))))
        for y in (1e-6, 0.2, 0.75, 0.999)
        for eta in etas
        for phi in precisions
    )


def varied(etas: tuple) -> tuple:
    """Successes out of 1, 7 and 60 trials with small and large precisions."""
    return tuple(
        (k, m, (eta, float(np.log(phi))))
        for k, m in ((0.0, 1.0), (1.0, 1.0), (3.0, 7.0), (0.0, 60.0), (41.0, 60.0))
        for eta in etas
        for phi in (1e-2, 0.4, 12.0, 1e8)
    )


SHAPES = (1e-3, 0.4, 9.0, 1e3, 1e8)
SDS = (1e-3, 0.6, 1e3)


def reciprocal(x):
    """The inverse link and its inverse."""
    return 1 / x


def square(x):
    """Inverse of the sqrt link."""
    return x * x


MODERATE = ((0.3, 20.0), (0.05, 5.0), (1.0, 3.0, 40.0))
POSITIVE = (0.5, 2.0)
COUNTS = (1.0, 2.0)
PROPORTIONS = (0.3, 0.6)

CASES = [
    Case(Gaussian(), gaussian(same), NORMAL_POINTS, ((-3, 3), (-2, 2))),
    Case(Gaussian("log"), gaussian(mp.exp), NORMAL_POINTS, ((-2, 2), (-2, 2))),
    Case(Gaussian("inverse"), gaussian(reciprocal), NORMAL_POINTS, ((0.2, 3), (-2, 2))),
    Case(StudentT(), student(same), TAILED_POINTS, ((-3, 3), (-2, 2), (4, 6))),
    Case(StudentT("log"), student(mp.exp), TAILED_POINTS, ((-2, 2), (-2, 2), (4, 6))),
    Case(StudentT("inverse"), student(reciprocal), TAILED_POINTS, ((0.2, 3), (-2, 2), (4, 6))),
    Case(StudentT(df=70), student(same, 70), NORMAL_POINTS, ((-3, 3), (-2, 2))),
    *(
        Case(
            Ordinal(link),
            cumulative(*tails),
            CATEGORY_POINTS,
            ORDERED,
            ordinary=COUNTS,
            rounding=ROUNDING,
        )
        for link, tails in (
            ("logit", LOGIT),
            ("probit", PROBIT),
            ("cloglog", CLOGLOG),
            ("cauchit", CAUCHIT),
        )
    ),
    Case(Poisson(), poisson(mp.exp), rates(np.log), ((-3, 4),)),
    Case(Poisson("identity"), poisson(same), rates(same), ((0.05, 50),)),
    Case(Poisson("sqrt"), poisson(lambda x: x * x), rates(np.sqrt), ((0.2, 7),)),
    Case(
        NegativeBinomial1(),
        nbinom1(mp.exp),
        dispersed(np.log),
        ((-2, 3), (-3, 1)),
        rounding=ROUNDING,
    ),
    Case(
        NegativeBinomial1("identity"),
        nbinom1(same),
        dispersed(same, *MODERATE),
        ((0.1, 9), (-3, 1)),
        rounding=ROUNDING,
    ),
    Case(
        NegativeBinomial1("sqrt"),
        nbinom1(square),
        dispersed(np.sqrt, *MODERATE),
        ((0.3, 3), (-3, 1)),
        rounding=ROUNDING,
    ),
    Case(
        NegativeBinomial2(),
        nbinom2(mp.exp),
        dispersed(np.log),
        ((-2, 3), (-1, 3)),
        rounding=ROUNDING,
    ),
    Case(
        NegativeBinomial2("identity"),
        nbinom2(same),
        dispersed(same, *MODERATE),
        ((0.1, 9), (-1, 3)),
        rounding=ROUNDING,
    ),
    Case(
        NegativeBinomial2("sqrt"),
        nbinom2(square),
        dispersed(np.sqrt, *MODERATE),
        ((0.3, 3), (-1, 3)),
        rounding=ROUNDING,
    ),
    Case(
        Gamma(),
        gamma(mp.exp),
        positives(np.log, SHAPES),
        ((-1.5, 1.5), (-1, 3)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        Gamma("inverse"),
        gamma(reciprocal),
        positives(reciprocal, SHAPES),
        ((0.2, 4), (-1, 3)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        Gamma("identity"),
        gamma(same),
        positives(same, SHAPES),
        ((0.2, 4), (-1, 3)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        LogNormal(),
        lognormal(mp.exp),
        positives(np.log, SDS),
        ((-1.5, 1.5), (-1.5, 1.5)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        LogNormal("inverse"),
        lognormal(reciprocal),
        positives(reciprocal, SDS),
        ((0.2, 4), (-1.5, 1.5)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        LogNormal("identity"),
        lognormal(same),
        positives(same, SDS),
        ((0.2, 4), (-1.5, 1.5)),
        line="log",
        ordinary=POSITIVE,
    ),
    Case(
        Beta(),
        beta(*LOGIT),
        shares((-9.0, 0.4, 7.0)),
        ((-2, 0), (2, 4)),
        line="logit",
        ordinary=PROPORTIONS,
    ),
    Case(
        BetaBinomial(),
        betabinomial(*LOGIT),
        varied((-9.0, 0.4, 7.0)),
        ((-2, 2), (-1, 4)),
        9.0,
        rounding=ROUNDING,
    ),
    Case(
        Beta("probit"),
        beta(*PROBIT),
        shares((-3.0, 0.4)),
        ((-1.2, 0), (2, 4)),
        line="logit",
        ordinary=PROPORTIONS,
    ),
    Case(
        BetaBinomial("probit"),
        betabinomial(*PROBIT),
        varied((-3.0, 0.4)),
        ((-1.2, 1.2), (-1, 4)),
        9.0,
        rounding=ROUNDING,
    ),
    Case(
        Beta("cloglog"),
        beta(*CLOGLOG),
        shares((-6.0, 0.4)),
        ((-2, -0.4), (2, 4)),
        line="logit",
        ordinary=PROPORTIONS,
    ),
    Case(
        BetaBinomial("cloglog"),
        betabinomial(*CLOGLOG),
        varied((-6.0, 0.4)),
        ((-2, 0.6), (-1, 4)),
        9.0,
        rounding=ROUNDING,
    ),
    Case(
        Beta("cauchit"),
        beta(*CAUCHIT),
        shares((-50.0, 0.4)),
        ((-2, 0), (2, 4)),
        line="logit",
        ordinary=PROPORTIONS,
    ),
    Case(
        BetaBinomial("cauchit"),
        betabinomial(*CAUCHIT),
        varied((-50.0, 0.4)),
        ((-2, 2), (-1, 4)),
        9.0,
        rounding=ROUNDING,
    ),
    Case(
        TruncatedNegativeBinomial1(),
        truncated(nbinom1(mp.exp)),
        dispersed(np.log, counts=(1.0, 3.0, 40.0)),
        ((-2, 3), (-3, 1)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedNegativeBinomial1("identity"),
        truncated(nbinom1(same)),
        dispersed(same, *MODERATE),
        ((0.1, 9), (-3, 1)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedNegativeBinomial1("sqrt"),
        truncated(nbinom1(square)),
        dispersed(np.sqrt, *MODERATE),
        ((0.3, 3), (-3, 1)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedNegativeBinomial2(),
        truncated(nbinom2(mp.exp)),
        dispersed(np.log, counts=(1.0, 3.0, 40.0)),
        ((-2, 3), (-1, 3)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedNegativeBinomial2("identity"),
        truncated(nbinom2(same)),
        dispersed(same, *MODERATE),
        ((0.1, 9), (-1, 3)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedNegativeBinomial2("sqrt"),
        truncated(nbinom2(square)),
        dispersed(np.sqrt, *MODERATE),
        ((0.3, 3), (-1, 3)),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedPoisson(),
        truncated(poisson(mp.exp)),
        rates(np.log, (1.0, 3.0, 5e7)),
        ((-3, 4),),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedPoisson("identity"),
        truncated(poisson(same)),
        rates(same, (1.0, 3.0, 5e7), (0.3, 20.0, 1e8)),
        ((0.05, 50),),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        TruncatedPoisson("sqrt"),
        truncated(poisson(square)),
        rates(np.sqrt, (1.0, 3.0, 5e7), (0.3, 20.0, 1e8)),
        ((0.2, 7),),
        rounding=ROUNDING,
        ordinary=COUNTS,
    ),
    Case(
        Binomial(),
        binomial(*LOGIT),
        both_tails(-40.0, -8.0, -0.3, 1.2, 9.0, 40.0),
        ((-6, 6),),
        9.0,
    ),
    Case(
        Binomial("probit"),
        binomial(*PROBIT),
        both_tails(-9.0, -2.0, -0.3, 1.2, 3.0, 9.0),
        ((-3, 3),),
        9.0,
    ),
    Case(
        Binomial("cloglog"),
        binomial(*CLOGLOG),
        both_tails(-40.0, -8.0, -0.3, 1.2, 4.0),
        ((-5, 1.5),),
        9.0,
    ),
    Case(
        Binomial("cauchit"),
        binomial(*CAUCHIT),
        both_tails(-1e6, -8.0, -0.3, 1.2, 9.0, 1e6),
        ((-9, 9),),
        9.0,
    ),
    Case(
        Binomial("log"),
        binomial(mp.exp, lambda x: -mp.expm1(x)),
        both_tails(-30.0, -3.0, -0.6, -1e-6),
        ((-5, -0.05),),
        9.0,
    ),
    Case(
        Binomial("identity"),
        binomial(same, lambda x: 1 - x),
        both_tails(1e-8, 0.2, 0.6, 1.0 - 2.0**-25),
        ((0.02, 0.98),),
        9.0,
    ),
]
FEW = ((1e-8, 0.3, 20.0), (0.05, 30.0), (1.0, 4.0))
ZERO = (-1.0, 1.5)
TRIALS = tuple((k, 7.0, (e,)) for k in (1.0, 7.0) for e in (-9.0, 0.4, 3.0))
CASES += [
    Case(
        ZeroInflated(Poisson()),
        inflated(poisson(mp.exp)),
        mix(rates(np.log, (1.0, 4.0), (1e-8, 0.3, 20.0))),
        ((-2, 3), ZERO),
    ),
    Case(
        ZeroInflated(NegativeBinomial1()),
        inflated(nbinom1(mp.exp)),
        mix(dispersed(np.log, *FEW)),
        ((-1, 3), (-3, 1), ZERO),
        rounding=ROUNDING,
    ),
    Case(
        ZeroInflated(NegativeBinomial2()),
        inflated(nbinom2(mp.exp)),
        mix(dispersed(np.log, *FEW)),
        ((-1, 3), (-1, 3), ZERO),
        rounding=ROUNDING,
    ),
    Case(
        ZeroInflated(Binomial("probit")),
        inflated(binomial(*PROBIT)),
        mix(TRIALS),
        ((-2, 2), ZERO),
        9.0,
    ),
    Case(
        ZeroInflated(BetaBinomial()),
        inflated(betabinomial(*LOGIT)),
        mix(varied((-2.0, 0.4))[::3]),
        ((-2, 2), (-1, 4), ZERO),
        9.0,
        rounding=ROUNDING,
    ),
    Case(
        Hurdle(TruncatedPoisson()),
        separated(truncated(poisson(mp.exp))),
        mix(rates(np.log, (1.0, 4.0), (1e-8, 0.3, 20.0))),
        ((-2, 3), ZERO),
    ),
    Case(
        Hurdle(TruncatedNegativeBinomial1()),
        separated(truncated(nbinom1(mp.exp))),
        mix(dispersed(np.log, *FEW)),
        ((-1, 3), (-3, 1), ZERO),
        rounding=ROUNDING,
    ),
    Case(
        Hurdle(TruncatedNegativeBinomial2()),
        separated(truncated(nbinom2(mp.exp))),
        mix(dispersed(np.log, *FEW)),
        ((-1, 3), (-1, 3), ZERO),
        rounding=ROUNDING,
    ),
    Case(
        Hurdle(Gamma()),
        separated(gamma(mp.exp)),
        mix(positives(np.log, (0.4, 9.0))[::2]),
        ((-1.5, 1.5), (-1, 3), ZERO),
        line="log",
        ordinary=(0.0, 2.0),
    ),
    Case(
        Hurdle(LogNormal()),
        separated(lognormal(mp.exp)),
        mix(positives(np.log, (0.6,))[::2]),
        ((-1.5, 1.5), (-1.5, 1.5), ZERO),
        line="log",
        ordinary=(0.0, 2.0),
    ),
    Case(
        Hurdle(Beta()),
        separated(beta(*LOGIT)),
        mix(shares((0.4,), (0.4, 12.0))),
        ((-2, 0), (2, 4), ZERO),
        line="logit",
        ordinary=(0.0, 0.3),
    ),
]
plain = pytest.mark.parametrize(
    "case", [case for case in CASES if not isinstance(case.family, ZeroPart)], ids=str
)
# The scope brings the tests of one family together, which share what `nodes` has computed.
# The first case of each family, with its own link, is of the inner loop.
FIRST = {case.family.name: case for case in reversed(CASES)}
each = pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, id=str(case), marks=[] if case is FIRST[case.family.name] else [pytest.mark.slow]
        )
        for case in CASES
    ],
    scope="module",
)


def everywhere(law: Callable) -> Callable:
    """A law of each family at every point of UNITS."""

    def at_all(case: Case) -> None:
        for unit in UNITS:
            law(case, unit)

    at_all.__name__, at_all.__doc__ = law.__name__, law.__doc__
    return each(at_all)


@each
def test_derivatives_in_the_mean(case: Case) -> None:
    """Those in the mean alone are the same; what the value leaves out is free of the mean."""
    rng = np.random.default_rng(8)
    low, high = np.array(case.box).T
    eta = rng.uniform(low, high, (40, low.size)).T
    moved = np.array([rng.uniform(low[0], high[0], 40), *eta[1:]])
    size = None if case.size is None else np.full(40, case.size)
    values = case.family.sample(tuple(eta), size, rng)
    data = case.family.prepare(values, size)
    there = []
    for at in (tuple(eta), tuple(moved)):
        whole, mean = (
            case.family.derivatives(data, at, 2),
            case.family.derivatives_in_mean(data, at),
        )
        np.testing.assert_allclose(mean.first[0], whole.first[0], rtol=RELATIVE)
        np.testing.assert_allclose(mean.second[0, 0], whole.second[0, 0], rtol=RELATIVE)
        left_out = whole.value - mean.value
        np.testing.assert_allclose(left_out[data.y == 0.0], 0.0, atol=RELATIVE)
        there.append(left_out)
    np.testing.assert_allclose(there[0], there[1], rtol=RELATIVE, atol=RELATIVE)


# Two opposite corners of the box, its middle, and points of a Halton sequence between.
UNITS = (
    (0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0),
    (0.5, 0.5, 0.5),
    (0.25, 0.6667, 0.4),
    (0.75, 0.2222, 0.6),
    (0.125, 0.5556, 0.8),
    (0.625, 0.8889, 0.04),
    (0.375, 0.1111, 0.96),
)
units = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))


def inside(case: Case, unit: tuple[float, ...]) -> tuple[float, ...]:
    """A predictor tuple inside the box of ordinary ones."""
    return tuple(low + u * (high - low) for (low, high), u in zip(case.box, unit, strict=False))


def columns(eta: tuple[float, ...], n: int) -> tuple[np.ndarray, ...]:
    """The same predictors in n rows."""
    return tuple(np.full(n, value, dtype=np.float64) for value in eta)


def trials(case: Case, n: int) -> np.ndarray | None:
    """Numbers of trials, for a family that has them."""
    return None if case.size is None else np.full(n, case.size)


@functools.lru_cache(maxsize=8)
def nodes(
    case: Case, eta: tuple[float, ...]
) -> tuple[Observed, tuple[np.ndarray, ...], np.ndarray]:
    """Responses covering the support, with the weight that sums the density over them."""
    y, step = lattice(case, eta) if case.family.discrete else grid(case, eta)
    rows = columns(eta, y.size)
    data = case.family.prepare(y, trials(case, y.size))
    return data, rows, step * np.exp(case.family.log_density(data, rows))


def lattice(case: Case, eta: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All counts, up to where the tail is below 1e-13; each counts once."""
    last = case.size
    if case.family.categories:
        y = np.array([*case.family.categories.values()])
        return y, np.ones_like(y)
    if last is None:
        one = columns(eta, 1)
        mean, variance = case.family.mean(one)[0], case.family.variance(one)[0]
        last = np.ceil(mean + 20 * np.sqrt(variance) + 60 + 35 * variance / mean)
    y = np.arange(case.ordinary[0], last + 1.0)
    return y, np.ones_like(y)


def grid(case: Case, eta: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Points even on the line of the case, and the length each stands for."""
    if case.line == "identity":
        one = columns(eta, 1)
        mean, sd = case.family.mean(one)[0], np.sqrt(case.family.variance(one)[0])
        y, step = np.linspace(mean - 20 * sd, mean + 20 * sd, 2001, retstep=True)
        return y, np.full_like(y, step)
    low, high = {"log": (-100.0, 32.0), "logit": (-36.0, 36.0)}[case.line]
    line, step = np.linspace(low, high, 4001, retstep=True)
    y, slope, *_ = get_link(case.line).derivatives(line)
    if has_atom(case):
        return np.append(0.0, y), np.append(1.0, step * slope)
    return y, step * slope


def has_atom(case: Case) -> bool:
    """Whether zero has a probability though the family is continuous."""
    return isinstance(case.family, Hurdle) and not case.family.discrete


def accumulate(case: Case, eta: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Edges of 3,000 cells of the line, and the mass below each but the first (Gauss rule)."""
    one = columns(eta, 1)
    mean, sd = case.family.mean(one)[0], np.sqrt(case.family.variance(one)[0])
    spans = {"identity": (mean - 20 * sd, mean + 20 * sd), "log": (-60.0, 20.0)}
    edges, width = np.linspace(*spans.get(case.line, (-36.0, 36.0)), 3001, retstep=True)
    points, weights = np.polynomial.legendre.leggauss(4)
    line = edges[:-1, None] + width * (points + 1.0) / 2.0
    y, slope, *_ = get_link(case.line).derivatives(line.ravel())
    density = np.exp(case.family.log_density(case.family.prepare(y), columns(eta, y.size)))
    cells = (slope * density).reshape(line.shape) @ weights * width / 2.0
    below = case.family.probability(np.zeros(1), one)[0] if has_atom(case) else 0.0
    return get_link(case.line).inverse(edges), below + np.cumsum(cells)


def orders(predictors: int, total: int) -> list[tuple[int, ...]]:
    """Sorted index tuples of one order of differentiation."""
    return [index for index in np.ndindex(*(predictors,) * total) if list(index) == sorted(index)]


class Differences:
    """Partial derivatives of a log density at a point, by central differences in mpmath."""

    def __init__(self, case: Case, y: float, size: float | None, eta: tuple) -> None:
        self.known = {}
        self.log_density = case.log_density
        with mpmath.workdps(DIGITS):
            self.y, self.size = mp.mpf(y), None if size is None else mp.mpf(size)
            self.point = tuple(mp.mpf(float(e)) for e in eta)

    def partial(self, index: tuple[int, ...]) -> float:
        """Derivative by an index tuple."""
        with mpmath.workdps(DIGITS):
            stencils = [STENCILS[index.count(a)] for a in range(len(self.point))]
            total = mp.mpf(0)
            for steps in itertools.product(*stencils):
                weight = mp.fprod(s[step] for s, step in zip(stencils, steps, strict=True))
                total += weight * self._at(steps)
            return float(total / NEAR ** len(index))

    def _at(self, steps: tuple[int, ...]):
        if steps not in self.known:
            near = [e + step * NEAR for e, step in zip(self.point, steps, strict=True)]
            self.known[steps] = self.log_density(self.y, self.size, *near)
        return self.known[steps]


@pytest.mark.slow
@each
def test_derivatives_match_arbitrary_precision_at_the_extremes(case):
    """First to third derivatives in every predictor agree with mpmath, tails included."""
    for y, size, eta in case.extremes:
        data = case.family.prepare([y], None if size is None else [size])
        found = case.family.derivatives(data, columns(eta, 1), 3)
        exact = Differences(case, y, size, eta)
        for total, values in ((1, None), (2, found.second), (3, found.third)):
            for index in orders(len(eta), total):
                if values is None:
                    value = found.first[index[0]][0]
                else:
                    value = values[index][0] if index in values else 0.0
                expected = exact.partial(index)
                within = 1e-30 + case.rounding * (size or y)
                assert value == pytest.approx(expected, rel=RELATIVE, abs=within), (y, eta, index)


@pytest.mark.slow
@each
@settings(deadline=None, derandomize=True, max_examples=8)
@given(unit=units, rank=st.floats(0, 1))
def test_derivatives_match_arbitrary_precision_anywhere(case, unit, rank):
    """The same at any predictor of the box and any response that is not improbable."""
    eta = inside(case, unit)
    data, _, weights = nodes(case, eta)
    y = data.y[min(np.searchsorted(np.cumsum(weights), rank), data.y.size - 1)]
    one = case.family.prepare([y], None if case.size is None else [case.size])
    found = case.family.derivatives(one, columns(eta, 1), 3)
    exact = Differences(case, y, case.size, eta)
    tables = (dict(zip(orders(len(eta), 1), found.first, strict=True)), found.second, found.third)
    for total, values in enumerate(tables, start=1):
        for index in orders(len(eta), total):
            expected = exact.partial(index)
            value = values.get(index, np.zeros(1))[0]
            assert value == pytest.approx(expected, rel=RELATIVE, abs=1e-9), (y, eta, index)


@each
def test_values_match_arbitrary_precision_at_the_extremes(case):
    """The log density keeps every constant; rounding is relative to its largest term."""
    for y, size, eta in case.extremes:
        data = case.family.prepare([y], None if size is None else [size])
        value = case.family.log_density(data, columns(eta, 1))[0]
        with mpmath.workdps(DIGITS):
            exact = case.log_density(
                mp.mpf(y), None if size is None else mp.mpf(size), *map(mp.mpf, eta)
            )
        largest = max(1.0, abs(data.constant[0]), size or 0.0)
        assert value == pytest.approx(float(exact), rel=1e-12, abs=4e-15 * largest), (y, eta)


@everywhere
def test_value_and_lower_orders_do_not_depend_on_the_order(case, unit):
    """Orders 1, 2, 3 and log_density agree, and a lower order leaves out what it may."""
    data, rows, _ = nodes(case, inside(case, unit))
    full = case.family.derivatives(data, rows, 3)
    np.testing.assert_array_equal(case.family.log_density(data, rows), full.value)
    for order in (1, 2):
        part = case.family.derivatives(data, rows, order)
        np.testing.assert_array_equal(part.value, full.value)
        np.testing.assert_array_equal(part.first, full.first)
        assert not part.third
        for key, values in part.second.items():
            np.testing.assert_array_equal(values, full.second[key])
    assert set(part.second) == set(full.second)
    assert all(a <= b for a, b in full.second)
    assert all(a <= b <= c for a, b, c in full.third)


@everywhere
def test_density_sums_to_one_with_the_stated_moments(case, unit):
    """Total mass 1; mean and variance are those of the density."""
    eta = inside(case, unit)
    data, rows, weights = nodes(case, eta)
    size = trials(case, data.y.size)
    mean = case.family.mean(rows, size)[0]
    assert weights.sum() == pytest.approx(1.0, rel=SUMS)
    assert weights @ data.y == pytest.approx(mean, rel=SUMS, abs=SUMS)
    variance = case.family.variance(rows, size)[0]
    assert weights @ (data.y - mean) ** 2 == pytest.approx(variance, rel=1e-8)


@everywhere
def test_scores_have_mean_zero(case, unit):
    """The expectation of every first derivative is zero."""
    data, rows, weights = nodes(case, inside(case, unit))
    for score in case.family.derivatives(data, rows, 1).first:
        assert abs(weights @ score) <= 1e-8 * (weights @ np.abs(score))


@everywhere
def test_expected_information_and_its_slopes_are_expectations(case, unit):
    """E[-l_ab] and its derivative -E[l_abc + l_ab l_c], summed over the support."""
    data, rows, weights = nodes(case, inside(case, unit))
    exact = case.family.derivatives(data, rows, 3)
    information, slopes = case.family.expected(data.rows(slice(1)), tuple(r[:1] for r in rows))
    count, zero = len(rows), np.zeros_like(weights)
    for pair in orders(count, 2):
        observed = exact.second.get(pair, zero)
        scale = 1e-8 * (weights @ np.abs(observed)) + 1e-12
        assert information.get(pair, zero)[0] == pytest.approx(
            -(weights @ observed), rel=1e-8, abs=scale
        )
        for c in range(count):
            third = exact.third.get(tuple(sorted((*pair, c))), zero)
            terms = third + observed * exact.first[c]
            scale = 1e-8 * (weights @ (np.abs(third) + np.abs(observed * exact.first[c]))) + 1e-12
            found = slopes.get((pair, c), zero)[0]
            assert found == pytest.approx(-(weights @ terms), rel=1e-8, abs=scale), (pair, c)


@everywhere
def test_cdf_accumulates_the_density(case, unit):
    """F(y-) and F(y) are sums of the mass below, or integrals of the density."""
    eta = inside(case, unit)
    data, rows, weights = nodes(case, eta)
    below, upto = case.family.cdf(data.y, rows, trials(case, data.y.size))
    if case.family.discrete:
        total = np.cumsum(weights)
        np.testing.assert_allclose(upto, total, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(below, total - weights, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(below[1:], upto[:-1], rtol=SUMMED)
        return
    np.testing.assert_array_equal(below[data.y != 0.0], upto[data.y != 0.0])
    edges, total = accumulate(case, eta)
    upto = case.family.cdf(edges, columns(eta, edges.size))[1]
    np.testing.assert_allclose(upto[1::20], total[::20], atol=1e-8)


@everywhere
def test_survival_is_what_the_cdf_leaves(case, unit):
    """``P(Y > y)`` and ``F(y)`` add up to one, on the support, between its values and below it."""
    eta = inside(case, unit)
    support = nodes(case, eta)[0].y[:: 1 if case.family.discrete else 10]
    for y in (support, support - 0.5, np.array([-1.0])):
        rows, size = columns(eta, y.size), trials(case, y.size)
        above, upto = case.family.survival(y, rows, size), case.family.cdf(y, rows, size)[1]
        np.testing.assert_allclose(above, 1.0 - upto, atol=1e-12)


@everywhere
def test_cdf_between_the_values_of_a_discrete_response(case, unit):
    """Off the support F(y-) and F(y) are equal; below it both are zero."""
    if not case.family.discrete:
        return
    rows, size = columns(inside(case, unit), 3), trials(case, 3)
    y = np.array([-1.0, 1.5, 2.0])
    below, upto = case.family.cdf(y, rows, size)
    assert (below[0], upto[0]) == (0.0, 0.0)
    assert below[1] == upto[1]
    np.testing.assert_allclose(below[2], upto[1], rtol=SUMMED)


@everywhere
def test_step_information_is_positive_and_of_the_right_size(case, unit):
    """It is semi-definite, and its diagonal is that of the expected information within bounds."""
    eta = inside(case, unit)
    data, rows, weights = nodes(case, eta)
    step = case.family.step_information(data, rows)
    exact, _ = case.family.expected(data.rows(slice(1)), tuple(r[:1] for r in rows))
    matrix = np.array(
        [
            [weights @ step.get((min(a, b), max(a, b)), 0.0 * weights) for a in range(len(eta))]
            for b in range(len(eta))
        ]
    )
    assert np.linalg.eigvalsh(matrix).min() >= -1e-12 * np.trace(matrix)
    for a in range(len(eta)):
        least, most = np.multiply(STEP, exact[a, a][0])
        assert least - 1e-12 <= matrix[a, a] <= most + 1e-12


@each
def test_probability_is_the_mass_of_a_discrete_family(case):
    """P(Y = k) is exp of the log density, zero off the support; continuous families refuse."""
    eta = inside(case, (0.4, 0.6, 0.5))
    if has_atom(case):
        found = case.family.probability(np.array([0.0, 2.0]), columns(eta, 2))
        np.testing.assert_allclose(found, [1.0 / (1.0 + np.exp(-eta[-1])), 0.0], rtol=1e-14)
        return
    if not case.family.discrete:
        with pytest.raises(FamilyError, match="continuous"):
            case.family.probability(np.zeros(1), columns(eta, 1))
        return
    data, rows, weights = nodes(case, eta)
    size = trials(case, data.y.size)
    np.testing.assert_allclose(case.family.probability(data.y, rows, size), weights, rtol=1e-12)
    outside = np.array([-1.0, 0.5])
    assert not case.family.probability(outside, columns(eta, 2), trials(case, 2)).any()


@each
def test_sampler_has_the_moments_of_the_family(case):
    """Mean and variance of 40,000 draws lie within the Monte Carlo error."""
    n = 40_000
    for unit in ((0.2, 0.3, 0.5), (0.5, 0.5, 0.2), (0.9, 0.8, 0.7)):
        rows, size = columns(inside(case, unit), n), trials(case, n)
        draws = case.family.sample(rows, size, np.random.default_rng(20))
        mean, variance = case.family.mean(rows, size)[0], case.family.variance(rows, size)[0]
        squares = (draws - mean) ** 2
        assert draws.dtype == np.float64
        assert abs(draws.mean() - mean) < STANDARD_ERRORS * np.sqrt(variance / n)
        assert abs(squares.mean() - variance) < STANDARD_ERRORS * squares.std() / np.sqrt(n)


@each
def test_start_lies_inside_the_domain_of_the_link(case):
    """The link of the starting mean is finite, and so is the log density there."""
    data, rows, _ = nodes(case, inside(case, (0.5, 0.5, 0.5)))
    linked = case.family.link.link(case.family.start(data))
    assert np.isfinite(linked).all()
    assert np.isfinite(case.family.log_density(data, (linked, *rows[1:]))).all()


@each
def test_every_parameter_has_a_start(case):
    """The linked starting values give a finite log density in every row."""
    data, *_ = nodes(case, inside(case, (0.5, 0.5, 0.5)))
    parameters = case.family.start_parameters(data)
    eta = tuple(k.link(p) for k, p in zip(case.family.links, parameters, strict=True))
    assert all(e.shape == data.y.shape for e in eta)
    assert np.isfinite(case.family.log_density(data, eta)).all()


@each
def test_dispersion_start_only_where_there_is_a_dispersion(case):
    """A family without a dispersion says so."""
    data, *_ = nodes(case, inside(case, (0.5, 0.5, 0.5)))
    if "dispersion" in case.family.predictors:
        assert case.family.dispersion_start(data) > 0.0
    else:
        with pytest.raises(FamilyError, match="no dispersion"):
            case.family.dispersion_start(data)


@each
def test_far_predictors_give_neither_nan_nor_a_warning(case):
    """Everywhere on the line the value is a number or -inf, and derivatives are finite."""
    for position, far in itertools.product(
        range(len(case.box)), (-1e200, -800.0, 0.0, 800.0, 1e200)
    ):
        eta = list(inside(case, (0.5, 0.5, 0.5)))
        eta[position] = far
        data = case.family.prepare(case.ordinary, trials(case, 2))
        found = case.family.derivatives(data, columns(tuple(eta), 2), 3)
        arrays = [*found.first, *found.second.values(), *found.third.values()]
        assert not np.isnan(found.value).any()
        assert (found.value < np.inf).all()
        assert np.isfinite(arrays).all()


@plain
def test_a_family_is_its_link(case):
    """Equality, hash, repr and pickle go by class and link."""
    given = {field.name: getattr(case.family, field.name) for field in fields(case.family)}
    again = type(case.family)(**given)
    assert again == case.family == type(case.family)(**{**given, "link": case.family.link.name})
    assert hash(again) == hash(case.family)
    assert pickle.loads(pickle.dumps(case.family)) == case.family
    more = "".join(f", {name}={value:g}" for name, value in given.items() if name == "df" and value)
    assert repr(case.family) == f"{type(again).__name__}(link={case.family.link.name!r}{more})"
    assert len(case.family.links) == len(case.family.predictors)


@plain
def test_every_allowed_link_is_in_the_table(case):
    """The table above leaves out no link of a family."""
    tested = {other.family.link.name for other in CASES if type(other.family) is type(case.family)}
    assert tested == set(case.family.allowed_links)


@plain
def test_a_link_of_another_family_is_refused(case):
    """The error lists the links that the family has."""
    names = ("inverse", "probit")
    other = next(name for name in names if name not in case.family.allowed_links)
    with pytest.raises(FamilyError, match=rf"{case.family.name} family has no {other} link; its"):
        type(case.family)(other)


@each
def test_a_response_that_is_no_column_of_numbers_is_refused(case):
    """Every family refuses missing values, text and matrices."""
    for y, message in (
        ([0.0, np.nan], "must be finite; 1 of 2 rows are not: nan at position 1"),
        (["a", "b"], "must be numbers"),
        ([[0.0], [1.0]], r"one column; found an array of shape \(2, 1\)"),
    ):
        with pytest.raises(FamilyError, match=message):
            case.family.prepare(y)


@each
def test_trials_are_refused_where_the_family_has_none(case):
    """Numbers of trials belong to the binomial."""
    if case.size is None:
        with pytest.raises(FamilyError, match="no number of trials"):
            case.family.prepare(case.ordinary, size=[2.0, 2.0])


@each
def test_prepare_copies_what_it_is_given(case):
    """Later changes of the caller's array do not reach the prepared response."""
    y = np.array(case.ordinary)
    data = case.family.prepare(y)
    y[0] = 5.0
    assert data.y[0] == case.ordinary[0]


def test_every_family_has_a_case():
    """No family is in the registry whose derivatives are not verified here."""
    assert set(FAMILIES.values()) <= {type(case.family) for case in CASES}


def test_a_dispersion_without_a_start_names_the_method_to_write():
    """A family that declares a dispersion and does not start it says so."""

    class Unstarted(Template):
        name = "unstarted"
        allowed_links = ("log",)

        def variance(self, eta, size=None):
            return np.exp(eta[1])

        def sample(self, eta, size, rng):
            return rng.normal(size=eta[0].size)

    family = Unstarted()
    with pytest.raises(FamilyError, match="a dispersion and no value to start it from; write"):
        family.start_parameters(family.prepare(np.ones(3)))


@pytest.mark.parametrize("make", FAMILIES.values(), ids=list(FAMILIES))
@pytest.mark.parametrize("zero", [False, True])
def test_predictors_of_the_mean(make, zero):
    """The mean moves with the predictors that a family names, and with no other."""
    family = make()
    if zero and family.zero_part is None:
        return
    family = add_zeros(family) if zero else family
    eta = [np.full(1, 0.3) for _ in family.predictors]
    before = family.mean(tuple(eta))
    for k, name in enumerate(family.predictors):
        moved = family.mean((*eta[:k], eta[k] + 0.5, *eta[k + 1 :]))
        assert (moved != before).all() == (name in family.mean_predictors)


def test_rows_of_prepared_responses():
    """Rows are selected and replaced with all that belongs to them."""
    data = Binomial().prepare([0.0, 1.0, 2.0], [2.0, 2.0, 2.0])
    some = data.rows(np.array([2, 0]))
    assert some.y.tolist() == [2.0, 0.0]
    assert some.constant.tolist() == data.constant[[2, 0]].tolist()
    other = Binomial().prepare([1.0], [2.0])
    changed = data.with_rows(np.array([0]), other)
    assert changed.y.tolist() == [1.0, 1.0, 2.0]
    assert changed.constant[0] == other.constant[0]
    assert data.y[0] == 0.0
    twice = data.tiled(2)
    assert twice.y.tolist() == [0.0, 1.0, 2.0] * 2
    assert twice.size.tolist() == [2.0] * 6
    assert twice.constant.tolist() == data.constant.tolist() * 2
