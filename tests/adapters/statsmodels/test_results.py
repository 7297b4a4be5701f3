"""Results of statsmodels as models here: each class by the laws of the port and its likelihood."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.othermod.betareg import BetaModel

import mixcheck as mc
from mixcheck.adapters.statsmodels.results import MODELS
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.port import Comparable, Converging, Refittable, Scored, Traceable, port_of
from mixcheck.testing import check_model_port

N, HERD = 150, 6
F, C = sm.families, sm.cov_struct
# Sums of 150 logarithms.
ROUNDING = 1e-9
# statsmodels stops at a gradient of 1e-5 by BFGS.
SAME_OPTIMUM = 1e-6


def _table(seed: int = 1, n: int = N) -> pd.DataFrame:
    """One response for each model, with known parameters."""
    rng = np.random.default_rng(seed)
    x, z, e = rng.normal(size=n), rng.normal(size=n), rng.uniform(1.0, 3.0, n)
    mu, share = np.exp(0.5 + 0.5 * x) * e, 1.0 / (1.0 + np.exp(-x))
    counts, wide = rng.poisson(mu), rng.negative_binomial(2, 2.0 / (2.0 + mu))
    kept = rng.random(n) > 0.3
    category = np.digitize(x + rng.logistic(size=n), [-1.0, 1.0])
    successes = rng.binomial(7, share)
    made = pd.DataFrame(
        {
            "x": x,
            "z": z,
            "e": e,
            "counts": counts,
            "wide": wide,
            "few": counts * kept,
            "wide_few": wide * kept,
            "yes": rng.binomial(1, share),
            "k": successes,
            "m": 7,
            "share": successes / 7.0,
            "size": rng.gamma(3.0, mu / 3.0),
            "rate": rng.gamma(3.0, 1.0 / (3.0 * (2.0 + 0.2 * np.clip(x, -4, 4)))),
            "real": 1.0 + 0.5 * x + rng.normal(size=n) / np.sqrt(e),
            "part": rng.beta(5.0 * share, 5.0 * (1.0 - share)),
            "grade": pd.Categorical.from_codes(category, ["low", "mid", "high"], ordered=True),
        }
    )
    some = stats.poisson.ppf(rng.uniform(np.exp(-mu), 1.0), mu)
    none = stats.nbinom.pmf(0, 2, 2.0 / (2.0 + mu))
    return made.assign(
        some=some,
        wide_some=stats.nbinom.ppf(rng.uniform(none, 1.0), 2, 2.0 / (2.0 + mu)),
        hurdle=some * kept,
        day=np.arange(n) % HERD,
        near=1.0 + 0.5 * x + np.linalg.cholesky(_near(n)) @ rng.normal(size=n),
    )


def _near(n: int) -> np.ndarray:
    """Correlations 0.6^|i - j| within blocks of successive rows."""
    place = np.arange(n)
    gap = np.abs(place[:, None] - place)
    return np.where(place[:, None] // HERD == place // HERD, 0.6**gap, 0.0)


def _gee(d, **options):
    herd = np.arange(len(d)) // HERD
    return smf.gee("near ~ x", herd, d, **options).fit()


def _glm(formula, d, **options):
    return smf.glm(formula, d, **options).fit()


def _x(d):
    return sm.add_constant(d[["x"]])


LONG = {"disp": 0, "maxiter": 300}
MADE = {
    "OLS": lambda d: smf.ols("real ~ x", d).fit(),
    "WLS": lambda d: smf.wls("real ~ x", d, weights=d.e).fit(),
    "GLS": lambda d: smf.gls("near ~ x", d, sigma=_near(len(d))).fit(),
    "GLS variances": lambda d: smf.gls("real ~ x", d, sigma=1.0 / d.e).fit(),
    "GEE exchangeable": lambda d: _gee(d, cov_struct=C.Exchangeable()),
    "GEE autoregressive": lambda d: _gee(d, time=d.day, cov_struct=C.Autoregressive(grid=True)),
    "GEE offset": lambda d: _gee(d, offset=d.z, cov_struct=C.Exchangeable()),
    "Truncated Poisson": lambda d: sm.TruncatedLFPoisson.from_formula(
        "some ~ x", d, offset=np.log(d.e)
    ).fit(**LONG),
    "Truncated NB": lambda d: sm.TruncatedLFNegativeBinomialP(d.wide_some, _x(d), p=2).fit(**LONG),
    "Hurdle": lambda d: sm.HurdleCountModel.from_formula("hurdle ~ x", d).fit(**LONG),
    "Hurdle NB": lambda d: sm.HurdleCountModel(
        d.wide_few, _x(d), dist="negbin", zerodist="poisson"
    ).fit(**LONG),
    "GLM gaussian": lambda d: _glm("real ~ x", d, var_weights=d.e),
    "GLM gaussian log": lambda d: _glm("size ~ x", d, family=F.Gaussian(F.links.Log())),
    "GLM poisson": lambda d: _glm("counts ~ x", d, family=F.Poisson(), exposure=d.e),
    "GLM poisson repeated": lambda d: _glm(
        "counts ~ x", d, family=F.Poisson(), freq_weights=1 + d.k % 3, offset=np.log(d.e)
    ),
    "GLM nbinom": lambda d: _glm(
        "wide ~ x", d, family=F.NegativeBinomial(alpha=0.5), offset=np.log(d.e)
    ),
    "GLM 0 and 1": lambda d: _glm("yes ~ x", d, family=F.Binomial()),
    "GLM successes": lambda d: _glm("k + I(m - k) ~ x", d, family=F.Binomial(F.links.CLogLog())),
    "GLM loglog": lambda d: _glm("k + I(m - k) ~ x", d, family=F.Binomial(F.links.LogLog())),
    "GLM shares": lambda d: _glm("share ~ x", d, family=F.Binomial(), var_weights=d.m),
    "GLM shares repeated": lambda d: _glm("share ~ x", d, family=F.Binomial(), freq_weights=d.m),
    "GLM gamma": lambda d: _glm("size ~ x", d, family=F.Gamma(F.links.Log()), offset=np.log(d.e)),
    "GLM gamma inverse": lambda d: _glm("rate ~ x", d, family=F.Gamma()),
    "Poisson": lambda d: smf.poisson("counts ~ x", d, exposure=d.e).fit(disp=0),
    "NB2": lambda d: smf.negativebinomial("wide ~ x", d, offset=np.log(d.e)).fit(disp=0),
    "NB1": lambda d: smf.negativebinomial("wide ~ x", d, loglike_method="nb1").fit(**LONG),
    "geometric": lambda d: smf.negativebinomial("wide ~ x", d, loglike_method="geometric").fit(
        disp=0
    ),
    "NBP": lambda d: sm.NegativeBinomialP.from_formula("wide ~ x", d, p=1.5).fit(**LONG),
    "ZIP": lambda d: sm.ZeroInflatedPoisson.from_formula("few ~ x", d, offset=np.log(d.e)).fit(
        **LONG
    ),
    "ZIP probit": lambda d: sm.ZeroInflatedPoisson(
        d.few, _x(d), exog_infl=_x(d), inflation="probit"
    ).fit(**LONG),
    "ZINB": lambda d: sm.ZeroInflatedNegativeBinomialP(d.wide_few, _x(d), p=2).fit(**LONG),
    "ZINB1": lambda d: sm.ZeroInflatedNegativeBinomialP(d.wide_few, _x(d), p=1).fit(**LONG),
    "Logit": lambda d: smf.logit("yes ~ x", d).fit(disp=0),
    "Probit": lambda d: smf.probit("yes ~ x", d).fit(disp=0),
    "Beta": lambda d: BetaModel.from_formula("part ~ x", d, exog_precision_formula="~ z").fit(
        disp=0
    ),
    "Beta loglog": lambda d: BetaModel(d.part, _x(d), link=F.links.LogLog()).fit(disp=0),
    "Ordered logit": lambda d: OrderedModel(d.grade, d[["x"]], distr="logit").fit(
        method="bfgs", disp=0
    ),
    "Ordered probit": lambda d: OrderedModel.from_formula("grade ~ x - 1", d, distr="probit").fit(
        method="bfgs", disp=0
    ),
}
# statsmodels evaluates these likelihoods at the scale that maximises them, and reports another.
GAUSSIAN = ("OLS", "WLS", "GLM gaussian", "GLS", "GLS variances")
# Likelihoods of proportions with weights lack binomial coefficients in statsmodels.
SHARES = ("GLM shares", "GLM shares repeated")


def _made(name: str, d: pd.DataFrame | None = None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MADE[name](_table() if d is None else d)


@pytest.mark.parametrize("name", MADE)
def test_the_laws_of_the_port_hold(name):
    """What third parties are asked holds for every class, family and kind of weights."""
    check_model_port(lambda: _made(name))


@pytest.mark.parametrize("name", [name for name in MADE if not name.startswith("GEE")])
def test_the_likelihood_is_that_of_statsmodels(name):
    """The sum of our log densities at the predictors read, which fixes every parameter."""
    result = _made(name)
    port = port_of(result).by_single_rows()[0]
    reading = port.reading
    own = float(reading.family.log_density(reading.data, reading.eta).sum())
    if name in GAUSSIAN:
        # -n/2 log s - R / (2 s), at R / (n - p) and at R / n.
        n, df = port.nobs, result.df_resid
        own += 0.5 * n * np.log(n / df) + 0.5 * df - 0.5 * n
    if name in SHARES:
        d = _table()
        whole = port_of(_glm("k + I(m - k) ~ x", d, family=F.Binomial()))
        assert port.llf == pytest.approx(whole.llf, abs=ROUNDING)
        np.testing.assert_allclose(port.reading.data.y, d.k)
    else:
        assert own == pytest.approx(float(result.llf), abs=ROUNDING)


@pytest.mark.parametrize("name", MADE)
def test_refits_reach_the_optimum(name):
    """A refit by statsmodels maximises the likelihood of the new response: no gradient is left."""
    port = port_of(_made(name)).by_single_rows()[0]
    refit = port.refit(port.respond(np.random.default_rng(2)))
    assert refit.convergence.converged
    assert refit.convergence.gradient < 0.02
    assert refit.convergence.smallest_eigenvalue > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_everything_can_be_asked(name):
    """All checks that a class has an answer to, those by default first, with refits."""
    result = _made(name)
    full = mc.Suite.full(result)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reports = [mc.check(result, suite, seed=1, draws=9) for suite in (None, full)]
    for report in reports:
        decided = [one for one in report.findings if isinstance(one, mc.Finding)]
        assert len(decided) > 1
        assert all(one.pvalue is None or 0.0 < one.pvalue <= 1.0 for one in decided)


def test_it_has_the_protocols():
    """It can be refitted, compared and asked for scores."""
    port = port_of(_made("NB2"))
    for protocol in (Refittable, Comparable, Converging, Scored, Traceable):
        assert isinstance(port, protocol)


@pytest.mark.slow
def test_check_takes_a_result_as_it_is():
    """One call from the result to a report: the caller's index, columns and formula."""
    d = _table().set_axis([f"r{i}" for i in range(N)])
    d.loc["r3", "x"] = np.nan
    result = smf.poisson("counts ~ x", d, missing="drop").fit(disp=0)
    report = mc.check(result, seed=1, draws=60)
    assert report.verdicts["missing predictor"] is mc.Verdict.FAIL
    port = port_of(result)
    assert port.nobs == N - 1
    assert "r3" not in port.frame.index
    assert port.data_rows.used == ("x", "counts")
    assert "counts ~ x" in report.to_html()


@pytest.mark.slow
def test_overdispersion_is_found():
    """A Poisson fit of counts with three times the variance fails, a negative binomial passes."""
    d = _table(2, 300)
    poisson = smf.poisson("wide ~ x", d, exposure=d.e).fit(disp=0)
    nbinom = smf.negativebinomial("wide ~ x", d, exposure=d.e).fit(disp=0)
    suite = mc.checks.Dispersion() & mc.checks.Uniformity()
    wrong, right = (mc.check(one, suite, seed=1, draws=49) for one in (poisson, nbinom))
    assert wrong.verdicts["dispersion"] is mc.Verdict.FAIL
    assert wrong["dispersion"].effect.value > 1.5
    assert right.ok


def test_results_are_compared():
    """Tables of statsmodels results, and beside fits of mixcheck of the same rows."""
    d = _table()
    results = {
        "poisson": smf.poisson("wide ~ x", d).fit(disp=0),
        "nbinom": smf.negativebinomial("wide ~ x", d).fit(disp=0),
    }
    assert mc.compare(results).best.model == "nbinom"
    for name, result in results.items():
        assert mc.aic(result) == pytest.approx(result.aic, abs=ROUNDING), name
    own = mc.glmm("wide ~ x", d, family="nbinom2")
    both = mc.compare({"statsmodels": results["nbinom"], "mixcheck": own})
    assert {"statsmodels", "mixcheck"} == {row.model for row in both.models}
    llf = [model.llf for model in (port_of(results["nbinom"]), own)]
    assert llf[0] == pytest.approx(llf[1], abs=SAME_OPTIMUM)


def test_rows_that_count_several_times_are_single_rows():
    """With frequency weights a report is that of the rows written out."""
    d = _table()
    w = 1 + d.k % 3
    weighted = _glm("counts ~ x", d, family=F.Poisson(), freq_weights=w)
    written = d.loc[d.index.repeat(w)].reset_index(drop=True)
    plain = _glm("counts ~ x", written, family=F.Poisson())
    one, two = (mc.check(r, mc.checks.Dispersion(), seed=1, draws=50) for r in (weighted, plain))
    assert one["dispersion"].n == int(w.sum())
    assert one["dispersion"].pvalue == two["dispersion"].pvalue
    assert one["dispersion"].statistic == pytest.approx(two["dispersion"].statistic, rel=1e-9)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda d: smf.glm("counts ~ x", d, family=F.Poisson()), "fit it first"),
        (
            lambda d: smf.glm("counts ~ x", d, family=F.Poisson()).fit(scale="X2"),
            "quasi-likelihood",
        ),
        (
            lambda d: smf.glm("counts ~ x", d, family=F.Poisson(), var_weights=d.e).fit(),
            "var_weights of a Poisson",
        ),
        (
            lambda d: smf.glm("counts ~ x", d, family=F.Poisson(), freq_weights=d.e).fit(),
            "no whole numbers",
        ),
        (lambda d: smf.glm("part ~ x", d, family=F.Binomial()).fit(), "numbers of trials"),
        (
            lambda d: smf.glm("size ~ x", d, family=F.InverseGaussian(F.links.Log())).fit(),
            r"InverseGaussian.*from_draws\(",
        ),
        (lambda d: smf.quantreg("real ~ x", d).fit(), r"QuantReg.*from_draws\("),
        (lambda d: smf.rlm("real ~ x", d).fit(), "RLM"),
        (lambda d: smf.mnlogit("k ~ x", d).fit(disp=0), "MNLogit"),
        (lambda d: smf.poisson("counts ~ x", d).fit_regularized(disp=0), "penalty"),
        (
            lambda d: smf.gee("counts ~ x", d.index // HERD, d, family=F.Poisson()).fit(),
            "a GEE with the family Poisson has means and a working correlation",
        ),
        (
            lambda d: smf.gee(
                "size ~ x", d.index // HERD, d, family=F.Gaussian(F.links.Log())
            ).fit(),
            "a GEE with the link Log",
        ),
        (
            lambda d: sm.TruncatedLFPoisson(d.some + 1, _x(d), truncation=1).fit(disp=0),
            "with truncation=1 has no family here",
        ),
        (
            lambda d: sm.HurdleCountModel(d.wide_few, _x(d), zerodist="negbin").fit(disp=0),
            "zerodist='negbin' has a dispersion",
        ),
        (
            lambda d: smf.glm("counts ~ x", d, family=F.Poisson()).fit_constrained("x = 0"),
            "penalty or constraints",
        ),
    ],
)
def test_what_cannot_be_checked_is_told_the_way(result, message):
    """One sentence on what is wrong and what to write."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = result(_table())
    with pytest.raises(OptionError, match=message):
        mc.check(model, seed=1)


def test_a_result_without_its_data_is_refused():
    """After remove_data nothing can be seen."""
    result = smf.poisson("counts ~ x", _table()).fit(disp=0)
    result.remove_data()
    with pytest.raises(OptionError, match=r"has not kept its data.*from_draws\("):
        mc.check(result, seed=1)


def test_a_fit_that_fails_says_so():
    """What statsmodels raises in a refit is one error that a run counts as a failed refit."""
    port = port_of(smf.logit("yes ~ x", _table()).fit(disp=0))
    with pytest.raises(ConvergenceError, match="statsmodels could not fit Logit"):
        port.refit(np.full(N, np.nan))


def test_every_class_is_tried():
    """No class of the table is without a model here."""
    tried = {type(_made(name).model).__name__ for name in MADE}
    assert tried == set(MODELS)


def test_correlated_rows_are_seen_one_after_another():
    """Residuals are the independent normal scores of Rosenblatt, by the inverse of the matrix."""
    d = _table()
    port = port_of(_made("GLS"))
    result = _made("GLS")
    view = port.observe("posterior", np.random.default_rng(1))
    for i in (0, 1, 5, 6, 77):
        before = np.arange(i)
        R = _near(N)
        weights = np.linalg.solve(R[:i, :i], R[:i, i]) if i else np.zeros(0)
        residuals = d.near.to_numpy() - result.fittedvalues.to_numpy()
        mean = result.fittedvalues.to_numpy()[i] + weights @ residuals[before]
        variance = result.scale * (R[i, i] - weights @ R[:i, i])
        assert view.mean[i] == pytest.approx(mean)
        assert view.variance[i] == pytest.approx(variance)
    np.testing.assert_allclose(view.fitted, result.fittedvalues)


def test_simulated_rows_have_the_working_covariance():
    """Of a GEE too: 4000 responses, whose covariances have errors of two percent of a variance."""
    port = port_of(_made("GEE exchangeable"))
    result = _made("GEE exchangeable")
    rng = np.random.default_rng(3)
    made = np.array([port.respond(rng) for _ in range(4000)]) - result.fittedvalues.to_numpy()
    found = made.T @ made / 4000
    share = result.cov_struct.dep_params
    within = result.scale * (share + (1.0 - share) * np.eye(HERD))
    for first in (0, HERD, N - HERD):
        block = slice(first, first + HERD)
        np.testing.assert_allclose(found[block, block], within, atol=0.12 * result.scale)
    assert np.abs(found[:HERD, HERD:]).max() < 0.12 * result.scale


@pytest.mark.slow
def test_correlation_that_a_model_lacks_is_found():
    """Rows of a herd in a line: least squares fails their independence, the right matrix passes."""
    d = _table(4, 240)
    where = mc.checks.Autocorrelation(time="day", group="herd")
    d["herd"] = np.arange(240) // HERD
    plain, right = smf.ols("near ~ x", d).fit(), smf.gls("near ~ x", d, sigma=_near(240)).fit()
    verdicts = [mc.check(one, where, seed=1, draws=99).verdicts for one in (plain, right)]
    assert [next(iter(one.values())) for one in verdicts] == [mc.Verdict.FAIL, mc.Verdict.PASS]
    gee = _gee(d, time=d.day, cov_struct=C.Autoregressive(grid=True))
    assert mc.check(gee, where, seed=1, draws=99).ok
    with pytest.raises(mc.ComparisonError, match="estimating equations, which have no likelihood"):
        mc.aic(gee)
    assert mc.compare({"ols": plain, "gls": right}).best.model == "gls"


# Right models of many classes, each seen in many data sets.
LEVEL = (
    "OLS",
    "GLM poisson",
    "GLM gamma",
    "NB2",
    "ZIP",
    "Probit",
    "Beta",
    "Ordered logit",
    "GLS",
    "GEE exchangeable",
    "Hurdle",
    "Truncated NB",
)
SETS, NOMINAL = 40, 0.05


@pytest.mark.slow
def test_false_positives_are_as_few_as_said():
    """Of 480 right models p-values are below 0.05 in 5 %, by each check; 99 refits each.

    The bounds are 0.05 and four binomial standard errors of 480 tests (0.010 each). One of the
    fits runs off in statsmodels, and is refused.
    """
    suite = mc.checks.Uniformity() & mc.checks.Dispersion() & mc.checks.Trend()
    below: dict[str, list[bool]] = {}
    for name in LEVEL:
        for k in range(SETS):
            made = _made(name, _table(100 + k, 80))
            if name == "Beta" and k == 16:
                with pytest.raises(ConvergenceError, match="its optimiser ran off"):
                    mc.check(made, suite, seed=k, draws=99)
                continue
            report = mc.check(made, suite, seed=k, draws=99)
            for finding in report.findings:
                if isinstance(finding, mc.Finding) and finding.pvalue is not None:
                    below.setdefault(finding.check, []).append(finding.pvalue <= NOMINAL)
    assert len(below) == 3
    for check, rejected in below.items():
        error = np.sqrt(NOMINAL * (1.0 - NOMINAL) / len(rejected))
        assert abs(np.mean(rejected) - NOMINAL) < 4.0 * error, check


def test_suggestions_are_of_fits_of_this_library():
    """What to write is said."""
    report = mc.check(_made("OLS"), mc.checks.Uniformity(), seed=1, draws=19)
    with pytest.raises(mc.OptionError, match=r"mixcheck\.check\(mixcheck\.glmm\(formula, data"):
        mc.suggest(report)
