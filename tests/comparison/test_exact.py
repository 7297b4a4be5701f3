"""The exact test of one variance in a linear mixed model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import kstest

import mixcheck as mc
from mixcheck.comparison.spectral_null import find_spectrum, simulate_null

STORED = Path(__file__).parents[2] / "validation" / "comparison" / "exact_null.json"
DRAWS = 40_000


def _unbalanced() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The design of validation/comparison/exact_null.R: X, intercepts and slopes of six groups."""
    sizes = [2, 3, 5, 1, 4, 6]
    group = np.repeat(np.arange(6), sizes)
    x, z = np.sin(np.arange(1, 22)), np.repeat([0, 0, 1, 1, 0, 1], sizes)
    intercepts = (group[:, None] == np.arange(6)).astype(float)
    return np.column_stack([np.ones(21), x, z]), intercepts, intercepts * x[:, None]


def _simulate(name: str, *, restricted: bool) -> np.ndarray:
    X, intercepts, slopes = _unbalanced()
    Z = slopes if name == "slope" else intercepts
    fixed = 1 if name == "with_fixed" and not restricted else 0
    spectrum = find_spectrum(X, Z, restricted=restricted, fixed=fixed)
    return simulate_null(spectrum, DRAWS, np.random.default_rng(1))


@pytest.mark.parametrize("kind", [pytest.param("restricted", marks=pytest.mark.slow), "full"])
@pytest.mark.parametrize(
    "name",
    ["intercept", *(pytest.param(n, marks=pytest.mark.slow) for n in ("slope", "with_fixed"))],
)
def test_null_as_in_rlrsim(name, kind):
    """Shares of zeros and below each quantile are those of 200,000 draws of R's RLRsim.

    Within four standard errors of both simulations, and the 0.005 by which RLRsim's grid of 200
    ratios moves the share of zeros.
    """
    stored = json.loads(STORED.read_text())
    theirs, found = stored[name][kind], _simulate(name, restricted=kind == "restricted")
    zero = float(np.mean(found < 1e-5))
    scale = 4.0 * np.sqrt(1.0 / DRAWS + 1.0 / stored["draws"])
    assert zero == pytest.approx(theirs["zero"], abs=0.5 * scale + 0.005)
    for p, quantile in zip(stored["probabilities"], theirs["quantiles"], strict=True):
        if quantile > 0.01:
            error = scale * np.sqrt(p * (1.0 - p))
            assert np.mean(found <= quantile) == pytest.approx(p, abs=error + 0.001)


@pytest.mark.parametrize("restricted", [True, False])
def test_suprema(restricted):
    """Each statistic is the supremum over the ratio of variances, by a search of scipy."""
    X, intercepts, _ = _unbalanced()
    spectrum = find_spectrum(X, intercepts, restricted=restricted)
    found = simulate_null(spectrum, 15, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    squares = rng.chisquare(spectrum.counts, size=(15, len(spectrum.counts)))
    rest = rng.chisquare(spectrum.rest, size=15)
    values = spectrum.values  # noqa: PD011
    for row, left, value in zip(squares, rest, found, strict=True):

        def loss(t, row=row, left=left):
            over = np.sum(row / (1.0 + np.exp(t) * values)) + left
            gain = spectrum.scale * np.log((row.sum() + left) / over)
            return np.log1p(np.exp(t) * spectrum.penalty_values).sum() - gain

        ends = [(a, a + 2.0) for a in np.arange(-14.0, 12.0, 1.0)]
        best = min(minimize_scalar(loss, bounds=b, method="bounded").fun for b in ends)
        assert value == pytest.approx(max(-best, 0.0), abs=1e-6)


def test_balanced_intercepts_in_closed_form():
    """With equal groups the REML statistic is a function of one F: zeros are F below one.

    For G groups of m rows the share of zeros is P(F(G - 1, G m - G) <= 1).
    """
    from scipy.stats import f

    G, m = 5, 4
    Z = np.kron(np.eye(G), np.ones((m, 1)))
    spectrum = find_spectrum(np.ones((G * m, 1)), Z, restricted=True)
    np.testing.assert_allclose(spectrum.values, [m])
    np.testing.assert_array_equal(spectrum.counts, [G - 1])
    found = simulate_null(spectrum, DRAWS, np.random.default_rng(2))
    expected = f.cdf(1.0, G - 1, G * m - G)
    assert np.mean(found < 1e-5) == pytest.approx(expected, abs=4.0 * 0.5 / np.sqrt(DRAWS) + 1e-3)


@pytest.mark.slow
def test_agrees_with_fits():
    """Statistics of fits to simulated data have this distribution (Kolmogorov-Smirnov)."""
    X, _, _ = _unbalanced()
    data = pd.DataFrame(X, columns=["one", "x", "z"]).assign(
        g=np.repeat(list("abcdef"), [2, 3, 5, 1, 4, 6])
    )
    rng = np.random.default_rng(4)
    data["y"] = rng.normal(size=21) + 2.0 * rng.normal(size=6)[data.g.map("abcdef".index)]
    smaller = mc.glmm("y ~ x + z", data, reml=True)
    larger = mc.glmm("y ~ x + z + (1 | g)", data, reml=True)
    responses = rng.normal(size=(21, 400))
    small, large = smaller.refit(responses), larger.refit(responses)
    found = np.maximum(2.0 * (large.llf - small.llf).to_numpy(), 0.0)
    null = _simulate("intercept", restricted=True)
    positive = found > 1e-4
    share = float(np.mean(null <= 1e-4))
    assert np.mean(~positive) == pytest.approx(share, abs=3.0 * np.sqrt(share * (1 - share) / 400))
    above = np.sort(null[null > 1e-4])
    assert kstest(found[positive], lambda v: np.searchsorted(above, v) / above.size).pvalue > 0.01


def test_sleepstudy_as_in_rlrsim():
    """Statistics are those of exactRLRT; the test beside other random effects is approximate."""
    sleep = mc.datasets.load("sleepstudy")
    stored = json.loads(STORED.read_text())["sleepstudy"]
    formulas = ("Days", "Days + (1 | Subject)", "Days + (1 | Subject) + (0 + Days | Subject)")
    none, one, two = (mc.glmm(f"Reaction ~ {part}", sleep, reml=True) for part in formulas)
    first = mc.exact_lrt(none, one, draws=999, seed=1)
    # lme4's optimiser stops about here.
    assert first.statistic == pytest.approx(stored["intercept"], abs=1e-5)
    assert first.exact
    assert first.pvalue == 1.0 / 1000.0
    second = mc.exact_lrt(one, two, draws=999, seed=1)
    assert second.statistic == pytest.approx(stored["slope"], abs=1e-5)
    assert not second.exact
    assert "approximate" in str(second)


def test_depends_on_the_seed_alone():
    """More draws begin with fewer, and the seed is kept."""
    sleep = mc.datasets.load("sleepstudy")
    pair = [mc.glmm(f"Reaction ~ {part}", sleep) for part in ("1", "Days + (1 | Subject)")]
    short, long = (mc.exact_lrt(*pair, draws=n, seed=7) for n in (2000, 4000))
    np.testing.assert_array_equal(short.statistics, long.statistics[:2000])
    assert not short.restricted
    drawn = mc.exact_lrt(*pair, draws=10)
    again = mc.exact_lrt(*pair, draws=10, seed=drawn.seed)
    np.testing.assert_array_equal(drawn.statistics, again.statistics)
    assert "seed" in repr(drawn)


def test_refusals():
    """Anything but one variance of a linear mixed model is refused, with what to write."""
    sleep, cbpp = mc.datasets.load("sleepstudy"), mc.datasets.load("cbpp")
    line = mc.glmm("Reaction ~ Days", sleep)
    slopes = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    with pytest.raises(mc.ComparisonError, match="3 further parameters"):
        mc.exact_lrt(line, slopes)
    counts = [
        mc.glmm(f"incidence ~ {part}", cbpp, family="poisson") for part in ("1", "1 + (1 | herd)")
    ]
    with pytest.raises(mc.ComparisonError, match="is poisson with the link log"):
        mc.exact_lrt(*counts)
    weighted = sleep.assign(w=np.linspace(1.0, 2.0, 180))
    pair = [
        mc.glmm(f"Reaction ~ {part}", weighted, precision="w")
        for part in ("Days", "Days + (1 | Subject)")
    ]
    with pytest.raises(mc.ComparisonError, match="has precision weights"):
        mc.exact_lrt(*pair)
    with pytest.raises(mc.ComparisonError, match="further parameters"):
        mc.exact_lrt(mc.glmm("Reaction ~ 1", sleep), line)
    restricted = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=True)
    with pytest.raises(mc.ComparisonError, match="REML"):
        mc.exact_lrt(mc.glmm("Reaction ~ 1", sleep, reml=True), restricted)
