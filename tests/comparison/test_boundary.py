"""Which distribution a likelihood ratio has under its null hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.comparison.boundary import boundary_reference, new_effects
from mixcheck.port import CovarianceEstimates, port_of

from .conftest import Known, N, X, fit

ONES = np.ones((N, 1))


@dataclass(frozen=True, eq=False)
class Covaried(Known):
    """A comparable model that says how its random effects covary."""

    covariance_estimates: CovarianceEstimates = field(
        default_factory=lambda: CovarianceEstimates((), np.zeros(0), np.zeros((0, 0)))
    )


def _three(values=(1.0, 1.0, 1.0), covariance=None) -> tuple[Known, Covaried]:
    """A model without random effects, and one with three independent ones and a fixed one."""
    terms = {f"(1 | {g})": (g, ONES) for g in "abc"}
    entries = tuple((name, 0, 0) for name in terms)
    held = np.eye(3) if covariance is None else covariance
    larger = Covaried(
        n_parameters=6,
        random_terms=terms,
        covariance_estimates=CovarianceEstimates(entries, np.array(values), held),
    )
    return Known(n_parameters=2, random_terms={}), larger


def test_fixed_effects_only(days):
    """Without new random effects the distribution is the chi-square."""
    found = boundary_reference(port_of(days["constant"]), port_of(days["slope"]))
    assert found.mixture.weights == ((1, 1.0),)


def test_correlation_only(days):
    """A new correlation of known effects lies inside: chi-square with one degree of freedom."""
    found = boundary_reference(port_of(days["uncorrelated"]), port_of(days["slope"]))
    assert found.mixture.weights == ((1, 1.0),)


def test_one_uncorrelated_slope(days):
    """One new independent variance is half a mass at zero (Self & Liang 1987, case 5)."""
    found = boundary_reference(port_of(days["intercept"]), port_of(days["uncorrelated"]))
    assert found.mixture.weights == ((0, 0.5), (1, 0.5))


def test_fixed_effects_shift(days):
    """A fixed effect that is new at the same time adds one degree of freedom to each part."""
    smaller = fit("sleepstudy", "Reaction ~ 1 + (1 | Subject)")
    found = boundary_reference(port_of(smaller), port_of(days["slope"]))
    assert found.mixture.weights == ((2, 0.5), (3, 0.5))


def test_two_variances_at_once(days):
    """Intercepts and uncorrelated slopes: the weights follow from the correlation of both."""
    smaller = fit("sleepstudy", "Reaction ~ Days")
    found = boundary_reference(port_of(smaller), port_of(days["uncorrelated"]))
    estimates = port_of(days["uncorrelated"]).covariance_estimates
    rho = estimates.covariance[0, 1] / np.sqrt(np.prod(np.diag(estimates.covariance)))
    assert dict(found.mixture.weights)[2] == pytest.approx(0.25 + np.arcsin(rho) / (2 * np.pi))
    assert "2 variances are zero" in found.reason


def test_block_at_once(days):
    """A correlated block that is new as a whole gets the largest p-value, and says so."""
    smaller = fit("sleepstudy", "Reaction ~ Days")
    found = boundary_reference(port_of(smaller), port_of(days["slope"]))
    assert found.mixture.weights == ((2, 0.5), (3, 0.5))
    assert "conservative" in found.reason


def test_three_independent_variances():
    """Binomial weights where the information is diagonal; the fourth parameter is free."""
    smaller, larger = _three()
    found = boundary_reference(port_of(smaller), port_of(larger))
    assert found.mixture.weights == ((1, 0.125), (2, 0.375), (3, 0.375), (4, 0.125))


def test_simulated_weights_state_their_error():
    """Three correlated estimates need simulation, whose error is in the reason."""
    smaller, larger = _three(covariance=0.5 * np.eye(3) + 0.5)
    found = boundary_reference(port_of(smaller), port_of(larger))
    assert 0.0 < found.mixture.error < 0.002
    assert "standard error" in found.reason


@pytest.mark.parametrize("values", [(1.0, 0.0, 1.0), (1.0, 1.0, -1e-9)])
def test_unknown_precision(values):
    """A new variance estimated as zero has no information: the bound is taken."""
    smaller, larger = _three(values)
    found = boundary_reference(port_of(smaller), port_of(larger))
    assert found.mixture.weights == ((3, 0.5), (4, 0.5))
    assert "estimated as zero" in found.reason


def test_the_bound_is_a_bound():
    """No weights of three variances give a larger p-value than the bound."""
    rng = np.random.default_rng(1)
    for _ in range(3):
        root = rng.standard_normal((3, 3))
        smaller, larger = _three(covariance=root @ root.T + 0.1 * np.eye(3))
        exact = boundary_reference(port_of(smaller), port_of(larger)).mixture
        _, unknown = _three((1.0, 0.0, 1.0))
        bound = boundary_reference(port_of(smaller), port_of(unknown)).mixture
        # Three standard errors of the simulated weights.
        assert all(exact.sf(t) <= bound.sf(t) + 0.005 for t in (0.5, 2.0, 5.0, 10.0))


def test_silent_model():
    """A model that does not say how its effects covary gets the bound."""
    larger = Known(n_parameters=4, random_terms={"(1 | g)": ("g", ONES), "(1 | h)": ("h", ONES)})
    assert "does not say" in boundary_reference(Known(), larger).reason


def test_new_effects_by_space():
    """Effects count as new by the space that they span, not by their position."""
    smaller = Known(random_terms={"a": ("g", ONES)})
    larger = Known(random_terms={"b": ("g", np.column_stack([X[:, 1], X[:, 1] + 1.0]))})
    assert new_effects(smaller, larger) == [("b", 0)]


def test_chi_square_on_request(days):
    """The plain chi-square is twice as large a p-value for one variance, and is called so."""
    pair = (days["intercept"], days["uncorrelated"])
    mixed, plain = mc.lrt(*pair), mc.lrt(*pair, boundary="chi-square")
    assert plain.pvalue == pytest.approx(2.0 * mixed.pvalue, rel=1e-12)
    assert "too large" in plain.notes[0]
    with pytest.raises(mc.OptionError, match="'chi-bar-square' or 'chi-square'"):
        mc.lrt(*pair, boundary="exact")


def test_singular_smaller_model():
    """A variance at zero in the simpler model too is not covered, and the notes say so."""
    data = mc.datasets.load("Dyestuff2")
    data["x"] = np.arange(len(data)) % 5
    response, group = data.columns[0], data.columns[1]
    if data[response].dtype.kind not in "fi":
        response, group = group, response
    with pytest.warns(mc.BoundaryWarning):
        smaller = mc.glmm(f"{response} ~ x + (1 | {group})", data)
    with pytest.warns(mc.BoundaryWarning):
        larger = mc.glmm(f"{response} ~ x + (x || {group})", data)
    assert any("bootstrap_lrt simulates" in note for note in mc.lrt(smaller, larger).notes)
