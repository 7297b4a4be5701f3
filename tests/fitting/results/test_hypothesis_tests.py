"""Tests of terms and of linear hypotheses against car, lmerTest, multcomp and lme4."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.port import port_of

STORED = json.loads((Path(__file__).parents[2] / "data" / "terms.json").read_text(encoding="utf-8"))
TERMS = ["f", "h", "x", "f:h", "f:x"]
# What glmer's numerical Hessian and its tolerance leave.
SAME = 2e-4


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Unbalanced, with a factor of groups, one within them, and interactions."""
    return pd.DataFrame(STORED["data"])


@pytest.fixture(scope="module")
def linear(data: pd.DataFrame) -> mc.GLMM:
    """By REML."""
    return mc.glmm("y ~ f * h + f * x + (1 | g)", data, reml=True)


@pytest.fixture(scope="module")
def counts(data: pd.DataFrame) -> mc.GLMM:
    """With interactions."""
    return mc.glmm("n ~ f * h + f * x + (1 | g)", data, family="poisson")


@pytest.fixture(scope="module")
def simple(data: pd.DataFrame) -> mc.GLMM:
    """Without them."""
    return mc.glmm("n ~ f + h + x + (1 | g)", data, family="poisson")


def stored(name: str) -> pd.DataFrame:
    """A table of R."""
    return pd.DataFrame.from_dict(STORED[name], orient="index").loc[TERMS]


@pytest.mark.parametrize(
    ("name", "ddf"), [("linear_3", "satterthwaite"), ("linear_3_kr", "kenward-roger")]
)
def test_type_3_is_that_of_lmertest(linear: mc.GLMM, name: str, ddf: str) -> None:
    """F and both degrees of freedom, whatever the coding of the factors."""
    found, known = linear.anova(type="III", ddf=ddf), stored(name)
    assert found.attrs == {"ddf": ddf, "test": "wald"}
    np.testing.assert_allclose(found["statistic"], known[0], rtol=SAME)
    np.testing.assert_array_equal(found["df"], known[1])
    # Satterthwaite's joint df depends on the rows that span a hypothesis (see its docstring).
    rtol = SAME if ddf == "kenward-roger" else 1e-3
    np.testing.assert_allclose(found["df_denominator"], known[2], rtol=rtol)


@pytest.mark.parametrize(("name", "type_"), [("2", "II"), ("3", "III")])
def test_types_are_those_of_car(linear: mc.GLMM, counts: mc.GLMM, name: str, type_: str) -> None:
    """Chi-squares; of type III car's are those of contrasts that sum to zero."""
    suffix = "_sum" if name == "3" else ""
    tables = {
        f"linear_{name}{suffix}": linear.anova(type=type_, ddf="satterthwaite"),
        f"counts_{name}": counts.anova(type=type_, ddf="normal"),
    }
    for key, found in tables.items():
        known = stored(key)
        np.testing.assert_allclose(found["statistic"] * found["df"], known[0], rtol=SAME)
        np.testing.assert_array_equal(found["df"], known[1])


def test_the_coding_of_factors_changes_nothing(data: pd.DataFrame, counts: mc.GLMM) -> None:
    """Types II and III are about cells; a term without its margin takes the margin."""
    formula = "n ~ C(f, contr.helmert) * C(h, contr.sum) + C(f, contr.helmert) * x + (1 | g)"
    other = mc.glmm(formula, data, family="poisson")
    for type_ in ("II", "III"):
        left, right = counts.anova(type=type_), other.anova(type=type_)
        np.testing.assert_allclose(left["statistic"], right["statistic"], rtol=1e-5)
    bare = mc.glmm("n ~ 0 + f + x + (1 | g)", data, family="poisson")
    assert bare.anova(type="III").loc["f", "df"] == 3


def test_drop1_is_that_of_lme4(simple: mc.GLMM, counts: mc.GLMM) -> None:
    """AIC and likelihood ratios; terms within interactions stay."""
    found = simple.drop1()
    known = pd.DataFrame.from_dict(STORED["drop"], orient="index")
    assert found.loc["none", "llf"] == pytest.approx(STORED["llf"], abs=1e-6)
    columns = found.iloc[1:][["df", "aic", "statistic", "pvalue"]]
    np.testing.assert_allclose(columns, known.loc[columns.index], rtol=1e-5, atol=1e-6)
    assert list(counts.drop1().index) == ["none", "f:h", "f:x"]


def test_linear_hypotheses(simple: mc.GLMM) -> None:
    """Wald's chi-square of car, and a likelihood ratio under a hypothesis that drops no column."""
    found = simple.f_test("f[T.b] = f[T.c], 2 * x - h[T.v] = 0.3", ddf="normal")
    known = STORED["hypothesis"]
    assert found["df"].item() == known["df"]
    assert (found["statistic"] * 2).item() == pytest.approx(known["chisq"], rel=SAME)
    ratio = simple.f_test("f[T.b] = f[T.c]", test="lrt")["statistic"].item()
    assert ratio == pytest.approx(STORED["ratio"]["statistic"], abs=1e-5)


def test_adjustment_is_that_of_multcomp(simple: mc.GLMM) -> None:
    """Adjusted p-values and the quantile of simultaneous intervals."""
    rows = "f[T.b], f[T.c], f[T.c] - f[T.b]"
    found = simple.t_test(rows, adjust="mvt", ddf="normal")
    known = STORED["tukey"]
    np.testing.assert_allclose(found["pvalue"], known["p"], rtol=1e-3)
    quantile = (found["high"] - found["estimate"]) / found["std_error"]
    np.testing.assert_allclose(quantile, known["quantile"], rtol=1e-3)
    alone = simple.t_test(rows, ddf="normal")
    assert (found["pvalue"] > alone["pvalue"]).all()


def test_one_hypothesis_is_a_row_of_the_coefficients(linear: mc.GLMM) -> None:
    """In text, or as a row of a matrix."""
    table = linear.coefficients()
    one = linear.t_test("x")
    np.testing.assert_allclose(one.loc["x"], table.loc["x"], rtol=1e-12)
    pd.testing.assert_frame_equal(linear.t_test(np.eye(len(table)))[["df"]], table[["df"]])
    shifted = linear.t_test("x = 0.25").iloc[0]
    assert shifted["estimate"] == table.loc["x", "estimate"]
    expected = (shifted["estimate"] - 0.25) / shifted["std_error"]
    assert shifted["statistic"] == pytest.approx(expected)


def test_the_three_tests_agree_where_the_log_likelihood_is_a_parabola() -> None:
    """A linear model with many rows, and a hypothesis near the estimates."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=4000), "g": np.arange(4000) % 200})
    frame["y"] = 0.03 * frame["x"] + rng.normal(size=200)[frame["g"]] + rng.normal(size=4000)
    fit = mc.glmm("y ~ x + (1 | g)", frame)
    found = [
        fit.f_test("x", test=test)["statistic"].item() for test in ("wald", "lrt", "score")
    ]  # fmt: skip
    np.testing.assert_allclose(found, found[1], rtol=5e-3)


def test_score_of_a_closed_form() -> None:
    """A Poisson model without random effects: ``U^2 / I`` of a second group, by hand."""
    frame = pd.DataFrame({"y": [1.0, 3.0, 2.0, 6.0, 4.0, 8.0], "x": [0, 0, 0, 1, 1, 1]})
    fit = mc.glmm("y ~ x", frame, family="poisson")
    mean = frame["y"].mean()
    score = float(((frame["y"] - mean) * frame["x"]).sum())
    information = mean * 3.0 * (1.0 - 0.5)
    found = fit.f_test("x", test="score")["statistic"].item()
    assert found == pytest.approx(score**2 / information, rel=1e-6)


def test_terms_of_other_predictors() -> None:
    """A model of zeros has rows of its own."""
    owls = mc.datasets.load("Owls")
    fit = mc.glmm(
        "SiblingNegotiation ~ FoodTreatment + (1 | Nest)", owls, family="poisson", zi="~ SexParent"
    )
    assert list(fit.anova().index) == ["FoodTreatment", "zi: SexParent"]
    assert list(fit.anova(type="III").index) == ["FoodTreatment", "zi: SexParent"]


def test_what_is_refused(linear: mc.GLMM, counts: mc.GLMM, data: pd.DataFrame) -> None:
    """Likelihoods by REML, empty cells of type III, unknown names."""
    with pytest.raises(OptionError, match="reml=False"):
        linear.anova(test="lrt")
    with pytest.raises(OptionError, match="reml=False"):
        linear.drop1()
    with pytest.raises(OptionError, match='belongs to test="wald"'):
        counts.anova(test="lrt", ddf="normal")
    with pytest.raises(OptionError, match="no coefficient begins here"):
        counts.t_test("f[T.q] = 0")
    with pytest.raises(OptionError, match="type"):
        counts.anova(type="I")  # type: ignore[arg-type]
    holes = data[~((data["f"] == "c") & (data["h"] == "v"))]
    with pytest.warns(mc.errors.DataWarning):
        fit = mc.glmm("n ~ f * h + (1 | g)", holes, family="poisson")
    with pytest.raises(OptionError, match='write type="II"'):
        fit.anova(type="III")
    assert fit.anova(type="II").loc["f:h", "df"] == 1


def test_a_hypothesis_of_the_port(linear: mc.GLMM) -> None:
    """Contrasts of any matrix, for other rooms: estimates, covariance and degrees of freedom."""
    L = np.array([[0.0, 1.0, -1.0, 0, 0, 0, 0, 0, 0]])
    found = port_of(linear).contrasts(L)
    row = linear.t_test("f[T.b] - f[T.c]").iloc[0]
    assert found.estimate[0] == pytest.approx(row["estimate"])
    assert found.deviations[0] == pytest.approx(row["std_error"])
    assert found.df[0] == pytest.approx(row["df"])


def ordered_data() -> pd.DataFrame:
    """Ordered categories beside a factor of three levels and one of two, 30 groups of 8."""
    rng = np.random.default_rng(5)
    n = 240
    data = pd.DataFrame({"g": np.repeat(np.arange(30), 8), "x": rng.normal(size=n)})
    data["a"], data["b"] = rng.choice([*"pqr"], n), rng.choice([*"st"], n)
    latent = data["x"] + (data["a"] == "q") + rng.normal(size=30)[data["g"]]
    data["y"] = np.digitize(latent + rng.logistic(size=n), [-1.0, 1.0])
    return data


def test_a_factor_of_ordered_categories_is_one_term() -> None:
    """With the likelihood ratio to the model without it, though there is no intercept."""
    data = ordered_data()
    full, less = (
        mc.glmm(f, data, family="ordinal") for f in ("y ~ x + a + (1 | g)", "y ~ x + (1 | g)")
    )
    dropped = full.drop1()
    assert list(dropped.index) == ["none", "x", "a"]
    assert dropped.loc["a", "df"] == 2
    assert dropped.loc["a", "statistic"] == pytest.approx(2.0 * (full.llf - less.llf), abs=1e-6)
    found = full.anova(ddf="normal")
    joint = full.f_test("a[T.q] = 0, a[T.r] = 0", ddf="normal")
    np.testing.assert_allclose(found.loc["a"], joint.iloc[0], rtol=1e-9)
    assert list(mc.r2(full, semi_partial=True).to_frame().index[2:]) == ["without x", "without a"]


@pytest.mark.parametrize("formula", ["a * b", "a + b + a:x + x"])
def test_terms_of_ordered_categories_beside_interactions(formula: str) -> None:
    """Type III is what sum contrasts test, type II leaves out what contains the term."""
    data = ordered_data()
    fit = mc.glmm(f"y ~ {formula} + (1 | g)", data, family="ordinal")
    summed = formula.replace("a", "C(a, contr.sum)").replace("b", "C(b, contr.sum)")
    other = mc.glmm(f"y ~ {summed} + (1 | g)", data, family="ordinal")
    third = fit.anova(type="III", ddf="normal")
    names = [n for n in other.params.index if n.startswith("C(a, contr.sum)") and ":" not in n]
    joint = other.f_test(", ".join(f"{name} = 0" for name in names), ddf="normal")
    np.testing.assert_allclose(third.loc["a"], joint.iloc[0], rtol=1e-5)
    assert third["df"].tolist() == ([2, 1, 2] if "*" in formula else [2, 1, 1, 2])
    contained = [name for name in fit.drop1().index if name != "none"]
    assert contained == (["a:b"] if "*" in formula else ["b", "a:x"])
