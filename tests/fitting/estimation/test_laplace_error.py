"""How far Laplace's approximation is from quadrature."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation import laplace_error, searches
from mixcheck.fitting.likelihood import laplace_series
from mixcheck.fitting.likelihood.importance import Importance
from mixcheck.port import port_of

# Searches end at a gradient of 1e-6 in units of standard errors.
STANDARD_ERRORS = 1e-5
LLF = 1e-8


@pytest.fixture(scope="module")
def counts() -> mc.GLMM:
    """Overdispersed counts with a random intercept and slope."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(12), 8), rng.normal(size=96)
    mean = np.exp(0.8 + 0.3 * x + 0.6 * rng.normal(size=12)[g] + 0.3 * rng.normal(size=12)[g] * x)
    data = {"y": rng.negative_binomial(mean / 0.8, 1.0 / 1.8), "x": x, "g": g}
    return mc.glmm("y ~ x + (x || g)", data, family="nbinom1")


def test_it_is_the_fit_by_quadrature(counts: mc.GLMM) -> None:
    """Likelihood and largest shift are those of a fit with the nodes that are named."""
    facts = counts.approximation()
    nodes = int(facts.reference.split()[2])
    exact = mc.glmm("y ~ x + (x || g)", counts.frame, family="nbinom1", method="agq", nodes=nodes)
    assert facts.reference_llf == pytest.approx(exact.llf, abs=LLF)
    units = np.sqrt(np.diag(port_of(counts).covariance))
    shifts = np.abs(port_of(exact).optimum.psi - port_of(counts).optimum.psi) / units
    assert facts.shift == pytest.approx(float(shifts.max()), abs=STANDARD_ERRORS)


def test_no_curvature_is_computed(counts: mc.GLMM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the place and the height of the optimum are asked for: no Hessian by differences."""
    asked = []
    minimise = searches.minimise

    def noted(*arguments, **options):
        asked.append(options.get("hessian", True))
        return minimise(*arguments, **options)

    monkeypatch.setattr(searches, "minimise", noted)
    assert counts.approximation().unavailable == ""
    assert asked
    assert not any(asked)


@pytest.fixture(scope="module")
def crossed() -> mc.GLMM:
    """Counts of ten by six levels."""
    rng = np.random.default_rng(1)
    g, f = np.divmod(np.arange(60), 6)
    data = {"y": rng.poisson(np.exp(0.5 + rng.normal(size=10)[g] + rng.normal(size=6)[f]))}
    return mc.glmm("y ~ 1 + (1 | g) + (1 | f)", data | {"g": g, "f": f}, family="poisson")


def test_crossed_factors_are_compared_by_importance_sampling(crossed: mc.GLMM) -> None:
    """What is missed at the estimates is what other draws say there, within its stated error."""
    facts = crossed.approximation()
    assert facts.reference == "importance sampling, 8 times 1024 draws"
    port = port_of(crossed)
    at = Importance(2**14, seed=9).evaluate(
        port.problem, port.optimum.psi, port.problem.latent.zeros()
    )
    missed = -0.5 * at.deviance - crossed.llf
    assert 0.0 < facts.missed_error < 0.01
    assert facts.missed == pytest.approx(missed, abs=5.0 * facts.missed_error)
    assert 30.0 < facts.effective_draws < 1024.0


def test_a_fit_by_importance_sampling_is_compared_with_other_draws() -> None:
    """The draws of the fit tell nothing of their own error."""
    rng = np.random.default_rng(3)
    g, f = np.divmod(np.arange(48), 6)
    y = rng.poisson(np.exp(rng.normal(size=8)[g] + rng.normal(size=6)[f]))
    fit = mc.glmm(
        *("y ~ 1 + (1 | g) + (1 | f)", {"y": y, "g": g, "f": f}),
        **{"family": "poisson", "method": "importance", "draws": 256},
    )
    facts = fit.approximation()
    assert facts.reference == "importance sampling, 8 times 1024 draws"
    assert 0.0 < facts.shift < 0.1


def test_too_many_rows_are_not_drawn(crossed: mc.GLMM, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is not made, and says why."""
    monkeypatch.setattr(laplace_error, "_MOST_VALUES", 10_000)
    monkeypatch.setattr(laplace_series, "_MOST_ROWS", 50)
    reason = crossed.approximation().unavailable
    assert "exactly one grouping factor" in reason
    assert "1,024 draws of the random effects of 60 rows are too many" in reason
    assert "16 random effects of 60 rows are more than the 3,000 and 50" in reason


@pytest.mark.parametrize("far", [0.0, 1e6])
@pytest.mark.parametrize(
    ("family", "options"),
    [("poisson", {"method": "profiled"}), ("poisson", {}), ("gaussian", {})],
)
def test_of_any_fit(family: str, options: dict[str, str], far: float) -> None:
    """Fits of every search are compared, also by columns far from zero."""
    rng = np.random.default_rng(7)
    g, x = np.repeat(np.arange(10), 6), rng.normal(size=60)
    y = rng.poisson(np.exp(1.0 + 0.3 * x + rng.normal(0.0, 0.7, 10)[g]))
    fit = mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x + far, "g": g}, family=family, **options)
    facts = fit.approximation()
    # Six counts of a group: Laplace's approximation is off by less than a unit.
    assert facts.reference_llf == pytest.approx(fit.llf, abs=0.5)


def test_the_next_term_says_what_importance_sampling_says(
    crossed: mc.GLMM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To leading order: within a tenth of what is missed, and a fifth of the shift."""
    drawn = crossed.approximation()
    assert drawn.effective_draws

    def refuse(*arguments, **options):
        raise laplace_error.OptionError("no draws")

    monkeypatch.setattr(Importance, "require", refuse)
    expanded = crossed.approximation()
    assert expanded.expanded
    assert expanded.missed == pytest.approx(drawn.missed, rel=0.1)
    assert expanded.shift == pytest.approx(drawn.shift, rel=0.2)
    assert expanded.reference_llf == pytest.approx(drawn.reference_llf, abs=0.1 * drawn.missed)
