"""The likelihood by groups."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.influence.by_group import (
    differentiate_groups,
    find_grouping,
    group_logliks,
    split,
)
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import Groupwise, port_of

NAMES = ("cbpp", "epil", "sleepstudy", "grouseticks")
# Modes are accepted at a decrement of 1e-16, so that log determinants are good to 1e-8.
SUM_TOLERANCE = 1e-8
# Gradients carry the same error; information is a difference of them over 8e-3.
SCORE_TOLERANCE = 1e-7
INFORMATION_TOLERANCE = 1e-5


@pytest.fixture(params=[*NAMES, "expected", "agq", "fixed"])
def model(request: pytest.FixtureRequest) -> mc.GLMM:
    """One and several factors, both informations, quadrature, and no random effects."""
    data = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    if request.param == "expected":
        probit = mc.families.Binomial(link="probit")
        return mc.glmm(formula, data, family=probit, hessian="expected")
    if request.param == "agq":
        return mc.glmm(formula, data, family="binomial", method="agq", nodes=7)
    if request.param == "fixed":
        return mc.glmm("incidence / size ~ period", data, family="binomial")
    fitted: mc.GLMM = request.getfixturevalue(request.param)
    return fitted


def _group(model: mc.GLMM) -> str | None:
    return None if port_of(model).problem.terms else "herd"


def test_contributions_sum_to_the_likelihood(model):
    """The log-likelihoods of the groups sum to that of the model."""
    found = port_of(model).group_loglik(_group(model))
    assert found.sum() == pytest.approx(model.llf, abs=SUM_TOLERANCE)
    assert found.index.equals(port_of(model).group_levels(_group(model)))


def test_together_and_apart(model):
    """All groups at once have the likelihoods, gradients and information of each alone."""
    grouping = find_grouping(port_of(model).design, port_of(model).problem, _group(model))
    port = port_of(model)
    psi, root = port.optimum.psi, port._root
    together = group_logliks(port.problem, port.method, grouping, psi)
    apart = group_logliks(port.problem, port.method, grouping, np.tile(psi, (together.size, 1)))
    np.testing.assert_allclose(together, apart, atol=SUM_TOLERANCE)
    found = differentiate_groups(port.problem, port.method, grouping, psi, root)
    parts = split(port.problem, port.method, grouping)
    for g in range(0, len(parts), 7):
        objective = objective_of(parts[g], port.method)
        at = objective(psi, None)
        np.testing.assert_allclose(
            found.scores[g] @ root, -0.5 * at.gradient @ root, atol=SCORE_TOLERANCE
        )
        hessian = 0.5 * differentiate_gradient(objective, psi, root, at)
        np.testing.assert_allclose(
            root.T @ found.information[g] @ root,
            root.T @ hessian @ root,
            atol=INFORMATION_TOLERANCE,
        )


def test_derivatives_sum_to_those_of_the_model(model):
    """Scores sum to zero at the optimum, and information to the inverse covariance."""
    found = port_of(model).group_derivatives(_group(model))
    root = port_of(model)._root
    np.testing.assert_allclose(found.scores.sum(axis=0) @ root, 0.0, atol=1e-5)
    whole = root.T @ found.information.sum(axis=0) @ root
    # The covariance leaves flat directions out, and the root does not.
    np.testing.assert_allclose(whole, 0.5 * np.eye(root.shape[0]), atol=1e-3)


def test_prediction_of_a_group(cbpp):
    """What is predicted of a herd is its likelihood at the estimates without it."""
    herd = port_of(cbpp).group_levels()[4]
    data = mc.datasets.load("cbpp")
    rest = mc.glmm(cbpp.formula, data[data["herd"] != herd], family="binomial")
    expected = port_of(cbpp).group_loglik(None, port_of(rest).optimum.psi)[herd]
    assert port_of(cbpp).predict_group(None, 4) == pytest.approx(expected, abs=1e-6)


def test_coarser_columns(grouseticks):
    """A column that contains all factors divides the likelihood too."""
    found = port_of(grouseticks).group_loglik("LOCATION")
    assert found.sum() == pytest.approx(grouseticks.llf, abs=SUM_TOLERANCE)
    assert found.index.name == "LOCATION"
    with pytest.raises(mc.OptionError, match="no sum over the levels of 'BROOD'"):
        port_of(grouseticks).group_loglik("BROOD")


def test_crossed_factors():
    """Crossed factors have no coarsest one, and the message names them."""
    data = mc.datasets.load("Pastes")
    data["cask"] = data["cask"].astype(str)
    model = mc.glmm("strength ~ 1 + (1 | batch) + (1 | cask)", data)
    with pytest.raises(mc.OptionError, match="'batch', 'cask' are crossed"):
        port_of(model).group_levels()


def test_names(cbpp):
    """Unknown names list what there is; without random effects a name is needed."""
    with pytest.raises(mc.OptionError, match=r"grouping factor of the model \('herd'\)"):
        port_of(cbpp).group_loglik("farm")
    model = mc.glmm("Reaction ~ Days", mc.datasets.load("sleepstudy"))
    with pytest.raises(mc.OptionError, match="no groups; write group="):
        port_of(model).group_levels()


def test_reml_has_no_groups():
    """A restricted likelihood is no product over groups."""
    model = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"), reml=True)
    with pytest.raises(mc.OptionError, match="no product over groups"):
        port_of(model).group_loglik()


def test_it_meets_the_port(cbpp):
    """A fit is a model whose likelihood is known by groups."""
    assert isinstance(port_of(cbpp), Groupwise)


def test_group_left_out_far_from_zero() -> None:
    """What a group left out is worth does not depend on the origin of a slope's covariate."""
    rng = np.random.default_rng(7)
    g, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    y = x + rng.normal(size=12)[g] + 0.5 * rng.normal(size=12)[g] * x + rng.normal(size=120)
    near, far = (
        mc.glmm("y ~ x + (x | g)", {"y": y, "x": x + origin, "g": g}) for origin in (0.0, 1e6)
    )
    assert mc.logo(far).total == pytest.approx(mc.logo(near).total, abs=1e-6)
