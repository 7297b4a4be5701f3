"""The table of models."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import mixcheck as mc
from mixcheck.comparison.ranking import akaike_weights
from mixcheck.port import ConvergenceFacts

from .conftest import Known, Unconverged, X

COLUMNS = [
    "model",
    "formula",
    "family",
    "df",
    "llf",
    "aic",
    "bic",
    "caic",
    "delta",
    "weight",
    "lrt_against",
    "lrt_statistic",
    "lrt_df",
    "lrt_pvalue",
    "converged",
    "lrt_boundary",
    "effective_df",
    "criterion",
    "delta_se",
]
SCORES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8)


def test_frame(days):
    """One row a model with the promised columns, sorted by the criterion."""
    frame = mc.compare(days).to_frame()
    assert list(frame.columns) == COLUMNS
    assert frame["model"].tolist() == ["uncorrelated", "slope", "constant", "intercept"]
    assert frame["aic"].is_monotonic_increasing
    assert frame["delta"].iloc[0] == 0.0
    assert frame["weight"].sum() == pytest.approx(1.0, abs=1e-12)
    assert frame["converged"].all()


def test_each_is_tested_against_the_next_simpler(days):
    """The largest nested model is the one tested against, and the test is that of lrt."""
    rows = mc.compare(days).to_frame().set_index("model")
    assert rows.loc["slope", "lrt_against"] == "uncorrelated"
    assert rows.loc["uncorrelated", "lrt_against"] == "intercept"
    assert pd.isna(rows.loc["intercept", "lrt_against"])
    assert pd.isna(rows.loc["intercept", "lrt_df"])
    test = mc.lrt(days["uncorrelated"], days["slope"])
    assert rows.loc["slope", "lrt_pvalue"] == test.pvalue


def test_bic_may_order_otherwise(ticks):
    """With criterion="bic" differences and weights are those of the BIC."""
    table = mc.compare(ticks, criterion="bic")
    bic = np.array([model.bic for model in table.models])
    np.testing.assert_allclose([m.delta for m in table.models], bic - bic.min(), atol=1e-10)
    assert table.best.model == "altitude"


def test_weights_as_in_mumin(growth):
    """AICc turned into weights gives those of MuMIn's dredge on the Orthodont data."""
    k = np.array([model.n_parameters for model in growth.values()])
    aicc = np.array([mc.aic(model) for model in growth.values()]) + 2.0 * k * (k + 1) / (107 - k)
    _, weights = akaike_weights(aicc)
    np.testing.assert_allclose(weights[:3], [0.8749777, 0.1199661, 0.0050562], atol=5e-8)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SCORES, st.floats(-1e5, 1e5))
def test_weights_are_shares(scores, shift):
    """Weights are a distribution, the best has the largest, and a constant changes nothing."""
    values = np.array(scores)
    deltas, weights = akaike_weights(values)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert weights[deltas.argmin()] == weights.max()
    assert deltas.min() == 0.0
    # Scores up to 1e6 lose 1e-10 of each other when shifted.
    np.testing.assert_allclose(akaike_weights(values + shift)[1], weights, atol=1e-8)


def test_order_of_the_models_does_not_matter(days):
    """The table of a permuted mapping is the same table."""
    turned = dict(reversed(days.items()))
    assert mc.compare(turned).models == mc.compare(days).models


def test_sequences_are_numbered(ticks):
    """Models without names are called model 1, model 2 and so on."""
    table = mc.compare([ticks["year"], ticks["altitude"]])
    assert [model.model for model in table.models] == ["model 2", "model 1"]


def test_families_may_differ():
    """Models of other families of one response are ranked, and not tested."""
    description = {"formula": "y ~ x + (1 | g)", "family": "nbinom2", "link": "log"}
    other = Known(llf=-5.0, n_parameters=4, description=description)
    table = mc.compare({"poisson": Known(), "nbinom2": other})
    assert table.best.model == "nbinom2"
    assert table.best.lrt_against is None


def test_verdict_names_the_close_ones():
    """Models within two units of the best are named; one just beyond is not."""
    near, far = Known(llf=-10.9), Known(llf=-11.1)
    sentence = mc.compare({"a": Known(), "b": near, "c": far}).verdict
    assert sentence == (
        "a has the lowest AIC, but b is within 2 units: the data hardly tell them apart."
    )
    both = mc.compare({"a": Known(), "b": near, "c": near}).verdict
    assert "b and c are within 2 units" in both


def test_verdict_with_a_clear_winner():
    """Otherwise the next best is named with its distance."""
    sentence = mc.compare({"a": Known(), "b": Known(llf=-20.0)}).verdict
    assert sentence == "a has the lowest AIC; the next is b, 20 units above."


def test_unconverged_models_are_remarked():
    """A model that did not converge stays in the table with a remark."""
    table = mc.compare({"a": Known(), "b": Unconverged()})
    assert table.remarks == ("b did not converge, so its criterion may be too large.",)
    assert table.to_frame().set_index("model").loc["b", "converged"] == False  # noqa: E712


def test_test_that_is_impossible_is_remarked():
    """A larger model below its special case is ranked, without a test, and the reason is given."""
    wider = {"mean": np.column_stack([X, X[:, 1] ** 2])}
    stuck = Known(llf=-12.0, n_parameters=4, fixed_matrices=wider)
    table = mc.compare({"small": Known(), "large": stuck})
    assert table.models[1].lrt_statistic is None
    assert "did not reach its optimum" in table.remarks[0]


def test_approximations_are_remarked():
    """Likelihoods by different approximations are ranked with a remark."""
    methods = [Known(description={"method": method}) for method in ("laplace", "agq")]
    assert any("agq; laplace" in remark for remark in mc.compare(methods).remarks)


def test_an_approximation_that_is_not_told_is_remarked():
    """A model that does not say how its likelihood was computed is named."""
    told = Known(description={"method": "laplace"})
    (remark,) = mc.compare({"ours": told, "theirs": Known()}).remarks
    assert "(laplace; that of theirs is not told)" in remark


@pytest.mark.parametrize("few", [[], {"a": Known()}])
def test_fewer_than_two(few):
    """Nothing and a single model cannot be compared."""
    with pytest.raises(mc.ComparisonError, match="at least two models, found"):
        mc.compare(few)


@pytest.mark.parametrize("wrong", [Known(), "ab", 3])
def test_no_models(wrong):
    """One model, or a text, is no list of models."""
    with pytest.raises(mc.OptionError, match="compare needs several models"):
        mc.compare(wrong)


def test_unknown_criterion():
    """Another criterion raises and the known ones are named."""
    with pytest.raises(mc.OptionError, match="write one of 'aic', 'aicc', 'bic', 'caic'"):
        mc.compare([Known(), Known()], criterion="dic")


def test_json_holds_the_frame(days):
    """The JSON holds every number of the frame exactly, and null where there is none."""
    table = mc.compare(days)
    content = json.loads(table.to_json())
    assert content["verdict"] == table.verdict
    again = pd.DataFrame(content["models"])
    again = again.where(again.notna()).astype(table.to_frame().dtypes.to_dict())
    pd.testing.assert_frame_equal(again, table.to_frame(), rtol=0.0, atol=0.0)


def test_pages(days, tmp_path):
    """Text and HTML show the verdict and every model; the file is the page."""
    table = mc.compare(days)
    page = table.to_html(tmp_path / "table.html")
    assert (tmp_path / "table.html").read_text(encoding="utf-8") == page
    for shown in (str(table), page, table._repr_html_()):
        assert "uncorrelated has the lowest AIC" in shown
        assert all(name in shown for name in days)
    assert repr(table).startswith("<Comparison of 4 models by aic: ")


def test_by_the_conditional_aic():
    """The criterion is that of `mixcheck.caic`, and so are its degrees of freedom."""
    cbpp = mc.datasets.load("cbpp")
    models = {
        "constant": mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial"),
        "seasonal": mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial"),
    }
    table = mc.compare(models, criterion="caic")
    for row in table.models:
        result = mc.caic(models[row.model])
        assert (row.caic, row.effective_df) == (result.value, result.df)
        assert f"{result.df:.2f}" in table.to_text()
    assert table.best.model == "seasonal"
    assert "lowest cAIC" in table.verdict
    assert "cAIC" in table.to_text()


def test_differences_of_the_conditional_aic_have_standard_errors():
    """They are those of Vuong: root n times the deviation of minus twice the log densities."""
    cbpp = mc.datasets.load("cbpp").sample(frac=1.0, random_state=1)
    models = {
        "constant": mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial"),
        "seasonal": mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial"),
    }
    best, other = mc.compare(models, criterion="caic").models
    y, size = cbpp.incidence.to_numpy(), cbpp["size"].to_numpy()
    logs = {
        name: binom.logpmf(y, size, fit.fittedvalues.to_numpy()) for name, fit in models.items()
    }
    difference = -2.0 * (logs[other.model] - logs[best.model])
    assert best.delta_se == 0.0
    assert other.delta_se == pytest.approx(np.sqrt(56) * np.std(difference, ddof=1), rel=1e-10)
    for name, fit in models.items():
        result = mc.caic(fit)
        assert result.contributions.sum() == pytest.approx(result.value, rel=1e-12)
        assert result.contributions.index.equals(cbpp.index)
        parts = -2.0 * logs[name] + 2.0 * result.df / 56
        np.testing.assert_allclose(result.contributions, parts, rtol=1e-9)
    # Rows that stand for several count with their weights.
    counted = cbpp.assign(copies=2.0)
    heavy = mc.glmm(
        "incidence / size ~ 1 + (1 | herd)", counted, family="binomial", weights="copies"
    )
    result = mc.caic(heavy)
    assert result.contributions.sum() == pytest.approx(result.value, rel=1e-12)


@pytest.mark.slow
def test_standard_errors_of_the_conditional_aic_are_what_differences_vary():
    """Over 300 data sets, their mean is the deviation of the differences.

    The deviation has a Monte Carlo error of 4 %, and the limit is three of these.
    """
    rng = np.random.default_rng(17)
    g, found = np.repeat(np.arange(20), 8), []
    for _ in range(300):
        x1, x2 = rng.standard_normal((2, 160))
        eta = 0.5 + 0.3 * x1 + 0.25 * x2 + 0.6 * rng.standard_normal(20)[g]
        table = pd.DataFrame({"g": g, "x1": x1, "x2": x2, "y": rng.poisson(np.exp(eta))})
        fits = {x: mc.glmm(f"y ~ {x} + (1 | g)", table, family="poisson") for x in ("x1", "x2")}
        rows = {row.model: row for row in mc.compare(fits, criterion="caic").models}
        difference = rows["x1"].criterion - rows["x2"].criterion
        found.append((difference, max(row.delta_se for row in rows.values())))
    differences, errors = np.array(found).T
    ratio = np.sqrt(np.mean(errors**2)) / differences.std(ddof=1)
    assert ratio == pytest.approx(1.0, abs=3.0 / np.sqrt(2 * 300))


def test_other_predictors_are_in_the_formula():
    """Models that differ in a zero part do not look alike."""
    owls = mc.datasets.load("Owls")
    formula = "SiblingNegotiation ~ SexParent + (1 | Nest)"
    plain = mc.glmm(formula, owls, family="poisson")
    inflated = mc.glmm(formula, owls, family="poisson", zi="~ SexParent")
    text = mc.compare({"plain": plain, "inflated": inflated}).to_text(width=200)
    assert "(1 | Nest); zi ~ 1 + SexParent" in text


@pytest.mark.parametrize("name", ["loo", pytest.param("logo", marks=pytest.mark.slow)])
def test_scores_have_errors_of_their_differences(days, name):
    """Differences and their standard errors are twice those of the scores in pairs."""
    table = mc.compare(days, criterion=name)
    best, *others = table.models
    score = getattr(mc, name)
    first = score(days[best.model])
    assert best.criterion == -2.0 * first.total
    assert (best.delta, best.delta_se) == (0.0, 0.0)
    for row in others:
        pair = first.minus(score(days[row.model]))
        assert row.delta == pytest.approx(2.0 * pair.difference, abs=1e-9)
        assert row.delta_se == pytest.approx(2.0 * pair.se)
    assert first.total == max(score(model).total for model in days.values())
    assert f"-2 {name.upper()} score" in table.verdict
    assert "s.e." in table.to_text()
    assert table.to_frame()["delta_se"].tolist() == [row.delta_se for row in table.models]


def test_rows_in_another_order_are_the_same_pairs():
    """A model of shuffled rows is compared with one of the rows as they were, row by row."""
    cbpp = mc.datasets.load("cbpp")
    seasonal, constant = (
        mc.glmm(f"incidence / size ~ {x} + (1 | herd)", data, family="binomial")
        for x, data in (("period", cbpp), ("1", cbpp.sample(frac=1.0, random_state=1)))
    )
    again = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    shuffled, straight = (
        mc.compare([seasonal, other], criterion="loo").models[1] for other in (constant, again)
    )
    assert shuffled.delta_se == pytest.approx(straight.delta_se, rel=1e-6)


def test_within_one_standard_error(days):
    """A difference below its standard error hardly tells models apart, and is said not to."""
    table = mc.compare({name: days[name] for name in ("slope", "uncorrelated")}, criterion="logo")
    best, other = table.models
    assert "units above" in table.verdict
    close = replace(table, models=(best, replace(other, delta_se=other.delta + 0.1)))
    assert "slope is within 2 units or one standard error" in close.verdict


def test_a_function_as_criterion():
    """Any function of a model ranks, and what it raises is an error that names the model."""

    def hannan_quinn(model: Known) -> float:
        return -2.0 * model.llf + 2.0 * model.n_parameters * np.log(np.log(model.nobs))

    models = {"a": Known(llf=-11.0), "b": Known(llf=-10.0)}
    table = mc.compare(models, criterion=hannan_quinn)
    assert (table.criterion, table.best.model) == ("hannan_quinn", "b")
    assert table.best.criterion == pytest.approx(hannan_quinn(models["b"]))
    assert table.best.delta_se is None
    assert "lowest hannan_quinn" in table.verdict
    with pytest.raises(mc.OptionError, match=r"raised ZeroDivisionError.*on the model 'a'"):
        mc.compare(models, criterion=lambda model: 1 / 0)


def poisson_counts(seed: int) -> pd.DataFrame:
    """Poisson counts of 30 groups of 8, no more and no less dispersed."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(30), 8), rng.standard_normal(240)
    mean = np.exp(0.8 + 0.3 * x + rng.normal(0.0, 0.5, 30)[g])
    return pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g})


@pytest.mark.filterwarnings("ignore::mixcheck.SeparationWarning")
def test_a_model_at_its_limit_does_not_win():
    """A negative binomial without overdispersion is the Poisson, with a parameter to no use."""
    data = poisson_counts(1)
    models = {
        family: mc.glmm("y ~ x + (1 | g)", data, family=family) for family in ("nbinom2", "poisson")
    }
    table = mc.compare(models, criterion="caic")
    assert table.best.model == "poisson"
    assert table.models[1].limited == ("dispersion: Intercept",)
    assert "finite" not in table.verdict


def test_a_best_model_without_estimates_is_named():
    """The verdict says which parameter of the best model has no finite estimate."""
    facts = ConvergenceFacts(True, 0.0, 1.0, 9, (), (), runaway=("cell",))

    @dataclass(frozen=True, eq=False)
    class Lost(Known):
        @property
        def convergence(self):
            return facts

    table = mc.compare({"a": Lost(llf=-5.0), "b": Known()})
    assert table.best.limited == ("cell",)
    assert table.verdict.endswith("a has no finite estimate of cell.")


def test_the_law_of_a_test_is_named(days):
    """A p-value of a mixture is not called that of a chi-square."""
    table = mc.compare(days)
    rows = table.to_frame().set_index("model")
    assert rows.loc["uncorrelated", "lrt_boundary"]
    assert not rows.loc["slope", "lrt_boundary"]
    text = " ".join(table.to_text(width=300).split())
    assert "intercept: mixture of chi-squares, " in text
    assert "uncorrelated: chi-square(1), " in text
