"""Normality of the random effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import mixcheck as mc
from mixcheck.checks import Convergence, RandomEffects, Suite
from mixcheck.checks.random_effects import NODES
from mixcheck.port import port_of
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Verdict


@pytest.mark.parametrize("name", ["ad", "ks"])
def test_the_statistic_is_that_of_unknown_mean_and_variance(toy, name):
    """The drawn effects are standardised by their own mean and deviation, in every data set."""
    seen = residuals(toy("poisson", 2, levels=12), seed=1, draws=19)
    label = "random effects [site]" if name == "ad" else "random effects [ks] [site]"
    finding = Suite((RandomEffects(name),)).run(seen)[label]
    views = [seen.observed, *(seen.replicates.replicate(k) for k in range(19))]
    drawn = [stats.zscore(np.sort(view.effects["site"][:, 0])) for view in views]
    if name == "ks":
        expected = [stats.kstest(values, "norm").statistic for values in drawn]
    else:
        expected = [
            stats.goodness_of_fit(
                stats.norm,
                values,
                statistic="ad",
                n_mc_samples=1,
                known_params={"loc": 0.0, "scale": 1.0},
            ).statistic
            for values in drawn
        ]
    np.testing.assert_allclose([finding.statistic, *finding.replicates], expected, rtol=1e-9)
    distance = stats.kstest(drawn[0], "norm").statistic
    assert finding.effect.value == pytest.approx(distance, rel=1e-9)
    assert finding.n == 12
    np.testing.assert_allclose(finding.picture.observed, drawn[0], rtol=1e-12)
    assert (finding.picture.band_low < finding.picture.band_high).all()


def test_two_kinds_of_groups_are_found():
    """Effects of -0.9 and 0.9 have the mean and variance of normal ones, and not their shape."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(60), 15)
    data = {
        "g": g,
        "y": rng.permutation(np.repeat([-0.9, 0.9], 30))[g] + 0.4 * rng.normal(size=900),
    }
    report = mc.check(
        mc.glmm("y ~ 1 + (1 | g)", data), RandomEffects(), seed=1, draws=199, calibration="plug-in"
    )
    (finding,) = report.findings
    assert finding.pvalue == finding.floor
    outside = (finding.picture.observed < finding.picture.band_low) | (
        finding.picture.observed > finding.picture.band_high
    )
    assert outside.sum() > 5


def test_modes_are_in_units_of_their_own_deviations():
    """Groups of few rows and of many are compared on one scale; draws tell less of 0/1 data."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(60), rng.integers(5, 40, 60))
    effects = rng.permutation(np.repeat([-1.3, 1.3], 30))
    data = {"g": g, "y": rng.binomial(1, 1.0 / (1.0 + np.exp(-effects[g])))}
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="binomial")
    finding = mc.check(fit, RandomEffects(), seed=1, draws=199, calibration="plug-in").findings[0]
    levels = port_of(fit).term_levels["g [Intercept]"]
    modes = fit.random_effects["g"]["Intercept"].loc[levels.labels]
    z = np.sort(modes.to_numpy() / levels.deviations[:, 0])
    # Deviations over 200 data sets are known to a twentieth, those of the model to Laplace order.
    np.testing.assert_allclose(finding.picture.observed, (z - z.mean()) / z.std(), atol=0.25)
    assert finding.pvalue <= 0.02
    assert not finding.single_pvalues


@pytest.fixture(scope="module")
def sparse():
    """Two counts a group, which say less than half of what there is to know of its effect."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(150), 2)
    data = {"g": g, "y": rng.poisson(np.exp(-0.5 + 0.8 * rng.normal(size=150)[g]))}
    return mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")


@pytest.mark.parametrize("name", ["ad", pytest.param("ks", marks=pytest.mark.slow)])
def test_where_the_data_say_little_the_distribution_is_expected(sparse, name):
    """``mean Phi((x - b) / c)``, standardised, beside the normal one, by adaptive integration."""
    levels = port_of(sparse).term_levels["g [Intercept]"]
    assert levels.reliability.mean() < 0.5
    b = sparse.random_effects["g"]["Intercept"].loc[levels.labels].to_numpy()
    prior = sparse.variance_components["variance"].iloc[0]
    c = np.sqrt(prior * np.mean(1.0 - levels.reliability[:, 0]))
    deviation = np.sqrt(b.var() + c**2)

    def apart(z: float) -> float:
        F = stats.norm.cdf((b.mean() + deviation * z - b) / c).mean()
        return F - stats.norm.cdf(z)

    distance = max(abs(apart(z)) for z in np.linspace(-5.0, 5.0, 2001))
    weighted, _ = integrate.quad(
        lambda z: apart(z) ** 2 * stats.norm.pdf(z) / (stats.norm.cdf(z) * stats.norm.sf(z)),
        -8.0,
        8.0,
    )
    finding = mc.check(sparse, RandomEffects(name), seed=1, draws=19).findings[0]
    # The largest distance is looked for in steps of a quarter, and is all but the whole.
    at_nodes = max(abs(apart(z)) for z in NODES)
    assert finding.effect.value == pytest.approx(at_nodes, rel=1e-6)
    assert 0.97 * distance < at_nodes <= distance * (1.0 + 1e-9)
    expected = {"ad": 150 * weighted, "ks": finding.effect.value}[name]
    assert finding.statistic == pytest.approx(expected, rel=0.003)
    inside, grid = slice(3, -3), np.linspace(-5.0, 5.0, 401)
    quantiles = finding.picture.observed[inside]
    bend = np.abs(np.diff([apart(z) + stats.norm.cdf(z) for z in grid], 2)).max() / 0.025**2
    # Straight lines between nodes a quarter apart are off by h^2 / 8 times the second derivative.
    assert [apart(z) + stats.norm.cdf(z) for z in quantiles] == pytest.approx(
        (np.arange(150)[inside] + 0.5) / 150, abs=0.25**2 / 8.0 * bend
    )


@pytest.mark.slow
def test_the_level_where_the_data_say_little():
    """Half of correct models have p-values up to 0.5: a level with large counts is no giveaway."""
    g, found = np.repeat(np.arange(100), 3), []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=300)
        mean = np.exp(0.5 + 0.5 * x + 0.5 * rng.normal(size=100)[g])
        y = rng.poisson(mean * rng.gamma(2.0, 0.5, 300))
        fit = mc.glmm("y ~ x + (1 | g)", {"g": g, "x": x, "y": y}, family="nbinom2")
        report = mc.check(fit, RandomEffects(), seed=1, draws=59, calibration="refit")
        found += [one.pvalue for one in report.findings if isinstance(one, Finding)]
    assert len(found) > 50
    # Four standard errors.
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=4.0 * 0.5 / 60**0.5)


def test_nothing_is_drawn_where_the_data_say_little(sparse):
    """The statistic is a function of the data: another seed has other replicates only."""
    first, second = (
        mc.check(sparse, RandomEffects(), seed=seed, draws=19).findings[0] for seed in (1, 2)
    )
    assert first.statistic == second.statistic
    assert not first.single_pvalues
    assert not np.array_equal(first.replicates, second.replicates)


@pytest.mark.slow
def test_two_kinds_of_groups_of_few_counts_are_found():
    """Though the data say half of what there is to know, in 1,200 groups together it shows."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(1200), 6)
    effects = rng.permutation(np.repeat([-1.2, 1.2], 600))
    data = {"g": g, "y": rng.poisson(np.exp(0.3 + effects[g]))}
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    finding = mc.check(fit, RandomEffects(), seed=1, draws=99, calibration="plug-in").findings[0]
    assert finding.pvalue == finding.floor
    outside = (finding.picture.observed < finding.picture.band_low) | (
        finding.picture.observed > finding.picture.band_high
    )
    assert outside.mean() > 0.3


def test_each_effect_of_each_term_has_its_finding(toy):
    """Two terms, one with two effects and one too small: three outcomes with names of their own."""

    @dataclass(frozen=True, eq=False)
    class TwoTerms(type(toy("gaussian", 1))):
        def see(self, y, u, rng):
            seen = super().see(y, u, rng)
            effects = {"1 + x | site": np.column_stack([u, u**2]), "1 | year": u[:4, None]}
            return replace(seen, effects=effects)

    base = toy("gaussian", 1)
    model = TwoTerms(base.frame, base.eta, base.group, base.response)
    report = Suite((RandomEffects(),)).run(model, seed=1, draws=19)
    names = [finding.check for finding in report.findings]
    assert names == [
        "random effects [1 + x | site, effect 1]",
        "random effects [1 + x | site, effect 2]",
        "random effects [1 | year]",
    ]
    assert isinstance(report.findings[2], Skipped)
    assert "has 4 levels; at least 5" in report.findings[2].reason


def test_no_effects_are_skipped(toy):
    """A model without random effects has none to look at."""

    @dataclass(frozen=True, eq=False)
    class Fixed(type(toy("gaussian", 1))):
        def see(self, y, u, rng):
            return replace(super().see(y, u, rng), effects={})

    base = toy("gaussian", 1)
    outcome = (
        Suite((RandomEffects(),))
        .run(Fixed(base.frame, base.eta, base.group, base.response), seed=1, draws=3)
        .findings[0]
    )
    assert "no random effects to look at" in outcome.reason


@pytest.fixture(scope="module")
def flat():
    """Counts without any difference between twelve groups: their variance is zero."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 15)
    data = pd.DataFrame({"g": groups, "y": rng.poisson(2, 180), "x": rng.normal(size=180)})
    data["f"] = np.where((np.arange(180) % 3 == 0) & (data.y > 0), "p", "q")
    data["z"] = (data.y > 0).astype(int)
    return data


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize(
    ("formula", "skipped"),
    [
        ("y ~ 1 + (1 | g)", ["g [Intercept]"]),
        ("y ~ 1 + (x || g)", ["g [Intercept]", "g [x]"]),
        ("y ~ 1 + (x | g)", ["g [Intercept, x], effect 1", "g [Intercept, x], effect 2"]),
    ],
)
def test_a_singular_fit_is_told(flat, formula, skipped):
    """Normality of a term without variance is skipped, and the first line says singular."""
    fit = mc.glmm(formula, flat, family="poisson")
    report = (RandomEffects() & Convergence()).run(fit, seed=1, draws=40, calibration="plug-in")
    reasons = {outcome.check: outcome.reason for outcome in report.findings[:-1]}
    assert list(reasons) == [f"random effects [{name}]" for name in skipped]
    assert all("its variance is zero" in reason for reason in reasons.values())
    assert report.verdicts["convergence"] is Verdict.WARN
    assert "convergence warns: the fit is singular in" in _first_words(report).lower()
    assert (report.ok, report.verdict) == (True, Verdict.WARN)
    with pytest.raises(mc.ChecksFailed, match="singular"):
        report.assert_ok(strict=True)
    waived = report.judge(mc.Policy(waive={"convergence": "groups are equal by design"}))
    assert waived.verdicts["convergence"] is Verdict.WAIVED


def _first_words(report):
    """The paragraph with the verdict, on one line."""
    return " ".join(report.to_text().split("\n\n")[1].split())
