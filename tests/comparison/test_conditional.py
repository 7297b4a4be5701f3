"""Conditional AIC: published and independently computed values, laws, and its limits."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence import optimism
from mixcheck.port import port_of

# The tables below come from dense Newton refits with gradients below 1e-9, printed to five
# decimals (exact: eight); lme4 agrees to 1e-4 at tight tolerances.
PRINTED = 1e-5
EXACT = 5e-6
# Where a value is the same by an argument, not by rounding.
SAME = 1e-7


@cache
def data(name: str) -> pd.DataFrame:
    """Data of the table, with the variables of its models."""
    table = mc.datasets.load(name)
    if name == "grouseticks":
        return table.assign(cH=(table["HEIGHT"] - 460.0) / 50.0)
    if name == "epil":
        lbase4 = np.log(table["base"] / 4.0)
        lage2 = np.log(table["age"])
        return table.assign(lbase4=lbase4 - lbase4.mean(), lage2=lage2 - lage2.mean())
    if name == "bacteria":
        return table.assign(yy=(table["y"] == "y").astype(float), late=1.0 * (table["week"] > 2))
    size, k = table["size"].to_numpy(), table["incidence"].to_numpy()
    rows = table.loc[table.index.repeat(size)].reset_index(drop=True)
    return rows.assign(one=np.concatenate([np.arange(m) < j for m, j in zip(size, k, strict=True)]))


MODELS = {
    "brood": ("grouseticks", "TICKS ~ YEAR + cH + (1 | BROOD)", "poisson"),
    "location": ("grouseticks", "TICKS ~ YEAR + cH + (1 | LOCATION)", "poisson"),
    "epil": ("epil", "y ~ lbase4 * trt + lage2 + V4 + (1 | subject)", "poisson"),
    "bacteria": ("bacteria", "yy ~ trt + late + (1 | ID)", "binomial"),
    "cbpp rows": ("cbpp", "one ~ period + (1 | herd)", "binomial"),
}


@cache
def fitted(name: str) -> mc.GLMM:
    """Fit of a model of the table."""
    source, formula, family = MODELS[name]
    table = data(source)
    table = table.assign(YEAR=table["YEAR"].astype(str)) if "YEAR" in table else table
    table = table.assign(one=table["one"].astype(float)) if "one" in table else table
    return mc.glmm(formula, table, family=family)


# Conditional log-likelihood, then degrees of freedom: derivative, one step, exact refits.
TABLE = {
    "brood": (-832.7785155, 88.20801, 85.04754, 85.17755761),
    "location": (-1029.0600229, 54.11317, 52.27888, 52.33451788),
    "epil": (-586.6736389, 49.86086, 49.45628, 49.49423797),
    "bacteria": (-71.9156127, 26.01345, 23.27249, 23.44063260),
}


# What the table leaves out: it takes the distribution of a response at the modes.
SPREAD = "spread of the random effects"


def at_modes(found: mc.ConditionalAIC) -> float:
    """Degrees of freedom as others compute them."""
    return sum(value for name, value in found.by_term.items() if name != SPREAD)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_poisson_and_bernoulli_values(name):
    """Chen and Stein for counts, Efron for Bernoulli responses, by all three methods."""
    llf, derivative, onestep, exact = TABLE[name]
    fit = fitted(name)
    assert port_of(fit).conditional_llf == pytest.approx(llf, abs=1e-6)
    assert at_modes(mc.caic(fit, method="analytic")) == pytest.approx(derivative, abs=PRINTED)
    assert at_modes(mc.caic(fit, method="one-step")) == pytest.approx(onestep, abs=PRINTED)
    found = mc.caic(fit, method="refit")
    assert at_modes(found) == pytest.approx(exact, abs=EXACT)
    assert found.value == pytest.approx(-2.0 * llf + 2.0 * found.df, abs=3 * PRINTED)


def test_equal_rows_are_refitted_once():
    """The cbpp data as 842 Bernoulli rows: 13.5241 (lme4, tight), from 104 refits or fewer."""
    fit = fitted("cbpp rows")
    assert port_of(fit).perturb("refit").size <= 2 * 56
    assert at_modes(mc.caic(fit, method="refit")) == pytest.approx(13.5241, abs=5e-5)


FINITE = "finite sample"
SLEEP = {
    "Reaction ~ Days + (Days | Subject)": (-824.9295089034, 30.915436302),
    "Reaction ~ Days + (1 | Subject)": (-864.5354568795, 18.971652459),
}


@pytest.mark.parametrize("method", ["analytic", "one-step", "refit"])
@pytest.mark.parametrize("formula", SLEEP)
def test_gaussian_values(formula, method):
    """Greven & Kneib's degrees of freedom and one for the residual variance; all methods.

    Beyond them is what Vaida & Blanchard (2005, section 3) add for 180 rows and two fixed effects.
    """
    llf, df = SLEEP[formula]
    found = mc.caic(mc.glmm(formula, mc.datasets.load("sleepstudy")), method=method)
    assert found.conditional_llf == pytest.approx(llf, abs=1e-5)
    assert found.df - found.by_term[FINITE] == pytest.approx(df, abs=SAME)
    assert found.by_term["dispersion"] == 1.0
    corrected = 180.0 * (177.0 * df + 3.0) / (178.0 * 176.0)
    assert found.df == pytest.approx(corrected, abs=SAME)
    assert f"{df:.3f}" in found.notes[0]


def test_reml_values():
    """Pastes by REML: df of refits, which lies below what cAIC4 prints (30.16494, 178.2809)."""
    pastes = mc.datasets.load("Pastes")
    fit = mc.glmm("strength ~ 1 + (1 | sample) + (1 | batch)", pastes, reml=True)
    found = mc.caic(fit)
    df = found.df - found.by_term[FINITE]
    assert df == pytest.approx(30.13178088, abs=1e-5)
    # Vaida & Blanchard (2005), section 3, for REML: 60 rows and one fixed effect.
    assert found.df == pytest.approx((58.0 * df + 2.0) / 57.0, abs=1e-9)
    assert found.value == pytest.approx(2 * 58.975487626 + 2 * found.df, abs=1e-4)


@pytest.mark.parametrize("name", ["brood", "bacteria"])
@pytest.mark.parametrize("method", ["analytic", "one-step"])
def test_terms_sum_to_the_whole(name, method):
    """The split adds up; as many for the fixed effects as there are."""
    fit = fitted(name)
    found = mc.caic(fit, method=method)
    assert sum(found.by_term.values()) == pytest.approx(found.df)
    assert found.by_term["fixed effects"] == len(fit.params)
    term = port_of(fit).problem.terms[0].block
    assert 0.0 < found.by_term[term.name] < len(term.levels)
    assert ("finite change" in found.by_term) == (method != "analytic")


def test_trace_of_the_joint_hat_matrix():
    """Fixed and random terms at known variances: 87.82984 and 23.55350."""
    for name, trace in (("brood", 87.82984), ("bacteria", 23.55350)):
        parts = mc.caic(fitted(name), method="analytic").by_term
        added = ("variance parameters", SPREAD)
        held = [value for key, value in parts.items() if key not in added]
        assert sum(held) == pytest.approx(trace, abs=PRINTED)


@pytest.mark.parametrize(
    ("family", "method"),
    [
        ("poisson", "analytic"),
        ("poisson", "one-step"),
        pytest.param("poisson", "refit", marks=pytest.mark.slow),
        ("gaussian", "refit"),
        ("nbinom2", "analytic"),
        pytest.param("nbinom2", "one-step", marks=pytest.mark.slow),
    ],
)
def test_weights_count_rows(family, method):
    """A row of weight two is two rows."""
    table = small()
    weights = np.tile([1.0, 2.0, 1.0], 10)
    copies = table.loc[table.index.repeat(weights.astype(int))].reset_index(drop=True)
    a = mc.caic(mc.glmm("y ~ x + (1 | g)", table, family=family, weights=weights), method=method)
    b = mc.caic(mc.glmm("y ~ x + (1 | g)", copies, family=family), method=method)
    assert a.df == pytest.approx(b.df, abs=1e-5)
    assert a.conditional_llf == pytest.approx(b.conditional_llf, abs=1e-5)


@cache
def small() -> pd.DataFrame:
    """Ten groups of three counts, and two levels that cross them."""
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(10), 3)
    x = rng.normal(size=30)
    mean = np.exp(1.0 + 0.3 * x + rng.normal(size=10)[g])
    return pd.DataFrame({"g": g, "x": x, "y": rng.negative_binomial(1, 1 / (1 + mean)) * 1.0})


def test_row_order_and_offset_do_not_matter():
    """Shuffled rows, and an offset that the intercept undoes, give the same."""
    table = small()
    first = mc.caic(mc.glmm("y ~ x + (1 | g)", table, family="poisson"), method="one-step")
    shuffled = table.sample(frac=1.0, random_state=1)
    offset = np.full(30, 0.7)
    for again in (
        mc.glmm("y ~ x + (1 | g)", shuffled, family="poisson"),
        mc.glmm("y ~ x + (1 | g)", table, family="poisson", offset=offset),
    ):
        other = mc.caic(again, method="one-step")
        assert other.df == pytest.approx(first.df, abs=1e-6)
        assert other.value == pytest.approx(first.value, abs=1e-5)


def test_without_random_effects_it_is_the_aic():
    """The same likelihood and the number of parameters; for a Gaussian response the AICc."""
    fit = mc.glmm("y ~ x", small(), family="poisson")
    assert mc.caic(fit, method="refit").value == pytest.approx(mc.aic(fit))
    fit = mc.glmm("y ~ x", small())
    # Hurvich & Tsai (1989): k = 3 parameters, 30 rows.
    expected = mc.aic(fit) + 2.0 * 3.0 * 4.0 / (30.0 - 3.0 - 1.0)
    assert mc.caic(fit, method="refit").value == pytest.approx(expected)


def test_a_singular_gaussian_model_is_its_limit():
    """With a variance of zero the criterion is that of the model without the term."""
    table = small().assign(flat=np.tile([1.0, 2.0, 3.0], 10))
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("flat ~ x + (1 | g)", table)
    without = mc.caic(mc.glmm("flat ~ x", table))
    assert mc.caic(fit).value == pytest.approx(without.value, abs=1e-5)


@pytest.mark.parametrize("method", ["analytic", "refit"])
def test_precision_does_not_change_the_way(method):
    """All but constant precision weights give what none give, in closed form."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 4), rng.normal(size=40)
    y = x + 0.7 * rng.normal(size=10)[g] + rng.normal(size=40)
    noise = 1.0 + 1e-6 * rng.normal(size=40)
    table = pd.DataFrame({"g": g, "x": x, "y": y, "p": noise, "q": rng.uniform(0.5, 3.0, 40)})
    plain = mc.caic(mc.glmm("y ~ x + (1 | g)", table), method=method)
    weighted = mc.caic(mc.glmm("y ~ x + (1 | g)", table, precision="p"), method=method)
    assert weighted.df == pytest.approx(plain.df, abs=1e-4)
    # The trace of the derivative of the fitted values, by refits, and one.
    fit = mc.glmm("y ~ x + (1 | g)", table, precision="q")
    found = mc.caic(fit, method=method)
    trace = 0.0
    for i in range(40):
        ends = []
        for side in (0.01, -0.01):
            changed = table["y"].to_numpy().copy()
            changed[i] += side
            ends.append(fit.refit(changed).fittedvalues.to_numpy()[i])
        trace += (ends[0] - ends[1]) / 0.02
    assert found.df - found.by_term[FINITE] == pytest.approx(trace + 1.0, abs=2e-4)


def near_the_limit(family: str) -> pd.DataFrame:
    """Counts, or successes in eight trials, without the dispersion that a model may look for."""
    rng = np.random.default_rng(14)
    g = np.repeat(np.arange(30), 8)
    x = rng.standard_normal(240)
    mean = 0.8 + 0.3 * x + rng.normal(0.0, 0.5, 30)[g]
    y = rng.poisson(np.exp(mean))
    if family == "betabinomial":
        y = rng.binomial(8, 1.0 / (1.0 + np.exp(-mean)))
    return pd.DataFrame({"y": y, "x": x, "g": g, "m": 8})


@pytest.mark.parametrize("family", ["nbinom1", "nbinom2", "betabinomial"])
def test_a_dispersion_near_its_limit(family):
    """Steps and derivatives agree, for the dispersion itself moves little.

    nbinom2 of these Poisson data has theta = 116; the mean optimism of such fits is 25.1.
    """
    left = "y / m" if family == "betabinomial" else "y"
    fit = mc.glmm(f"{left} ~ x + (1 | g)", near_the_limit(family), family=family)
    methods = ("analytic", "one-step")
    derivative, onestep = (mc.caic(fit, method=method).df for method in methods)  # type: ignore[arg-type]
    assert 20.0 < derivative < 29.0
    assert onestep == pytest.approx(derivative, abs=1.0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.SeparationWarning")
def test_exact_refits_near_the_limit():
    """Refits in which the dispersion vanishes are as good as any."""
    table = near_the_limit("nbinom2").query("g < 8")
    fit = mc.glmm("y ~ x + (1 | g)", table, family="nbinom2")
    onestep = mc.caic(fit, method="one-step").df
    assert mc.caic(fit, method="refit").df == pytest.approx(onestep, abs=0.5)


def test_variances_of_zero():
    """Nothing is left of the random term, and the method says so."""
    table = small().assign(flat=np.tile([1.0, 2.0, 3.0], 10))
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("flat ~ x + (1 | g)", table, family="poisson")
    found = mc.caic(fit)
    assert found.df == pytest.approx(2.0, abs=1e-6)
    assert "boundary" in found.notes[-1]
    assert mc.caic(fit, method="refit").df == pytest.approx(
        mc.caic(fit, method="one-step").df, abs=0.3
    )


def test_an_estimate_that_one_count_holds():
    """Without its only count a cell has no finite estimate: that refit is not used, and named."""
    table = small().assign(cell=0.0)
    table.loc[[0, 9, 18], "cell"] = 1.0
    table.loc[[0, 9, 18], "y"] = [1.0, 0.0, 0.0]
    fit = mc.glmm("y ~ cell + (1 | g)", table, family="poisson")
    found = mc.caic(fit, method="refit")
    assert "1 of" in found.notes[0]
    assert "did not converge" in found.notes[0]
    assert found.df == pytest.approx(mc.caic(fit, method="one-step").df, abs=0.5)


@pytest.fixture
def as_fitted(monkeypatch):
    """Each response averaged over its fitted distribution, as in the figures of others."""
    fitted = optimism._fitted_distribution
    monkeypatch.setattr(optimism, "_distributions_of_rows", lambda fit: (fitted(fit), None))


def test_a_dispersion_is_counted(as_fitted):
    """NB2 for epil: 43.51, one for the dispersion among it (trace without it: 43.58)."""
    formula = MODELS["epil"][1]
    fit = mc.glmm(formula, data("epil"), family="nbinom2")
    assert fit.llf == pytest.approx(-624.9571193, abs=1e-6)
    found = mc.caic(fit, method="one-step")
    assert found.df == pytest.approx(43.57, abs=0.25)
    assert 1.0 < found.by_term["dispersion"] < 2.0


def test_gamma_as_computed_elsewhere(as_fitted):
    """sleepstudy, gamma with log link: 18.91 by nodes in the probability, 40 of them."""
    sleep = mc.datasets.load("sleepstudy")
    family = mc.families.Gamma(link="log")
    fit = mc.glmm("I(Reaction / 100) ~ Days + (1 | Subject)", sleep, family=family)
    assert mc.caic(fit, method="one-step").df == pytest.approx(18.91, abs=0.1)


@pytest.mark.slow
def test_what_is_not_known_of_a_row_adds_to_it():
    """Averaged over what the other rows predict, both have more degrees of freedom."""
    fit = mc.glmm(MODELS["epil"][1], data("epil"), family="nbinom2")
    assert 44.5 < mc.caic(fit, method="one-step").df < 48.0


@pytest.mark.parametrize("options", [{"method": "agq", "nodes": 7}, {"hessian": "expected"}])
def test_other_likelihoods(options):
    """Quadrature and the expected information change the degrees of freedom a little."""
    cbpp = mc.datasets.load("cbpp")
    family = mc.families.Binomial(link="probit")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family=family)
    other = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family=family, **options)
    a, b = mc.caic(fit, method="one-step").df, mc.caic(other, method="one-step").df
    assert 0.0 < abs(a - b) < 0.1


@pytest.mark.slow
def test_a_dispersion_with_random_effects():
    """Every predictor has its terms in the split."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(14), 8)
    z = rng.normal(size=14)[g] + rng.normal(size=112) * np.exp(0.5 * rng.normal(size=14))[g]
    table = pd.DataFrame({"g": g, "z": z})
    fit = mc.glmm("z ~ 1 + (1 | g)", table, dispersion="~ 1 + (1 | g)")
    found = mc.caic(fit, method="analytic")
    assert set(found.by_term) == {
        "fixed effects",
        "(1 | g)",
        "dispersion: (1 | g)",
        "variance parameters",
        "dispersion",
    }
    # In groups of eight the truth is 35, derivatives give 26 on average and single steps 31.
    onestep = mc.caic(fit)
    assert onestep.method == "one-step"
    assert onestep.by_term["finite change"] > 0.0
    assert sum(onestep.by_term.values()) == pytest.approx(onestep.df)
    assert found.df < onestep.df < 1.5 * found.df


@pytest.mark.slow
def test_the_method_by_default():
    """Steps for successes in groups that differ, and zero parts; derivatives for other counts.

    A zero part beside a dispersion has derivatives, which are right there, and so have successes
    where the variance of the groups is less than a fifth of that of a latent response.
    """
    rng = np.random.default_rng(3)
    table = small().assign(k=lambda t: (t["y"] > 2).astype(float), h=np.tile(np.arange(3), 10))
    groups = table["g"].astype("category").cat.codes
    table["far"] = np.where(rng.random(30) < 0.2, 1 - groups % 2, groups % 2).astype(float)
    for response, family, random, zi, method in (
        ("far", "binomial", "(1 | g)", None, "one-step"),
        ("far", mc.families.Binomial(link="probit"), "(1 | g)", None, "one-step"),
        ("k", "binomial", "(1 | g)", None, "analytic"),
        ("far", "binomial", "(1 | g) + (1 | h)", None, "analytic"),
        ("y", "poisson", "(1 | g)", None, "analytic"),
        ("y", "poisson", "(1 | g)", "~ 1", "one-step"),
        ("y", "poisson", "(1 | g) + (1 | h)", "~ 1", "analytic"),
        ("y", "nbinom2", "(1 | g)", "~ 1", "analytic"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.MixcheckWarning)
            fit = mc.glmm(f"{response} ~ x + {random}", table, family=family, zi=zi)
        found = mc.caic(fit)
        assert found.method == method
        assert found.df == mc.caic(fit, method=method).df
    g = np.repeat(np.arange(4), 2000)
    large = pd.DataFrame({"g": g, "k": (rng.random(g.size) < 0.3 + 0.1 * g).astype(float)})
    assert mc.caic(mc.glmm("k ~ 1 + (1 | g)", large, family="binomial")).method == "analytic"


def test_parallel_refits_and_progress():
    """Two workers give what one gives, and progress reaches the number of refits."""
    seen: list[tuple[int, int]] = []
    fit = mc.glmm("y ~ x + (1 | g)", small(), family="poisson")
    one = mc.caic(fit, method="refit", progress=lambda done, total: seen.append((done, total)))
    two = mc.caic(fit, method="refit", n_jobs=2)
    assert one.df == two.df
    assert seen[-1] == (port_of(fit).perturb("refit").size,) * 2


def test_wrong_calls():
    """What has no conditional likelihood, an unknown method, and a pseudo-likelihood."""
    with pytest.raises(mc.OptionError, match="found DataFrame"):
        mc.caic(small())
    fit = mc.glmm("y ~ x + (1 | g)", small(), family="poisson")
    with pytest.raises(mc.OptionError, match="'analytic', 'one-step' or 'refit'"):
        mc.caic(fit, method="bootstrap")
    pseudo = mc.glmm("y ~ x + (1 | g)", small(), family="poisson", method="pql")
    with pytest.raises(mc.OptionError, match='method="laplace"'):
        mc.caic(pseudo)


def test_result_reads_as_a_page():
    """The text has every part; the repr one line."""
    found = mc.caic(fitted("bacteria"))
    assert "Conditional AIC" in str(found)
    for part in found.by_term:
        assert part in str(found)
    assert "\n" not in repr(found)


def truth(family: mc.families.Family, intercept: float, draws: int) -> np.ndarray:
    """True optimism, and its estimates by derivative and one step, of `draws` data sets.

    Fifteen groups of six whose random effects stay as they are. For a canonical link the
    optimism is ``sum (y - mu) eta_hat``, less the same at the true eta as a control.
    """
    rng = np.random.default_rng(17)
    g = np.repeat(np.arange(15), 6)
    u = rng.normal(size=15)
    eta = intercept + 0.8 * ((u - u.mean()) / u.std())[g]
    out = []
    for _ in range(draws):
        y = family.sample((eta,), None, rng)
        fit = mc.glmm("y ~ 1 + (1 | g)", pd.DataFrame({"g": g, "y": y}), family=family)
        excess = (y - family.mean((eta,))) @ (fit.predict(scale="link").to_numpy() - eta)
        out.append([excess, *(mc.caic(fit, method=m).df for m in ("analytic", "one-step"))])
    return np.array(out)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize(
    ("family", "intercept"),
    [(mc.families.Binomial(), 0.0), (mc.families.Poisson(), 0.7)],
    ids=["bernoulli", "poisson"],
)
def test_the_mean_is_the_true_optimism(family, intercept):
    """Within four Monte Carlo errors (of about 0.5 in 12) plus the 1.0 that derivatives are off.

    The study with 400 replicates is in ``validation/conditional_aic``.
    """
    found = truth(family, intercept, 40)
    for estimate in found[:, 1:].T:
        difference = estimate - found[:, 0]
        error = difference.std(ddof=1) / np.sqrt(len(found))
        assert error < 1.0
        assert abs(difference.mean()) < 4.0 * error + 1.0
    # Counting only the two parameters, as the AIC does, is far below.
    assert found[:, 0].mean() > 6.0


@pytest.mark.parametrize(
    ("former", "method"),
    [("derivative", "analytic"), ("onestep", "one-step"), ("exact", "refit")],
)
def test_former_methods(former, method):
    """A method of the version before is read, with a warning that says what to write."""
    herds = mc.datasets.load("cbpp").iloc[:20]
    fit = mc.glmm("incidence / size ~ 1 + (1 | herd)", herds, family="binomial")
    with pytest.warns(FutureWarning, match=f"write method='{method}'"):
        found = mc.caic(fit, method=former)
    assert (found.method, found.value) == (method, mc.caic(fit, method=method).value)
