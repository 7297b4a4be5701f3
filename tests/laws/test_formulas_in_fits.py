"""Formulas through whole fits, against lme4 and glmmTMB, and what they may not do in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import coding

LLF = 2e-5
COEFFICIENT = 2e-5

# lme4 1.1-31, lmer(.., REML = FALSE), late being Days > 4.
SLEEP = {
    "Days + I(Days^2) + (1 | Subject)": (-896.4718742, [255.449373, 7.434085, 0.337022]),
    "Days + I(Days^2) + (0 + I(Days^2) | Subject)": (
        -903.3759313, [255.449373, 7.434085, 0.337022]),
    "I(Days %% 2) + I(Days %/% 3) + (1 | Subject)": (
        -901.8867949, [262.27373, 1.37925, 29.62045]),
    "log(Days + 1, 2) + (1 | Subject)": (-908.3906807, [238.0543, 27.7424]),
    "0 + late + (1 | Subject)": (-912.5641838, [271.630, 325.386]),
    "late:Days + (1 | Subject)": (-896.5700932, [254.48683, 8.46417, 10.15911]),
    "Days + (0 + late | Subject)": (-878.6939971, [250.9843, 10.0473]),
    "late + I(Days > 7) + (1 | Subject)": (-903.3139357, [271.6302, 41.5189, 30.5913]),
    "ns(Days, df=3) + (1 | Subject)": (-896.5148461, [255.5254, 50.1780, 100.6507, 80.3088]),
    "poly(Days, 3) + (1 | Subject)": (-896.4671548, [298.50789, 403.36417, 32.85579, -2.99106]),
    "ifelse(Days > 4, Days - 4, 0) + pmin(Days, 4) + (1 | Subject)": (
        -896.621675, [254.59987, 11.70969, 8.78116]),
    "cut(Days, 3) + (1 | Subject)": (-906.0683636, [267.3754, 35.7400, 68.0351]),
}  # fmt: skip


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    """Days are whole numbers, as in every CSV."""
    data = mc.datasets.load("sleepstudy")
    return data.assign(late=data["Days"] > 4, Days=data["Days"].astype("int8"))


@pytest.mark.parametrize(("right", "expected"), SLEEP.items(), ids=str)
def test_lme4(right: str, expected: tuple[float, list[float]], sleep: pd.DataFrame) -> None:
    """R's operators, functions and factors give lme4's fit, also in one byte a number."""
    llf, params = expected
    fit = mc.glmm(f"Reaction ~ {right}", sleep)
    assert fit.llf == pytest.approx(llf, abs=LLF)
    np.testing.assert_allclose(fit.params, params, rtol=COEFFICIENT)


def test_two_variances_of_a_bool(sleep: pd.DataFrame) -> None:
    """A bool before a bar has a variance for each value (lme4: 743.479, 2418.919, 1078.743)."""
    parts = mc.glmm("Reaction ~ Days + (0 + late | Subject)", sleep).variance_components
    np.testing.assert_allclose(parts["variance"][:3], [743.4793, 2418.9191, 1078.7426], rtol=2e-5)


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_small_whole_numbers() -> None:
    """A square that does not fit into one byte is that of int64 (log-likelihood -402.0630)."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"age": rng.integers(20, 70, 300).astype("int8"), "g": np.arange(300) % 15})
    d["y"] = 0.01 * (d.age.astype(float) - 45) ** 2 + rng.normal(0, 1, 300)
    for text in ("y ~ age + I(age**2) + (1 | g)", "y ~ poly(age, 2, raw=True) + (1 | g)"):
        assert mc.glmm(text, d).llf == pytest.approx(-402.0630, abs=1e-4)


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_sign_of_a_square() -> None:
    """`I(x^2)` and `I(x**2)` are one term with one name."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(30), 20), "x": rng.integers(1, 3, 600)})
    d["y"] = rng.poisson(np.exp(0.3 * d.x))
    one = mc.glmm("y ~ I(x^2) + (1|g)", d, family="poisson").params
    two = mc.glmm("y ~ I(x**2) + (1|g)", d, family="poisson").params
    pd.testing.assert_series_equal(one, two)
    assert one["I(x ** 2)"] == pytest.approx(0.115, abs=5e-4)


@pytest.mark.parametrize("nothing", ["~ 0", "~ -1", "~0", "0", "~ 1 - 1"])
def test_no_zero_part(nothing: str) -> None:
    """A zero part of nothing is no zero part, as in glmmTMB (log-likelihood -1104.84931)."""
    d = mc.datasets.load("Salamanders")
    fit = mc.glmm("count ~ mined + (1 | site)", d, family="poisson", zi=nothing)
    assert fit.llf == pytest.approx(-1104.84931, abs=1e-4)
    assert fit.family.name == "poisson"
    np.testing.assert_allclose(fit.params, [-1.50533, 2.26441], rtol=2e-5)


def test_no_dispersion_is_refused(sleep: pd.DataFrame) -> None:
    """A dispersion without a term is not fixed in silence, in any spelling."""
    for text in ("~ 0", "~ -1"):
        with pytest.raises(mc.FormulaError, match=r"leaves nothing to estimate.*write '~ 1'"):
            mc.glmm("Reaction ~ 1", sleep, dispersion=text)
    with pytest.raises(mc.DesignError, match="dispersion predictor has no column left"):
        mc.glmm("Reaction ~ 1", sleep.assign(o=0.0), dispersion="~ 0 + o")
    fixed = mc.glmm("Reaction ~ 1", sleep.assign(w=np.log(50.0)), dispersion="~ 0 + offset(w)")
    assert fixed.llf == pytest.approx(
        -90 * np.log(2 * np.pi * 2500)
        - ((sleep.Reaction - sleep.Reaction.mean()) ** 2).sum() / 5000
    )


@pytest.mark.parametrize("text", ["y ~ 0", "y ~ -1", "y ~ 0 + offset(x)"])
def test_nothing_to_estimate(text: str) -> None:
    """A model without any parameter is refused; with a dispersion it is a model."""
    d = pd.DataFrame({"y": [1, 0, 2, 1, 3, 4.0], "x": np.arange(6.0)})
    with pytest.raises(mc.DesignError, match="nothing to estimate"):
        mc.glmm(text, d, family="poisson")
    fit = mc.glmm(text, d)
    assert len(fit.params) == 0
    rest = d.y - (d.x if "x" in text else 0)
    n = len(d)
    assert fit.llf == pytest.approx(-n / 2 * (np.log(2 * np.pi * (rest**2).mean()) + 1))


def test_named_numbers_and_words() -> None:
    """Columns called 1, 0, Intercept, np, class and x.y are columns."""
    rng = np.random.default_rng(2)
    names = ["1", "0", "Intercept", "np", "class", "x.y", "T", "TRUE", "log"]
    d = pd.DataFrame({name: rng.uniform(1, 2, 80) for name in names})
    d["y"], d["g"] = rng.normal(size=80), np.repeat(range(10), 8)
    fit = mc.glmm("y ~ `1` + `0` + Intercept + np + class + x.y + T + `TRUE` + log", d)
    assert list(fit.params.index) == [
        "Intercept", "1", "0", "`Intercept`", "np", "class", "x.y", "T", "TRUE", "log",
    ]  # fmt: skip
    inside = (
        "y ~ log(`1`) + np.log(np) + sqrt(class) + log(x.y) + I(T^2) + log(log) + I(`TRUE` * `0`)"
    )
    assert len(mc.glmm(inside, d).params) == 8


@pytest.mark.parametrize("left", ["k/20", "cbind(k, 20 - k)", "k / n"])
def test_trials_that_are_a_number(left: str) -> None:
    """Trials may be one number for all rows."""
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"k": rng.binomial(20, 0.3, 60), "n": 20, "g": np.repeat(range(12), 5)})
    fit = mc.glmm(f"{left} ~ 1", d, family="binomial")
    share = d.k.sum() / 1200
    assert fit.params["Intercept"] == pytest.approx(np.log(share / (1 - share)), rel=1e-8)


def test_half_a_response() -> None:
    """A response divided by a number is that quotient."""
    d = pd.DataFrame({"y": [1.0, 2.0, 4.0, 7.0], "x": [0.0, 1.0, 2.0, 4.0]})
    np.testing.assert_allclose(mc.glmm("y/2 ~ x", d).params, mc.glmm("y ~ x", d).params / 2)


def test_predictions_keep_what_the_fit_saw() -> None:
    """Numbers of a whole column, knots and breaks are those of the fit, row by row."""
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"x": rng.uniform(0, 9, 90), "f": list("pqr") * 30, "y": rng.normal(size=90)})
    for right in (
        "I(x - mean(x)) + f", "I(x / max(x)):f", "I((x - median(x)) / sd(x))", "ns(x, df=4)",
        "bs(x, df=5)", "cut(x, 4) * f", "scale(x) + center(log(x)):f", "poly(x, 3)",
        "relevel(f, ref='q')", "interaction(f, cut(x, c(-1, 5, 9)))", "I(x > quantile(x, 0.3))",
        "ifelse(f == 'p', 'one', 'other')", "factor(round(x))",
    ):  # fmt: skip
        fit = mc.glmm(f"y ~ {right}", d)
        whole = fit.predict(d)
        for row in (0, 17, 88):
            assert fit.predict(d.iloc[[row]])[row] == pytest.approx(whole[row], abs=1e-10), right


def test_an_identifier_as_a_predictor_is_refused_before_it_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message has the size in GB, and says where the column belongs."""
    monkeypatch.setattr(coding, "_memory", lambda: 8 * 2**30)
    n = 100_000
    d = pd.DataFrame({"y": np.arange(n) % 3, "c": [f"id{i % 30_000}" for i in range(n)]})
    d["x"] = np.arange(n) / n
    for text in ("y ~ c", "y ~ c * x", "y ~ 0 + x:c", "y ~ factor(c) + x", "y ~ x + (0 + c | x)"):
        with pytest.raises(mc.DesignError, match=r"needs \d+\.\d GB.*as in \(1 \| (c|fac)"):
            mc.glmm(text, d, family="poisson")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"zi": True}, r"zi must be a formula without a left side, such as '~ 1'"),
        ({"zi": []}, r"zi must be a formula without a left side"),
        ({"zi": "~ x ~ z"}, "stands between response and predictors"),
        ({"context": 1}, "context must be a dict"),
        ({"context": {1: abs}}, "context must be a dict"),
    ],
)
def test_parts_that_are_no_formula(arguments: dict[str, object], said: str) -> None:
    """What is no formula is told what one looks like."""
    d = pd.DataFrame({"y": [1, 0, 2, 1], "x": [0.0, 1.0, 2.0, 4.0], "z": [1.0, 2.0, 1.0, 3.0]})
    with pytest.raises(mc.MixcheckError, match=said):
        mc.glmm("y ~ x", d, family="poisson", **arguments)  # type: ignore[arg-type]


def test_a_missing_offset_is_named() -> None:
    """Rows that miss the offset are counted under the name of its column."""
    d = pd.DataFrame({"y": [1.0, 2.0, 4.0, 7.0], "effort": [1.0, np.nan, 2.0, 3.0]})
    with pytest.warns(mc.DataWarning, match=r"missing: `effort` \(1\)"):
        mc.glmm("y ~ 1", d, offset="effort")


def test_near_names_are_shown_as_they_are_written() -> None:
    """A suggestion that needs back-ticks says so; look-alikes are told apart."""
    d = pd.DataFrame({"y": [1.0, 2.0], "effort hours": [1.0, 2.0], "\u00e9t\u00e9": [1.0, 2.0]})
    with pytest.raises(mc.UnknownColumnError, match=r"mean `effort hours` \(written with its back"):
        mc.glmm("y ~ offset(log(effort_hours))", d)
    with pytest.raises(mc.UnknownColumnError, match="other Unicode characters"):
        mc.glmm("y ~ e\u0301te\u0301", d)
    with pytest.raises(mc.UnknownColumnError, match="called by the number 0"):
        mc.glmm("y ~ `0`", pd.DataFrame({"y": [1.0, 2.0], 0: [1.0, 3.0]}))


def test_context_is_the_callers_own() -> None:
    """Functions, modules and values of context= are used, and their failures are told."""
    rng = np.random.default_rng(6)
    d = pd.DataFrame({"y": rng.normal(size=20), "x": rng.uniform(1, 2, 20)})
    context = {"twice": lambda v: 2 * v, "sp": np, "k": 3.0, "fail": lambda _: 1 / 0}
    fit = mc.glmm("y ~ twice(x) + sp.sqrt(x):x + I(k * x^2)", d, context=context)
    assert list(fit.params.index) == ["Intercept", "twice(x)", "I(k * x ** 2)", "sp.sqrt(x):x"]
    with pytest.raises(mc.DataError, match=r"`fail\(x\)` failed: ZeroDivisionError"):
        mc.glmm("y ~ fail(x)", d, context=context)
    with pytest.raises(mc.FormulaError, match="nothing called `__class__`"):
        mc.glmm("y ~ sp.__class__(x)", d, context=context)
    with pytest.raises(mc.DataError, match="has shape"):
        mc.glmm("y ~ f(x)", d, context={"f": lambda v: np.ones((2, 2))})
