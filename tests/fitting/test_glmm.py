"""The public verb: what it takes, and what it says to wrong calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import (
    BoundaryWarning,
    ConvergenceError,
    ConvergenceWarning,
    DataError,
    DataWarning,
    DesignError,
    FamilyError,
    FormulaError,
    MixcheckError,
    OptionError,
    SeparationError,
    SeparationWarning,
    UnknownColumnError,
)
from mixcheck.port import port_of

N = 120
LLF = 1e-8


def table() -> pd.DataFrame:
    """Twelve groups of ten, with responses of every kind."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(12), 10)
    x, b = rng.normal(size=N), rng.normal(size=12)
    eta = 0.4 + 0.5 * x + 0.7 * b[g]
    return pd.DataFrame(
        {
            "g": g,
            "x": x,
            "two_x": 2.0 * x,
            "count": rng.poisson(np.exp(eta)),
            "hit": rng.binomial(1, 1 / (1 + np.exp(-eta))),
            "real": eta + rng.normal(size=N),
            "size": rng.integers(1, 6, N),
            "row": np.arange(N),
            "one": 1,
        }
    )


def fit(formula: str, family: Any = "poisson", data: object = None, **options: Any) -> mc.GLMM:
    """A fit to the table."""
    return mc.glmm(formula, table() if data is None else data, family=family, **options)


def test_families() -> None:
    """A family is a name, a class or an object; the default is gaussian."""
    by_name = fit("count ~ x + (1 | g)")
    for family in (mc.families.Poisson, mc.families.Poisson()):
        assert fit("count ~ x + (1 | g)", family).llf == by_name.llf
    assert mc.glmm("real ~ x + (1 | g)", table()).family.name == "gaussian"


def test_tables() -> None:
    """A dict of columns fits as a frame does; the caller's data are not changed."""
    data = table()
    kept = data.copy()
    held = {name: data[name].to_numpy() for name in data}
    one, other = fit("count ~ x + (1 | g)", data=data), fit("count ~ x + (1 | g)", data=held)
    assert other.llf == one.llf
    pd.testing.assert_frame_equal(data, kept)


def test_trials() -> None:
    """K / n, cbind and a proportion with weights are one response."""
    data = table()
    data["k"] = np.minimum(data["count"], data["size"])
    data["failures"], data["share"] = data["size"] - data["k"], data["k"] / data["size"]
    one = fit("k / size ~ x + (1 | g)", "binomial", data)
    assert fit("cbind(k, failures) ~ x + (1 | g)", "binomial", data).llf == one.llf
    other = fit("share ~ x + (1 | g)", "binomial", data, weights="size")
    assert other.llf == pytest.approx(one.llf, abs=LLF)
    pd.testing.assert_series_equal(other.params, one.params)


def test_offset() -> None:
    """An offset in the formula, as a column and as an array are the same."""
    data = table().assign(e=np.log(table()["size"]))
    one = fit("count ~ x + offset(log(size)) + (1 | g)", data=data)
    assert fit("count ~ x + (1 | g)", data=data, offset="e").llf == one.llf
    assert fit("count ~ x + (1 | g)", data=data, offset=data["e"].to_numpy()).llf == one.llf


def test_without_random_effects() -> None:
    """A formula without random terms is a generalized linear model."""
    plain = mc.glmm("real ~ x", table())
    data = table()
    X = np.column_stack([np.ones(N), data["x"]])
    beta, (rss,), *_ = np.linalg.lstsq(X, data["real"], rcond=None)
    np.testing.assert_allclose(plain.params, beta, rtol=1e-6)
    assert plain.dispersion == pytest.approx(np.sqrt(rss / N), rel=1e-6)
    wanted = -0.5 * N * (np.log(2 * np.pi * rss / N) + 1)
    assert plain.llf == pytest.approx(wanted, abs=LLF)
    assert plain.random_effects == {}
    assert len(plain.variance_components) == 1
    assert port_of(fit("count ~ x")).observe("posterior", np.random.default_rng(0)).effects == {}


@pytest.mark.parametrize("sd", [3.0, 10.0, 100.0])
@pytest.mark.parametrize(("groups", "rows"), [(3, 4), (20, 5), (5, 50)])
def test_large_between_groups(groups: int, rows: int, sd: float) -> None:
    """Groups that differ by many residual deviations are fitted: the exact likelihood's optimum."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(groups), rows)
    b = np.linspace(-1.0, 1.0, groups) * sd
    y = b[g] + rng.normal(size=groups * rows)
    found = mc.glmm("y ~ 1 + (1 | g)", {"y": y, "g": g})
    # Balanced one-way layout: closed maximum-likelihood estimates.
    means = y.reshape(groups, rows).mean(axis=1)
    within = np.sum((y - means[g]) ** 2) / (groups * (rows - 1))
    between = np.mean((means - means.mean()) ** 2) - within / rows
    assert found.dispersion == pytest.approx(np.sqrt(within), rel=1e-5)
    assert found.variance_components["sd"].iloc[0] == pytest.approx(np.sqrt(between), rel=1e-5)
    assert found.converged


def test_singular() -> None:
    """A variance of zero is named and warned of; the fit is that without the term."""
    rng = np.random.default_rng(0)
    data = table().assign(flat=rng.permutation(np.repeat([1, 2, 3], N // 3)))
    with pytest.warns(BoundaryWarning, match=r"random term \(1 \| g\) is singular.*drop the term"):
        found = fit("flat ~ x + (1 | g)", data=data)
    assert found.convergence.singular == ("(1 | g)",)
    assert found.convergence.converged
    assert found.llf == pytest.approx(fit("flat ~ x", data=data).llf, abs=LLF)


# ---- wrong calls ----------------------------------------------------------------------------

FORMULAS = [
    ("count ~ xx + (1 | g)", UnknownColumnError, "`xx` is no column.*Did you mean `x`"),
    ("count ~ x + (1 | gg)", UnknownColumnError, "`gg` is no column.*Did you mean `g`"),
    ("counts ~ x + (1 | g)", UnknownColumnError, "`counts` is no column.*Did you mean `count`"),
    ("count ~ x + (1 | g", FormulaError, r"Unbalanced brackets.*\n.*\n +\^"),
    ("count ~ x + (1 | g))", FormulaError, r"nothing is open for this.*\n.*\n +\^"),
    ("count ~ x + (1 | )", FormulaError, r"No grouping factor after the bar.*\n.*\n +\^"),
    ("count ~ x +", FormulaError, r"Nothing follows this sign"),
    ("count x", FormulaError, "No `~` in the formula"),
    ("~ x", FormulaError, "No response before `~`"),
    ("count ~ x + (1 | g) + (1 | g)", FormulaError, "stands here twice"),
    ("count ~ x + (1 | one)", DesignError, "`one` has one level only"),
    ("count ~ log(x - 100) + (1 | g)", DataError, "is nan in row 0"),
]


@pytest.mark.parametrize(("formula", "error", "match"), FORMULAS)
def test_formulas(formula: str, error: type[MixcheckError], match: str) -> None:
    """A wrong formula says what is wrong and what to write."""
    with pytest.raises(error, match=f"(?s){match}"):
        fit(formula)


OPTIONS = [
    ({"family": "poison"}, FamilyError, "no family 'poison'.*family='poisson'"),
    ({"hessian": "x"}, OptionError, "hessian='x' is unknown; write 'observed' or 'expected'"),
    ({"method": "reml"}, OptionError, "method='reml' is unknown"),
    ({"dispersion": "~ x"}, OptionError, "the poisson family has no dispersion"),
    ({"method": "agq", "nodes": 0}, OptionError, "nodes=0 must be a whole number from 1"),
    ({"method": "agq", "nodes": 2.5}, OptionError, "nodes=2.5 must be a whole number"),
    ({"nodes": 5}, OptionError, 'needs quadrature; write method="agq"'),
    ({"method": "agq", "hessian": "expected"}, OptionError, "belongs to the Laplace"),
    ({"weights": [1.0, 2.0]}, DataError, r"weights has shape \(2,\), the data have 120 rows"),
    ({"weights": -np.ones(N)}, DataError, "weights must be >= 0, but is -1"),
    ({"weights": np.full(N, np.inf)}, DataError, "weights"),
    ({"weights": np.zeros(N)}, DataError, "All weights are zero"),
    ({"weights": "ww"}, UnknownColumnError, "`ww` is no column"),
    ({"offset": np.ones(3)}, DataError, r"offset has shape \(3,\)"),
    ({"offset": "ee"}, UnknownColumnError, "`ee` is no column"),
]


@pytest.mark.parametrize(("options", "error", "match"), OPTIONS)
def test_options(options: dict[str, Any], error: type[MixcheckError], match: str) -> None:
    """A wrong option says what was found and what is allowed."""
    with pytest.raises(error, match=f"(?s){match}"):
        fit("count ~ x + (1 | g)", **options)


def test_links() -> None:
    """A link that the family does not have names those it has."""
    with pytest.raises(FamilyError, match="no probit link; its links are log, identity, sqrt"):
        mc.families.Poisson(link="probit")


def test_quadrature_is_refused() -> None:
    """Quadrature over crossed factors is refused."""
    with pytest.raises(OptionError, match="exactly one grouping factor; found g, size"):
        fit("count ~ x + (1 | g) + (1 | size)", method="agq")


RESPONSES = [
    ("poisson", -1.0, "A poisson response must be whole numbers from 0.*-1 in row 0"),
    ("poisson", 0.5, "A poisson response must be whole numbers"),
    ("binomial", 2.0, "must be 0 or 1.*Write successes / trials"),
    ("binomial", 0.5, "must be whole numbers of successes"),
]


@pytest.mark.parametrize(("family", "value", "match"), RESPONSES)
def test_support(family: str, value: float, match: str) -> None:
    """A response outside the support names the rows and what to write."""
    data = table().assign(count=value)
    with pytest.raises(FamilyError, match=f"(?s){match}"):
        fit("count ~ x + (1 | g)", family, data)


@pytest.mark.parametrize("column", ["x", "real"])
def test_not_finite(column: str) -> None:
    """An infinite value is named with its row; a missing one leaves its row out, aloud."""
    data = table()
    data.loc[3, column] = np.inf
    with pytest.raises(DataError, match=f"`{column}` is inf in row 3"):
        mc.glmm("real ~ x + (1 | g)", data)
    data.loc[3, column] = np.nan
    with pytest.warns(DataWarning, match=f"1 of 120 rows were left out.*`{column}`"):
        found = mc.glmm("real ~ x + (1 | g)", data)
    assert found.nobs == N - 1
    assert 3 not in found.frame.index


def test_empty() -> None:
    """Data without rows."""
    with pytest.raises(DataError, match="no rows"):
        fit("count ~ x + (1 | g)", data=table().iloc[:0])


def test_too_many_effects() -> None:
    """As many effects as residuals, or more effects than rows, cannot be told apart."""
    with pytest.raises(DesignError, match=r"120 random effects.*fewer than 120.*residual error"):
        mc.glmm("real ~ x + (1 | row)", table())
    with pytest.raises(DesignError, match=r"240 random effects.*at most 120"):
        fit("count ~ x + (x | row)")
    data = table().assign(wild=lambda d: d["count"] * (1 + 3 * (d["row"] % 2)))
    assert np.isfinite(fit("wild ~ x + (1 | g) + (1 | row)", data=data).llf)


def test_collinear() -> None:
    """A column that is a combination of others is dropped, named and warned of."""
    with pytest.warns(DataWarning, match="linear combinations of the others: two_x"):
        found = fit("count ~ x + two_x + (1 | g)")
    assert list(found.params.index) == ["Intercept", "x"]
    assert found.llf == pytest.approx(fit("count ~ x + (1 | g)").llf, abs=LLF)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("cut", [-0.5, 0.0])
def test_complete_separation(link: str, cut: float) -> None:
    """A threshold that tells every response is an error that names the predictor."""
    data = table()
    data["hit"] = (data["x"] > cut).astype(int)
    with pytest.raises(SeparationError, match=r"complete separation: .*'x'"):
        fit("hit ~ x + (1 | g)", mc.families.Binomial(link=link), data)
    with pytest.raises(SeparationError, match="complete separation"):
        fit("none ~ x + (1 | g)", data=data.assign(none=0))


@pytest.mark.filterwarnings("ignore::mixcheck.errors.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("kind", ["binomial", "probit", "poisson"])
def test_quasi_separation(kind: str, rows: int) -> None:
    """A level with one kind of response is named, however few rows it has."""
    data = table()
    data["f"] = np.where(np.arange(N) % 2 == 0, "a", "b")
    data.loc[: rows - 1, "f"] = "rare"
    data.loc[: rows - 1, ["hit", "count"]] = [1, 0]
    family = mc.families.Binomial(link="probit") if kind == "probit" else kind
    left = "count" if kind == "poisson" else "hit"
    with pytest.warns(SeparationWarning, match=r"'f\[T.rare\]' have no finite estimate"):
        found = fit(f"{left} ~ f + x + (1 | g)", family, data)
    assert any("f[T.rare]" in note for note in found.notes)


def test_no_separation() -> None:
    """Ordinary data are fitted without any warning."""
    for left, family in (("hit", "binomial"), ("count", "poisson")):
        assert fit(f"{left} ~ x + (1 | g)", family).notes == ()


@pytest.mark.parametrize("exact", ["one", "two_x", "g"])
def test_exact_response(exact: str) -> None:
    """A Gaussian response that the model reproduces exactly is one clear error."""
    with pytest.raises(ConvergenceError, match="reproduces the responses exactly"):
        mc.glmm("real ~ x + (1 | g)", table().assign(real=lambda d: d[exact].astype(float)))


def test_warning_of_convergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is stopped early warns, and says so in its record."""
    from mixcheck.fitting.estimation import optimize, quasi_newton

    monkeypatch.setattr(quasi_newton, "_MAX_ITERATIONS", 1)
    monkeypatch.setattr(optimize, "_MAX_POLISH", 0)
    with pytest.warns(ConvergenceWarning, match="the optimum is not reached"):
        found = fit("count ~ x + (x | g)")
    assert not found.converged


def test_inverse_link_of_a_gaussian_response() -> None:
    """The inverse link of a real response, as in glmmTMB 1.1.5."""
    rng = np.random.default_rng(4)
    g, x = np.arange(300) % 20, rng.uniform(0, 1, 300)
    eta = 0.5 + 0.4 * x + rng.normal(0, 0.05, 20)[g]
    data = {"y": 1 / eta + rng.normal(0, 0.1, 300), "x": x, "g": g}
    found = mc.glmm("y ~ x + (1 | g)", data, family=mc.families.Gaussian("inverse"))
    assert found.llf == pytest.approx(235.508148, abs=1e-4)
    assert found.params["x"] == pytest.approx(0.401764256, rel=1e-6)
    assert found.bse["x"] == pytest.approx(0.00995625971, rel=1e-4)


def test_rows_outside_the_support_are_those_of_the_caller() -> None:
    """Rows at fault have their labels, in any order of groups, after rows were left out."""
    data = table().sample(frac=1.0, random_state=1)
    data.index = [f"r{i}" for i in range(N)]
    data = data.astype({"count": float})
    data.iloc[3, data.columns.get_loc("x")] = np.nan
    data.iloc[[7, 90], data.columns.get_loc("count")] = -2.0
    with (
        pytest.warns(DataWarning, match="1 of 120 rows"),
        pytest.raises(
            FamilyError, match=r"2 of 119 .*-2 in row 'r7' \(position 6\), -2 in row 'r90'"
        ),
    ):
        fit("count ~ x + (1 | g)", data=data)
    good = fit("real ~ x + (1 | g)", "gaussian", table().sample(frac=1.0, random_state=1))
    counts = fit("count ~ x + (1 | g)", data=table().sample(frac=1.0, random_state=1))
    wrong = port_of(counts).observed.copy()
    wrong[5] = 0.5
    with pytest.raises(FamilyError, match=rf"0.5 in row {counts.frame.index[5]} \(position 5\)"):
        counts.refit(wrong)
    assert good.refit(wrong).nobs == N


@pytest.mark.parametrize("wrong", [1, 1.0, np.True_ * 1])
def test_a_number_is_no_flag_after_a_flag_either(wrong):
    """Options are kept between calls by value and type: 1 after True is refused as ever."""
    sleep = mc.datasets.load("sleepstudy")
    mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=True)
    with pytest.raises(mc.OptionError, match=r"reml=.* must be True or False"):
        mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=wrong)
