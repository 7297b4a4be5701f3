"""Cluster-robust covariances against clubSandwich, and what they are for."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.inference.cluster_robust import ClusterRobust

STORED = json.loads(
    (Path(__file__).parents[1] / "data" / "cluster_robust.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Nine sites of 3 to 9 rows, two groups in each."""
    return pd.DataFrame(STORED["data"])


def test_least_squares_are_cr2_of_clubsandwich(data: pd.DataFrame) -> None:
    """Errors, and degrees of freedom of Bell and McCaffrey."""
    found = mc.glmm("y ~ x + z", data).coefficients(cluster="site")
    assert found.attrs["ddf"] == "cluster site"
    np.testing.assert_allclose(found["std_error"], STORED["ols"]["error"], rtol=1e-6)
    np.testing.assert_allclose(found["df"], STORED["ols"]["df"], rtol=1e-6)


def test_a_mixed_model_is_near_that_of_clubsandwich(data: pd.DataFrame) -> None:
    """Both have no bias under the model; the root of a matrix that they take is another."""
    fit = mc.glmm("y ~ x + z + (1 | g)", data, reml=True)
    found = fit.coefficients(cluster="site")
    np.testing.assert_allclose(found["std_error"], STORED["mixed"]["error"], rtol=0.02)
    np.testing.assert_allclose(found["df"], STORED["mixed"]["df"], rtol=2e-3)


def test_it_has_no_bias_under_the_model() -> None:
    """Of scores that a model gives: their covariance at the estimates goes through exactly."""
    rng = np.random.default_rng(3)
    half = rng.normal(size=(6, 2, 4))
    information = half @ half.swapaxes(1, 2)
    A = information.sum(axis=0)
    known = ClusterRobust(np.zeros((6, 2)), information)
    # E s_g s_g' = I_g - I_g A^-1 I_g in the place of s_g s_g'.
    total = np.zeros((2, 2))
    for own, adjustment in zip(information, known.adjustments, strict=True):
        z = known.root.T @ (own - own @ np.linalg.solve(A, own)) @ known.root
        total += adjustment @ z @ adjustment
    np.testing.assert_allclose(known.root @ total @ known.root.T, np.linalg.inv(A), rtol=1e-10)


def test_moments_of_the_variance() -> None:
    """Degrees of freedom by the whole matrix of covariances."""
    rng = np.random.default_rng(4)
    half = rng.normal(size=(7, 2, 5))
    information = half @ half.swapaxes(1, 2)
    known, row = ClusterRobust(np.zeros((7, 2)), information), np.array([1.0, -0.5])
    J = known.shares
    w = [a @ known.root.T @ row for a in known.adjustments]
    every = range(7)
    G = np.array([[w[g] @ ((g == h) * J[g] - J[g] @ J[h]) @ w[h] for h in every] for g in every])
    expected = np.trace(G) ** 2 / np.sum(G * G)
    assert known.df(row[None])[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
def test_slopes_that_the_model_lacks() -> None:
    """The test of a mean slope keeps its level where the model has random intercepts alone."""
    rejected = {"model": 0, "cluster": 0}
    for k in range(60):
        rng = np.random.default_rng([5, k])
        g = np.repeat(np.arange(12), 8)
        x = rng.normal(size=96)
        eta = 0.5 + 0.5 * rng.normal(size=12)[g] + 0.5 * rng.normal(size=12)[g] * x
        frame = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.errors.MixcheckWarning)
            fit = mc.glmm("y ~ x + (1 | g)", frame, family="poisson")
        rejected["model"] += fit.coefficients().loc["x", "pvalue"] < 0.05
        rejected["cluster"] += fit.coefficients(cluster="g").loc["x", "pvalue"] < 0.05
    # At 5 % eight or more of 60 have a probability of 0.01.
    assert rejected["cluster"] < 10
    assert rejected["model"] > 18


def test_what_is_refused(data: pd.DataFrame) -> None:
    """Clusters that cut groups, one cluster, and degrees of freedom of another kind."""
    fit = mc.glmm("y ~ x + (1 | site)", data)
    with pytest.raises(OptionError, match="occur in several"):
        fit.coefficients(cluster="g")
    with pytest.raises(OptionError, match="neither a grouping factor"):
        fit.coefficients(cluster="nowhere")
    with pytest.raises(OptionError, match="leave out ddf"):
        fit.coefficients(cluster="site", ddf="normal")
    one = mc.glmm("y ~ x + (1 | site)", data.assign(all="a"))
    with pytest.raises(OptionError, match="one level only"):
        one.coefficients(cluster="all")


def test_a_joint_test_is_htz_of_clubsandwich(data: pd.DataFrame) -> None:
    """Exactly for least squares; for a mixed model up to the root of a matrix."""
    for formula, name, near in (("y ~ x + z", "ols", 1e-6), ("y ~ x + z + (1 | g)", "mixed", 0.05)):
        fit = mc.glmm(formula, data, reml=name == "mixed")
        known = STORED[name]["joint"]
        found = fit.f_test("x, z", cluster="site").iloc[0]
        assert found["df"] == known["df"]
        for column in ("statistic", "df_denominator", "pvalue"):
            assert found[column] == pytest.approx(known[column], rel=near), (name, column)


def test_one_contrast_has_the_degrees_of_freedom_of_its_t() -> None:
    """HTZ of one is Bell and McCaffrey's; of several it is the sum over pairs written out."""
    rng = np.random.default_rng(8)
    half = rng.normal(size=(9, 3, 6))
    known = ClusterRobust(np.zeros((9, 3)), half @ half.swapaxes(1, 2))
    row = np.array([[1.0, -0.5, 0.2]])
    assert known.joint(row) == pytest.approx((known.df(row)[0], 1.0), rel=1e-10)
    L = rng.normal(size=(2, 3))
    values, vectors = np.linalg.eigh(L @ known.root @ known.root.T @ L.T)
    units = (vectors / np.sqrt(values)).T @ L
    w = np.array([[a @ known.root.T @ c for a in known.adjustments] for c in units])
    J, every = known.shares, range(9)

    def cov(s: int, g: int, t: int, h: int) -> float:
        return float(w[s, g] @ ((g == h) * J[g] - J[g] @ J[h]) @ w[t, h])

    total = sum(
        cov(s, g, s, h) * cov(t, g, t, h) + cov(s, g, t, h) * cov(t, g, s, h)
        for s in (0, 1)
        for t in (0, 1)
        for g in every
        for h in every
    )
    v = 6.0 / total
    assert known.joint(L) == pytest.approx((v - 1.0, (v - 1.0) / v), rel=1e-9)


def test_every_table_takes_clusters(data: pd.DataFrame) -> None:
    """Terms are their t squared, intervals those of the coefficients; other tests refuse."""
    fit = mc.glmm("y ~ x + z + (1 | g)", data, reml=True)
    table = fit.coefficients(cluster="site")
    terms = fit.anova(cluster="site")
    np.testing.assert_allclose(terms["statistic"], table.loc[["x", "z"], "statistic"] ** 2)
    np.testing.assert_allclose(terms["df_denominator"], table.loc[["x", "z"], "df"])
    assert terms.attrs["ddf"] == "cluster site"
    pd.testing.assert_frame_equal(fit.conf_int(cluster="site"), table[["low", "high"]])
    every = fit.conf_int(cluster="site", parameters="all")
    pd.testing.assert_frame_equal(every.loc[table.index], table[["low", "high"]])
    random = fit.conf_int(parameters="random")
    pd.testing.assert_frame_equal(every.loc[random.index], random)
    full = mc.glmm("y ~ x + z + (1 | g)", data)
    with pytest.raises(OptionError, match=r"cluster='site' belongs to test=\"wald\""):
        full.f_test("x", test="lrt", cluster="site")
    with pytest.raises(OptionError, match=r"cluster='site' belongs to method=\"wald\""):
        full.conf_int(method="profile", cluster="site")


@pytest.mark.slow
def test_level_of_a_joint_test_with_few_clusters() -> None:
    """Two of three slopes that differ between 10 groups: 5 % to three errors, Wald's z far more."""
    rejected = {"robust": 0, "model": 0}
    for k in range(300):
        rng = np.random.default_rng([6, k])
        g, X = np.repeat(np.arange(10), 8), rng.normal(size=(80, 2))
        y = rng.normal(size=80) + np.sum(X * rng.normal(size=(10, 2))[g], axis=1)
        fit = mc.glmm("y ~ a + b", pd.DataFrame({"y": y, "a": X[:, 0], "b": X[:, 1], "g": g}))
        rejected["robust"] += fit.f_test("a, b", cluster="g")["pvalue"].item() < 0.05
        rejected["model"] += fit.f_test("a, b")["pvalue"].item() < 0.05
    assert rejected["robust"] / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert rejected["model"] / 300 > 0.2
