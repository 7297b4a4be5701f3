"""Prior distributions of parameters."""

from __future__ import annotations

import math

import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.priors import Prior

CASES = [
    (mc.priors.normal(0.5, 2.0), "coefficient", stats.norm(0.5, 2.0)),
    (mc.priors.normal(0.2, 0.5), "correlation", stats.truncnorm(-2.4, 1.6, 0.2, 0.5)),
    (mc.priors.t(3, -1.0, 2.5), "coefficient", stats.t(3, -1.0, 2.5)),
    (mc.priors.half_normal(1.5), "sd", stats.halfnorm(scale=1.5)),
    (mc.priors.gamma(2.5, 0.4), "sd", stats.gamma(2.5, scale=2.5)),
    (mc.priors.lkj(3.0), "correlation", stats.beta(3.0, 3.0, -1.0, 2.0)),
]


@pytest.mark.parametrize(("prior", "target", "law"), CASES, ids=[str(case[0]) for case in CASES])
def test_density(prior: Prior, target, law) -> None:
    """Log densities are those of scipy.stats, and slopes their derivatives."""
    for x in (0.05, 0.3, 0.9):
        assert prior.log_density(x, target) == pytest.approx(law.logpdf(x), abs=1e-12)
        step = 1e-6
        ahead, behind = (prior.log_density(x + side * step, target) for side in (1, -1))
        assert prior.slope(x) == pytest.approx((ahead - behind) / (2.0 * step), abs=1e-7)


def test_outside() -> None:
    """A density is zero outside its support, and at zero that of a gamma."""
    assert mc.priors.gamma(2, 1).log_density(0.0, "sd") == -math.inf
    assert mc.priors.lkj(2).log_density(1.0, "correlation") == -math.inf


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: mc.priors.gamma(1, 1), "shape must be a number above 1"),
        (lambda: mc.priors.normal(0, -1), "sd must be a positive number"),
        (lambda: mc.priors.normal("a", 1), "mean must be a finite number"),
        (lambda: mc.priors.t(0, 0, 1), "df must be a positive number"),
        (lambda: mc.priors.half_normal(math.inf), "sd must be a positive number"),
        (lambda: mc.priors.lkj(0.5), "eta must be a number above 1"),
    ],
)
def test_wrong_parameters(call, sentence) -> None:
    """Each wrong parameter is one sentence."""
    with pytest.raises(mc.OptionError, match=sentence):
        call()
