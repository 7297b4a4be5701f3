"""Every family, with and without a zero part, in every notation of the response."""

from __future__ import annotations

import functools
import warnings
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import (
    BoundaryWarning,
    FamilyError,
    MixcheckWarning,
    OptionError,
    SeparationWarning,
)
from mixcheck.families.registry import FAMILIES
from mixcheck.families.zero_part import add_zeros
from mixcheck.port import port_of

N, GROUPS = 360, 18
SAME = 1e-6
"""Of log-likelihoods that are one likelihood, found from one start."""
FAR = 5.0
"""Standard errors: further off than this, an estimate is not of this parameter."""

TRIALS: dict[str, dict[str, Any]] = {
    "k / n": {},
    "cbind(k, f)": {},
    "share": {"weights": "n"},
    "{share}": {"weights": "n"},
}
PLAIN: dict[str, dict[str, Any]] = {"y": {}, "{y}": {}, "total / times": {}}


def families(zero: bool) -> list[mc.families.Family]:
    """Every family that has a name, with or without a zero part, if it can have one."""
    out = []
    for make in FAMILIES.values():
        try:
            out.append(add_zeros(make()) if zero else make())
        except FamilyError:
            continue
    return out


ALL = [*families(False), *families(True)]
# The scope brings the tests of one family together, which share its data and its fit.
BY_NAME = pytest.mark.parametrize("family", ALL, ids=lambda f: f.name, scope="module")


@functools.lru_cache(maxsize=2)
def simulated(family: mc.families.Family) -> tuple[pd.DataFrame, np.ndarray]:
    """Data of the family with a random intercept, and the fixed effects of its mean."""
    rng = np.random.default_rng(zlib.crc32(family.name.encode()))
    g = np.arange(N) % GROUPS
    x = rng.normal(size=N)
    n = rng.integers(4, 15, N).astype(float) if family.takes_trials else None
    beta = np.array([0.4, 0.5])
    mean = beta[0] + beta[1] * x + rng.normal(0.0, 0.8, GROUPS)[g]
    eta = {"mean": mean, "dispersion": np.full(N, 0.5), "zi": np.full(N, -0.8)}
    shapes = {name: np.full(N, 1.5 * k) for k, name in enumerate(family.shapes, 1)}
    y = family.sample(tuple((eta | shapes)[name] for name in family.predictors), n, rng)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "times": 2.0 ** rng.integers(0, 3, N)})
    data["total"] = data.y * data.times
    if n is not None:
        data = data.assign(k=y, n=n, f=n - y, share=y / n)
    return data, beta


def fit(family: mc.families.Family, data: pd.DataFrame, response: str, **given: Any) -> mc.GLMM:
    """The model that made the data, through the public verb."""
    zero = isinstance(family, mc.families.ZeroPart)
    base: Any = family.base if isinstance(family, mc.families.ZeroPart) else family
    formula = f"{response} ~ x + (1 | g)"
    return mc.glmm(formula, data, family=base, zi="~ 1" if zero else None, **given)


@functools.lru_cache(maxsize=2)
def first_fit(family: mc.families.Family) -> tuple[mc.GLMM, str, dict[str, Any]]:
    """The fit in the first notation, and how it was called."""
    response, given = next(iter((TRIALS if family.takes_trials else PLAIN).items()))
    return fit(family, simulated(family)[0], response, **given), response, given


@BY_NAME
def test_one_model_in_every_notation(family: mc.families.Family) -> None:
    """All notations of one response are one likelihood, and its maximum is near the truth."""
    data, beta = simulated(family)
    notations = TRIALS if family.takes_trials else PLAIN
    first, response, _ = first_fit(family)
    others = [
        fit(family, data, text, **given) for text, given in notations.items() if text != response
    ]
    assert first.family == family
    assert first.converged
    names = [name for name in ("Intercept", "x") if name in first.params.index]
    off = ((first.params - pd.Series(beta, ["Intercept", "x"])) / first.bse)[names]
    assert np.abs(off).max() < FAR
    assert others
    for other in others:
        np.testing.assert_allclose(other.llf, first.llf, rtol=SAME)
        np.testing.assert_allclose(other.predict(), first.predict(), rtol=1e-4)


@pytest.mark.slow
@BY_NAME
def test_fits_what_it_simulates(family: mc.families.Family) -> None:
    """A data set simulated from a fit is fitted by the verb as by a refit, near it."""
    data, _ = simulated(family)
    first, response, given = first_fit(family)
    y = first.simulate(1, seed=3)[0]
    again = data.assign(y=y, k=y)
    if family.takes_trials:
        again["f"] = again.n - y
    with warnings.catch_warnings():
        # Few groups may be simulated alike.
        warnings.simplefilter("ignore", BoundaryWarning)
        other = fit(family, again, response, **given)
    refit = first.refit(y)
    assert other.converged
    np.testing.assert_allclose(refit.llf, other.llf, rtol=SAME)
    moved = (other.params - first.params) / first.bse
    assert np.abs(moved.to_numpy()).max() < FAR


@BY_NAME
def test_predictions_for_a_grid(family: mc.families.Family) -> None:
    """A grid needs predictors alone, a missing one is NaN in its row, and modes give the fit."""
    data, _ = simulated(family)
    first, _, _ = first_fit(family)
    np.testing.assert_allclose(first.predict(data[["x", "g"]]), first.fittedvalues, rtol=1e-10)
    grid = {"x": [-1.0, np.nan, 0.0, 1e300]}
    for effects in ("zero", "marginal"):
        found = first.predict(grid, random_effects=effects)  # type: ignore[arg-type]
        assert found.isna().tolist()[:3] == [False, True, False]
        alone = first.predict({"x": [-1.0]}, random_effects=effects)  # type: ignore[arg-type]
        np.testing.assert_allclose(found[0], alone[0], rtol=1e-6)


@pytest.mark.parametrize("zi", [None, "~ 1"])
def test_single_trials(zi: str | None) -> None:
    """0/1, words, trials of one and a proportion with weights of one are one model."""
    rng = np.random.default_rng(5)
    g, x = np.arange(N) % GROUPS, rng.normal(size=N)
    p = 1.0 / (1.0 + np.exp(-0.8 - x - rng.normal(0.0, 0.6, GROUPS)[g]))
    hit = ((rng.random(N) < p) & (rng.random(N) < 0.8)).astype(int)
    data = pd.DataFrame({"hit": hit, "one": 1, "miss": 1 - hit, "x": x, "g": g})
    data["word"] = np.where(hit == 1, "yes", "no")
    written: dict[str, dict[str, Any]] = {
        "hit": {},
        "word": {},
        "hit / one": {},
        "cbind(hit, miss)": {},
        "hit ": {"weights": "one"},
    }
    values = [
        mc.glmm(f"{text} ~ x + (1 | g)", data, family="binomial", zi=zi, **given).llf
        for text, given in written.items()
    ]
    np.testing.assert_allclose(values, values[0], rtol=SAME)


@pytest.mark.slow
def test_zero_inflated_trials_of_glmm_tmb() -> None:
    """Zero-inflated binomial data have the log-likelihood -811.6581, as in glmmTMB 1.1.5."""
    rng = np.random.default_rng(0)
    g, n = np.arange(400) % 20, rng.integers(5, 20, 400)
    zero = rng.random(400) < 0.3
    p = 1.0 / (1.0 + np.exp(-0.3 - rng.normal(0.0, 0.5, 20)[g]))
    k = np.where(zero, 0, rng.binomial(n, p))
    data = pd.DataFrame({"k": k, "n": n, "f": n - k, "share": k / n, "g": g})
    for text, given in TRIALS.items():
        made = mc.glmm(f"{text} ~ 1 + (1 | g)", data, family="binomial", zi="~ 1", **given)
        assert round(made.llf, 4) == -811.6581
    with pytest.warns(SeparationWarning, match="dispersion"):
        more = mc.glmm("k / n ~ 1 + (1 | g)", data, family="betabinomial", zi="~ 1")
    np.testing.assert_allclose(more.llf, -811.6581, atol=1e-4)


def test_trials_are_never_ignored() -> None:
    """Shares that are all 0 or 1 keep their trials."""
    rng = np.random.default_rng(2)
    g, n = np.arange(200) % 20, np.where(np.arange(200) % 10 == 0, 2, 1)
    k = np.where(rng.random(200) < 0.5, n, 0)
    data = pd.DataFrame({"k": k, "n": n, "x": rng.normal(size=200), "g": g})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixcheckWarning)  # such data have no finite estimate
        made = mc.glmm("k / n ~ 1 + (1 | g)", data, family="binomial", zi="~ 1")
    assert port_of(made).design.size is not None
    np.testing.assert_array_equal(port_of(made).design.size, n)


@pytest.mark.parametrize("zi", [None, "~ 1"])
@pytest.mark.parametrize("family", ["binomial", "betabinomial"])
def test_trials_are_given_once(family: str, zi: str | None) -> None:
    """R's ``k/n`` with ``weights = n`` does not count each row n times over, unsaid."""
    rng = np.random.default_rng(2)
    n = rng.integers(3, 12, 60)
    data = pd.DataFrame({"k": rng.binomial(n, 0.4), "n": n, "one": 1, "x": rng.normal(size=60)})
    options: dict[str, Any] = {"family": family, "zi": zi}
    for text in ("k / n", "(k / n)", "`k`/`n`", "k / I(n)"):
        with pytest.raises(OptionError, match="leave weights= out"):
            mc.glmm(f"{text} ~ x", data, weights="n", **options)
    with pytest.raises(
        FamilyError, match=r"proportion of successes, .* rows are not: [2-9] in row"
    ):
        mc.glmm("k ~ x", data, weights="n", **options)


def test_weights_of_another_kind_count_rows() -> None:
    """Weights that are not the trials are copies of a row; of a 0/1 response, its trials."""
    rng = np.random.default_rng(2)
    n = rng.integers(3, 12, 60)
    data = pd.DataFrame({"k": rng.binomial(n, 0.4), "n": n, "w": 2, "x": rng.normal(size=60)})
    once = mc.glmm("k / n ~ x", data, family="binomial")
    twice = mc.glmm("k / n ~ x", data, family="binomial", weights="w")
    np.testing.assert_allclose(twice.llf, 2.0 * once.llf, rtol=SAME)
    data["b"] = data.k > 2
    once = mc.glmm("b ~ x", data, family="binomial")
    twice = mc.glmm("b ~ x", data, family="binomial", weights="w")
    np.testing.assert_allclose(twice.llf, 2.0 * once.llf, rtol=SAME)
