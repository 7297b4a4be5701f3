"""A fit over partitions is the fit of all rows in one table, wherever the partitions are held."""

from __future__ import annotations

import os
import signal
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.port import port_of

# Both searches end where the scaled gradient is below 1e-6, the square of which is left.
SAME = 1e-8
# At a maximum the square of that is left, and the modes are taken to their last step: rounding.
SAME_LIKELIHOOD = 1e-12
# The curvature is that of where the search came to rest, before the last steps.
SAME_ERRORS = 1e-4


@pytest.fixture(scope="module")
def table():
    """Rows of 60 groups in 15 schools, with responses of all kinds."""
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(60), 9)
    n = group.size
    u, v = rng.normal(0.0, 0.7, 60), rng.normal(0.0, 0.6, 60)
    w = rng.normal(0.0, 0.5, 15)
    x = rng.normal(size=n)
    kind = rng.choice(["low", "mid", "high"], n)
    cross = rng.normal(0.0, 0.6, (15, 3))[group // 4, np.unique(kind, return_inverse=True)[1]]
    eta = 0.4 + cross + 0.5 * x + u[group] + v[group] * x + w[group // 4] + 0.3 * (kind == "high")
    mean = np.exp(0.5 * eta)
    size = rng.integers(1, 8, n)
    chance = 1.0 / (1.0 + np.exp(-eta))
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    return pd.DataFrame(
        {
            "group": group,
            "school": [f"s{g // 4}" for g in group],
            "x": x,
            "year": 2000.0 + rng.integers(0, 9, n),
            "far": x + 60.0,
            "kind": kind,
            "size": size,
            "effort": rng.uniform(0.5, 2.0, n),
            "times": rng.integers(1, 4, n),
            "normal": eta + rng.normal(size=n),
            "count": rng.poisson(mean),
            "spread": counts,
            "zeros": np.where(rng.uniform(size=n) < 0.3, 0, counts),
            "hits": rng.binomial(size, chance),
            "yes": rng.binomial(1, chance),
            "rate": np.clip(rng.beta(4.0 * chance, 4.0 * (1.0 - chance)), 1e-6, 1.0 - 1e-6),
            "length": rng.gamma(3.0, mean / 3.0),
            "grade": 1 + np.digitize(eta + rng.logistic(size=n), [-0.5, 0.8]),
        }
    )


def _divide(table, column, number=4):
    """Partitions of whole levels, of different sizes."""
    codes = pd.factorize(table[column])[0]
    return [rows for _, rows in table.groupby(np.minimum(codes % (number + 1), number - 1))]


def _compare(formula, table, by="school", number=4, **options):
    """Both fits, after the numbers that both give."""
    whole = mc.glmm(formula, table, **options)
    fit = mc.glmm_partitions(formula, _divide(table, by, number), **options)
    assert fit.converged
    assert fit.nobs == whole.nobs
    assert fit.n_groups == whole.n_groups
    assert list(fit.params.index) == list(whole.params.index)
    assert abs(fit.llf - whole.llf) < SAME_LIKELIHOOD * (1.0 + abs(whole.llf))
    assert np.allclose(fit.params, whole.params, rtol=SAME, atol=SAME)
    psi = port_of(whole).optimum.psi
    assert np.allclose(fit._fit.optimum.psi, psi, rtol=SAME, atol=SAME)
    assert np.allclose(fit.bse, whole.bse, rtol=SAME_ERRORS, atol=0.0)
    for name in ("aic", "bic"):
        assert abs(getattr(fit, name) - getattr(whole, name)) < SAME * abs(whole.llf)
    return whole, fit


MODELS = {
    "gaussian": ("normal ~ x + kind + (1 | group)", {}),
    "gaussian slopes": ("normal ~ x + (1 + x | group)", {}),
    "gaussian dispersion": ("normal ~ x + (1 | group)", {"dispersion": "~ x"}),
    "poisson nested": ("count ~ x + kind + (1 | school/group)", {"family": "poisson"}),
    "poisson without random effects": ("count ~ x * kind", {"family": "poisson"}),
    "poisson offset": (
        "count ~ x + offset(log(size)) + (1 | group)",
        {"family": "poisson", "offset": "effort"},
    ),
    "poisson weights": ("count ~ x + (1 | group)", {"family": "poisson", "weights": "times"}),
    "poisson crossed within": (
        "count ~ x + (1 | group) + (1 | school:kind)",
        {"family": "poisson"},
    ),
    "nbinom2": ("spread ~ x + (1 | group)", {"family": "nbinom2"}),
    "zero inflated": ("zeros ~ x + (1 | group)", {"family": "nbinom2", "zi": "~ 1"}),
    "binomial": ("hits / size ~ x + kind + (x || group)", {"family": "binomial"}),
    "binomial cbind": ("cbind(hits, size - hits) ~ x + (1 | school)", {"family": "binomial"}),
    "bernoulli probit": (
        "yes ~ x + (1 | group)",
        {"family": mc.families.Binomial(link="probit")},
    ),
    "beta": ("rate ~ x + (1 | group)", {"family": "beta"}),
    "gamma": ("length ~ x + (1 | group)", {"family": mc.families.Gamma(link="log")}),
    "ordinal": ("grade ~ x + (1 | group)", {"family": "ordinal"}),
    "far columns": ("count ~ year + (1 | group)", {"family": "poisson"}),
    "far slopes": ("normal ~ far + (1 + far | group)", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_fit_is_that_of_all_rows(table, name):
    """Estimates, errors and likelihood, for families, parts, structures, weights and offsets."""
    formula, options = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        _compare(formula, table, **options)


def test_predictions_and_effects_are_those_of_all_rows(table):
    """New rows of levels of any partition, unseen levels and missing values."""
    whole, fit = _compare("count ~ x + kind + (1 + x | group)", table, family="poisson")
    new = table.sample(40, random_state=1)
    for options in (
        {},
        {"random_effects": "zero"},
        {"random_effects": "marginal"},
        {"scale": "link"},
    ):
        assert np.allclose(fit.predict(new, **options), whole.predict(new, **options), atol=1e-7)
    assert np.allclose(
        fit.random_effects["group"], whole.random_effects["group"], rtol=0.0, atol=1e-7
    )
    strange = new.assign(group=np.where(np.arange(40) < 2, 999, new.group))
    with pytest.raises(mc.UnseenLevelError, match=r"`group` has level.*999"):
        fit.predict(strange)
    found = fit.predict(strange, unseen="zero")
    assert np.allclose(found, whole.predict(strange, unseen="zero"), atol=1e-7)
    gone = new.assign(x=np.where(np.arange(40) < 3, np.nan, new.x))
    assert np.isnan(fit.predict(gone)).sum() == 3


def test_levels_of_one_partition_are_columns_of_all(table):
    """A level that one partition alone has stands where it does in one table; so do categories."""
    table = table.assign(
        kind=np.where(table.school == "s3", "also", table.kind),
        order=pd.Categorical(table.kind, ["mid", "low", "high", "never"]),
    )
    _compare("count ~ kind + order:x + (1 | group)", table, family="poisson")


def test_columns_that_are_combinations_in_all_rows_are_left_out(table):
    """Rank is that of all rows: no more columns go than in one table, and the same ones."""
    table = table.assign(twice=2.0 * table.x, here=(table.school == "s2") * 1.0)
    with pytest.warns(mc.DataWarning, match="linear combinations of the others: twice"):
        whole = mc.glmm("count ~ x + twice + here + (1 | group)", table, family="poisson")
    with pytest.warns(mc.DataWarning, match="linear combinations of the others: twice"):
        fit = mc.glmm_partitions(
            "count ~ x + twice + here + (1 | group)", _divide(table, "school"), family="poisson"
        )
    assert np.allclose(fit.params, whole.params, rtol=SAME, atol=SAME)


def test_missing_values_and_empty_partitions(table):
    """Rows with missing values go, partitions without rows say nothing."""
    table = table.assign(x=table.x.where(np.arange(len(table)) % 50 != 0))
    parts = [table.iloc[:0], *_divide(table, "school")]
    parts.append(table[table.school == "s1"].assign(x=np.nan, school="none", group=-1))
    with pytest.warns(mc.DataWarning, match="rows were left out"):
        whole = mc.glmm("count ~ x + (1 | group)", table, family="poisson")
    with pytest.warns(mc.DataWarning, match=r"47 of 576 rows were left out.*`x` \(47\)"):
        fit = mc.glmm_partitions("count ~ x + (1 | group)", parts, family="poisson")
    assert fit.nobs == whole.nobs
    assert np.allclose(fit.params, whole.params, rtol=SAME, atol=SAME)
    assert fit.n_parts == 6
    with pytest.raises(mc.OptionError, match="partition 0 has no complete row"):
        fit.part(0)


def test_separation_over_all_partitions_is_found(table):
    """A level whose responses are all one, here and there, has no finite estimate."""
    table = table.assign(yes=np.where(table.kind == "low", 1, table.yes))
    formula = "yes ~ x + kind + (1 | group)"
    with pytest.warns(mc.SeparationWarning):
        whole = mc.glmm(formula, table, family="binomial")
    with pytest.warns(mc.SeparationWarning, match="kind"):
        fit = mc.glmm_partitions(formula, _divide(table, "school"), family="binomial")
    assert np.isinf(fit.bse["kind[T.low]"])
    assert fit.notes == whole.notes
    assert fit.convergence.messages == whole.convergence.messages
    assert abs(fit.llf - whole.llf) < SAME * abs(whole.llf)
    finite = np.isfinite(whole.bse)
    assert np.allclose(fit.params[finite], whole.params[finite], rtol=SAME, atol=SAME)
    assert np.allclose(fit.bse[finite], whole.bse[finite], rtol=SAME_ERRORS)


def test_what_is_separated_in_a_partition_alone_is_not_in_all(table):
    """Responses that are all one in a partition have a finite estimate beside the others."""
    here = table.school == "s0"
    table = table.assign(yes=np.where(here & (table.kind == "low"), 1, table.yes))
    _compare("yes ~ x + kind + (1 | group)", table, by="school", number=14, family="binomial")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "options", "name"),
    [("nbinom2", {}, "dispersion: Intercept"), ("poisson", {"zi": "~ 1"}, "zi: Intercept")],
)
def test_a_part_that_the_data_do_not_show_runs_to_its_limit(family, options, name):
    """It is followed there, and reported as in one table: counts that vary less than Poisson's."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(60), 12)
    u, x = rng.normal(size=60) * 0.7, rng.normal(size=720)
    chance = np.clip(np.exp(0.3 * x + u[group]) / 20.0, 0.0, 0.9)
    table = pd.DataFrame({"group": group, "x": x, "y": rng.binomial(20, chance)})
    with pytest.warns(mc.SeparationWarning, match=f"No finite estimate: '{name}'"):
        whole = mc.glmm("y ~ x + (1 | group)", table, family=family, **options)
    with pytest.warns(mc.SeparationWarning, match=f"No finite estimate: '{name}'"):
        fit = mc.glmm_partitions(
            "y ~ x + (1 | group)", _divide(table, "group"), family=family, **options
        )
    assert abs(fit.llf - whole.llf) < 1e-10 * abs(whole.llf)
    assert np.allclose(fit.params.iloc[:2], whole.params.iloc[:2], rtol=0.0, atol=SAME)
    assert np.allclose(fit.bse.iloc[:2], whole.bse.iloc[:2], rtol=SAME_ERRORS)


def test_complete_separation_is_an_error(table):
    """Predictors that tell every response leave nothing to estimate."""
    table = table.assign(yes=(table.x > 0.0).astype(int))
    with pytest.raises(mc.SeparationError):
        mc.glmm_partitions("yes ~ x + (1 | group)", _divide(table, "school"), family="binomial")


def test_levels_in_several_partitions_are_refused(table):
    """The error names the factor and one line that divides the rows anew, which works."""
    parts = [table.iloc[:100], table.iloc[100:]]
    with pytest.raises(mc.DesignError, match=r"`school` have rows in several.*shuffle\('school'\)"):
        mc.glmm_partitions("count ~ x + (1 | school/group)", parts, family="poisson")
    column = table["school"]
    again = [rows for _, rows in table.groupby(pd.util.hash_array(column.to_numpy()) % 8)]
    fit = mc.glmm_partitions("count ~ x + (1 | school/group)", again, family="poisson")
    assert fit.n_groups == {"school": 15, "school:group": 60}


REFUSED = {
    "scale": ("count ~ scale(x) + (1 | group)", {}, "computed from all rows"),
    "poly": ("count ~ poly(x, 2) + (1 | group)", {}, "computed from all rows"),
    "ar1": ("count ~ x + ar1(0 + year | group)", {}, "ties levels or times"),
    "unknown column": ("count ~ z + (1 | group)", {}, "`z` is no column"),
    "weights": ("count ~ x + (1 | group)", {"weights": [1, 2]}, "name of a column"),
    "client": ("count ~ x + (1 | group)", {"client": "here"}, "distributed.Client"),
    "n_jobs": ("count ~ x + (1 | group)", {"n_jobs": 0}, "n_jobs must be"),
    "one level": ("count ~ x + (1 | one)", {}, "one level only"),
    "too many effects": ("normal ~ x + (1 | row)", {"family": "gaussian"}, "random effects"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_there_is_one_sentence(table, name):
    """Functions of whole columns, tied levels, arrays and wrong arguments."""
    formula, options, words = REFUSED[name]
    parts = _divide(table.assign(one=1, row=np.arange(len(table))), "school")
    parts = [part.assign(one=1) for part in (parts if name != "one level" else parts[:1])]
    with pytest.raises(mc.MixcheckError, match=words):
        mc.glmm_partitions(formula, parts, **{"family": "poisson", **options})


@pytest.mark.parametrize("data", [pd.DataFrame({"y": [1]}), "file.parquet", [], 3, None])
def test_data_without_parts_are_refused(data):
    """A table, a path or nothing is no list of partitions."""
    with pytest.raises(mc.DataError, match="no parts"):
        mc.glmm_partitions("y ~ 1 + (1 | g)", data)


def test_constant_responses_and_determined_groups_are_refused(table):
    """What no partition shows by itself: one value everywhere, or one in each group."""
    parts = _divide(table.assign(normal=3.0), "school")
    with pytest.raises(mc.ConvergenceError, match="constant"):
        mc.glmm_partitions("normal ~ x + (1 | group)", parts, family="t")
    alike = _divide(table.assign(yes=table.group % 2), "school")
    with pytest.raises(mc.DesignError, match="groups determine the responses"):
        mc.glmm_partitions("yes ~ x + (1 | group)", alike, family="binomial")


def test_a_part_is_a_fit_at_the_estimates_of_all(table):
    """Residuals, simulations and checks of its rows; no refits, which would be other estimates."""
    whole, fit = _compare("count ~ x + (1 | group)", table, family="poisson")
    part = fit.part(1)
    rows = part.frame.index
    assert part.params.equals(fit.params)
    assert np.allclose(part.bse, fit.bse)
    assert part.converged
    assert np.allclose(part.fittedvalues, whole.fittedvalues[rows], rtol=1e-7)
    logs = [fit.part(k).llf for k in range(fit.n_parts)]
    assert abs(sum(logs) - fit.llf) < 1e-9 * abs(fit.llf)
    assert part.simulate(3, seed=1).shape == (rows.size, 3)
    report = mc.check(part, seed=1, draws=60, calibration="plug-in")
    assert report.findings[0].n == rows.size
    with pytest.raises(mc.OptionError, match='calibration="plug-in"'):
        part.refit(part.frame["count"])
    with pytest.raises(AttributeError, match=r"no fittedvalues; fit.part\(k\)"):
        _ = fit.fittedvalues
    for wrong in (-1, 4, "1", True, 1.0):
        with pytest.raises(mc.OptionError, match="k must be the number of a partition, 0 to 3"):
            fit.part(wrong)


def test_the_summary_speaks_of_all_rows(table):
    """Numbers of rows and levels, and tests by the normal distribution."""
    fit = mc.glmm_partitions("count ~ x + (1 | school)", _divide(table, "school"), family="poisson")
    text = str(fit.summary())
    assert "observations      540" in text
    assert "levels of school  15" in text
    assert "normal (z)" in text
    assert "540 observations in 4 partitions" in repr(fit)
    frame = fit.coefficients()
    assert np.allclose(frame["pvalue"], fit.pvalues)
    assert np.allclose(frame[["low", "high"]], fit.conf_int())


def _process(part):
    return os.getpid()


@pytest.mark.slow
def test_processes_hold_partitions_and_give_the_same_numbers(table, tmp_path):
    """Two workers with files: to the last digit; a lost one is started again; none is left."""
    paths = []
    for k, rows in enumerate(_divide(table, "school")):
        paths.append(tmp_path / f"{k}.parquet")
        rows.to_parquet(paths[-1])
    formula = "count ~ x + kind + (1 | group)"
    alone = mc.glmm_partitions(formula, [str(path) for path in paths], family="poisson")
    with mc.glmm_partitions(formula, paths, family="poisson", n_jobs=2) as fit:
        assert fit.llf == alone.llf
        assert fit.params.equals(alone.params)
        assert fit.bse.equals(alone.bse)
        crew = fit._fit.parts.crew
        held = set(crew.ask(_process))
        assert len(held) == 2
        assert os.getpid() not in held
        os.kill(crew.ask_one(0, _process), signal.SIGKILL)
        assert np.allclose(fit.predict(table), alone.predict(table), rtol=1e-9)
        assert len(held | set(crew.ask(_process))) == 3
        left = held | set(crew.ask(_process))
    for process in left:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
