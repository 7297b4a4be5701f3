"""What one response is: families and their links."""

from mixcheck.families.beta import Beta
from mixcheck.families.beta_binomial import BetaBinomial
from mixcheck.families.continuous import Gaussian
from mixcheck.families.counts import Poisson
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.family import Family
from mixcheck.families.links import (
    Cauchit,
    Cloglog,
    Identity,
    Inverse,
    Link,
    Log,
    Logit,
    ProbabilityLink,
    Probit,
    Sqrt,
    get_link,
)
from mixcheck.families.negative_binomial import NegativeBinomial1, NegativeBinomial2
from mixcheck.families.ordinal import Ordinal
from mixcheck.families.positive import Gamma, LogNormal
from mixcheck.families.proportions import Binomial
from mixcheck.families.registry import get_family
from mixcheck.families.responses import Observed
from mixcheck.families.student import StudentT
from mixcheck.families.truncated import (
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
)
from mixcheck.families.zero_part import Hurdle, ZeroInflated, ZeroPart, add_zeros

__all__ = [
    "Beta",
    "BetaBinomial",
    "Binomial",
    "Cauchit",
    "Cloglog",
    "Derivatives",
    "Family",
    "Gamma",
    "Gaussian",
    "Hurdle",
    "Identity",
    "Inverse",
    "Link",
    "Log",
    "LogNormal",
    "Logit",
    "NegativeBinomial1",
    "NegativeBinomial2",
    "Observed",
    "Ordinal",
    "Poisson",
    "ProbabilityLink",
    "Probit",
    "Sqrt",
    "StudentT",
    "TruncatedNegativeBinomial1",
    "TruncatedNegativeBinomial2",
    "TruncatedPoisson",
    "ZeroInflated",
    "ZeroPart",
    "add_zeros",
    "get_family",
    "get_link",
]
