"""Leave-one-group-out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.group_scores import newton_steps, whitening
from mixcheck.port import GroupDerivatives, port_of

from .conftest import Known, fit

# The reference refits stop at gradients of 1e-7.
EXACT_TOLERANCE = 1e-3
NEWTON_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def published():
    """The three models that the references were computed for."""
    epil = mc.datasets.load("epil")
    epil["lbase4"] = np.log(epil["base"] / 4.0)
    epil["lage2"] = np.log(epil["age"])
    for name in ("lbase4", "lage2"):
        epil[name] -= epil[name].mean()
    formula = "y ~ lbase4 * trt + lage2 + V4 + (1 | subject)"
    return {
        "epil": mc.glmm(formula, epil, family="poisson"),
        "bacteria": fit("bacteria", "y ~ trt + {week > 2} + (1 | ID)", "binomial"),
        "sleepstudy": fit("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    }


@pytest.mark.parametrize(
    ("name", "groups", "exact", "newton", "tic"),
    [
        ("epil", 59, -674.0531, -674.5877, 7.18),
        ("bacteria", 50, -101.4922, -101.6440, 4.76),
        ("sleepstudy", 18, -891.8738, -895.6623, 11.60),
    ],
)
def test_against_dense_refits(published, name, groups, exact, newton, tic):
    """Totals of an independent dense implementation, by refits and by one Newton step."""
    refitted = mc.logo(published[name], method="refit")
    stepped = mc.logo(published[name], method="one-step")
    assert refitted.scores.size == groups
    assert refitted.total == pytest.approx(exact, abs=EXACT_TOLERANCE)
    assert stepped.total == pytest.approx(newton, abs=NEWTON_TOLERANCE)
    assert stepped.tic_penalty == pytest.approx(tic, abs=0.01)
    assert refitted.optimism == pytest.approx(published[name].llf - exact, abs=EXACT_TOLERANCE)


def test_few_groups_are_refitted(published):
    """Without a method, up to a hundred groups are left out exactly, and the record says so."""
    found = mc.logo(published["sleepstudy"])
    assert found.method == "refit"
    assert any("18 levels are few" in note for note in found.notes)


def test_many_groups_take_one_step():
    """More than a hundred groups take one Newton step."""
    found = mc.logo(fit("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson"))
    assert (found.method, found.scores.size) == ("one-step", 118)


def test_against_a_fit_without_the_group(published):
    """The score of a subject is what a fit to the other subjects says of it."""
    data = mc.datasets.load("sleepstudy")
    subject = data["Subject"].iloc[0]
    rest = mc.glmm("Reaction ~ Days + (Days | Subject)", data[data["Subject"] != subject])
    own = port_of(published["sleepstudy"]).group_loglik("Subject", port_of(rest).optimum.psi)
    found = mc.logo(published["sleepstudy"], method="refit")
    assert found.scores[subject] == pytest.approx(own[subject], abs=1e-5)


def test_coarser_column():
    """A column that contains the grouping factor can be left out: both ways agree roughly."""
    data = mc.datasets.load("Pastes")
    model = mc.glmm("strength ~ 1 + (1 | sample)", data)
    exact, step = (mc.logo(model, "batch", method=m) for m in ("refit", "one-step"))
    assert exact.scores.size == 10
    assert exact.scores.index.name == "batch"
    # One step for one group of ten.
    assert step.total == pytest.approx(exact.total, abs=0.5)


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_crossed_factors():
    """Levels of a crossed factor can be left out exactly, not by one step; no optimism then."""
    data = mc.datasets.load("Pastes")
    data["day"] = np.tile(np.arange(6), 10)
    data["strength"] += 3.0 * np.sin(data["day"])
    model = mc.glmm("strength ~ 1 + (1 | batch) + (1 | day)", data)
    found = mc.logo(model, "day", method="refit")
    assert found.scores.size == 6
    assert found.optimism is None
    rest = data["day"] != 0
    fitted = mc.glmm("strength ~ 1 + (1 | batch) + (1 | day)", data[rest])
    assert np.isfinite(fitted.llf)
    with pytest.raises(mc.OptionError, match=r'or write method="refit"'):
        mc.logo(model, "day", method="one-step")
    with pytest.raises(mc.OptionError, match="crossed, so none of them is the coarsest"):
        mc.logo(model)


def test_difference(published):
    """Differences are paired: their error is that of the differences, not of both totals."""
    slope = mc.logo(published["sleepstudy"])
    level = mc.logo(fit("sleepstudy", "Reaction ~ Days + (1 | Subject)"))
    found = slope.minus(level)
    each = (slope.scores - level.scores).to_numpy()
    assert found.difference == pytest.approx(each.sum())
    assert found.se == pytest.approx(np.sqrt(18 * each.var(ddof=1)))
    assert level.minus(slope).difference == -found.difference
    assert "within two standard errors" in found.verdict


def test_level_that_cannot_be_left_out():
    """A predictor that occurs in one level alone is named with that level, by either method."""
    model = fit("cbpp", "incidence / size ~ {herd == '1'} + (1 | herd)", "binomial")
    for method in ("refit", "one-step"):
        with pytest.raises(mc.ComparisonError, match="cannot predict '1' of 'herd'"):
            mc.logo(model, method=method)


def test_newton_is_exact_for_quadratics():
    """For quadratic log-likelihoods one step is the estimate without the group."""
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((6, 3, 3))
    information = roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(3)
    centres = rng.standard_normal((6, 3))
    total = information.sum(axis=0)
    estimate = np.linalg.solve(total, np.einsum("gpq,gq->p", information, centres))
    scores = np.einsum("gpq,gq->gp", information, centres - estimate)
    basis = whitening(total)
    steps, shares = newton_steps(GroupDerivatives(scores, information, estimate), basis)
    for g in range(6):
        rest = [k for k in range(6) if k != g]
        without = np.linalg.solve(
            information[rest].sum(axis=0),
            np.einsum("gpq,gq->p", information[rest], centres[rest]),
        )
        np.testing.assert_allclose(estimate + basis @ steps[g], without, rtol=1e-9, atol=1e-9)
    assert np.all((shares > 0.0) & (shares < 1.0))


def test_whitening_leaves_flat_directions_out():
    """A parameter without information, such as a variance at zero, is left where it is."""
    basis = whitening(np.diag([4.0, 0.0, 1e-3]))
    assert basis.shape == (3, 2)
    np.testing.assert_array_equal(basis[1], 0.0)
    np.testing.assert_allclose(basis.T @ np.diag([4.0, 0.0, 1e-3]) @ basis, np.eye(2), atol=1e-12)


def test_record(published):
    """Text, HTML, JSON and table hold the totals and the levels."""
    found = mc.logo(published["bacteria"], method="one-step")
    assert "log score of groups left out" in str(found)
    assert "TIC" in str(found)
    assert "<table" in found._repr_html_()
    held = json.loads(found.to_json())
    assert held["total"] == pytest.approx(sum(held["scores"].values()))
    assert list(found.to_frame().columns) == ["score"]
    assert "groups=50" in repr(found)
    json.loads(found.minus(found).to_json())
    assert found.minus(found).verdict == "Both models predict equally well."


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {"method": "jackknife"}, "write 'one-step' or 'refit'"),
        (("nothing",), {}, "neither a grouping factor of the model"),
    ],
)
def test_bad_options(published, arguments, options, message):
    """An unknown method or group raises and lists what there is."""
    with pytest.raises(mc.OptionError, match=message):
        mc.logo(published["bacteria"], *arguments, **options)


def test_groups_of_fewer_rows(published):
    """Scores of the same levels are not compared where one model left out some of their rows."""
    sleep = mc.datasets.load("sleepstudy").iloc[1:]
    fewer = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    with pytest.raises(mc.ComparisonError, match=r"rows \(180 and 179 observations\)"):
        mc.logo(published["sleepstudy"]).minus(mc.logo(fewer))


def test_bad_models(published):
    """A model without a likelihood by groups is refused; so are scores of other groups."""
    with pytest.raises(mc.OptionError, match="known by groups"):
        mc.logo(Known())
    left, right = mc.logo(published["bacteria"]), mc.logo(published["sleepstudy"])
    with pytest.raises(mc.ComparisonError, match="differ in their rows"):
        left.minus(right)


def test_restricted_likelihood():
    """A restricted likelihood is no sum over groups."""
    model = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"), reml=True)
    with pytest.raises(mc.OptionError, match="reml=False"):
        mc.logo(model)


def test_one_level():
    """A column with one level has nothing to leave out."""
    data = mc.datasets.load("sleepstudy").assign(one=1)
    with pytest.raises(mc.OptionError, match="at least two"):
        mc.logo(mc.glmm("Reaction ~ Days + (1 | Subject)", data), "one")


def test_missing_levels():
    """A grouping column with missing values is refused."""
    data = mc.datasets.load("sleepstudy")
    data["where"] = pd.Series(data["Subject"]).astype(object).where(data["Days"] > 0, None)
    with pytest.raises(mc.OptionError, match="missing values"):
        mc.logo(mc.glmm("Reaction ~ Days + (1 | Subject)", data), "where")


@pytest.mark.parametrize(("former", "method"), [("newton", "one-step"), ("exact", "refit")])
def test_former_methods(former, method):
    """A method of the version before is read, with a warning that says what to write."""
    herds = fit("cbpp", "incidence / size ~ period + (1 | herd)", "binomial")
    with pytest.warns(FutureWarning, match=f"write method='{method}'"):
        found = mc.logo(herds, method=former)
    assert (found.method, found.total) == (method, mc.logo(herds, method=method).total)
