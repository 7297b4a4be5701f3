"""Replicate data sets made together are those made one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, FamilyError
from mixcheck.execution.streams import stream
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.predictive import replicates
from mixcheck.fitting.predictive.replicates import Stack, find_modes, replicate, replicate_many
from mixcheck.port import port_of

# Arithmetic is that of each data set alone; the C library may round its last digit by place.
ROUNDING = 1e-12
# Modes are found to a Newton decrement of 1e-16, whose root is their error in standard ones.
MODE = 1e-7

MODELS = {
    "poisson": ("y ~ x + (1 | g)", {"family": "poisson"}),
    "slopes": ("y ~ x + (x | g)", {"family": "nbinom2"}),
    "nested": ("y ~ x + (1 | g/h)", {"family": "nbinom1"}),
    "crossed": ("y ~ x + (1 | g) + (1 | f)", {"family": "poisson"}),
    "zero part": ("y ~ x + (1 | g)", {"family": "nbinom2", "zi": "~ 1"}),
    "random zero part": ("y ~ x + (1 | g)", {"family": "poisson", "zi": "~ (1 | f)"}),
    "hurdle": ("y ~ x + (1 | g)", {"family": "truncated_poisson", "zi": "~ 1"}),
    "gaussian": ("v ~ x + (1 | g)", {"family": "gaussian"}),
    "binomial": ("k / n ~ x + (1 | g)", {"family": "binomial"}),
    "sqrt link": ("y ~ x + (1 | g)", {"family": mc.families.Poisson(link="sqrt")}),
    "fixed": ("y ~ x", {"family": "nbinom2"}),
}


@pytest.fixture(scope="module")
def data():
    """Counts with groups, rows in no order of theirs."""
    rng = np.random.default_rng(7)
    g, f = rng.integers(0, 9, 90), rng.integers(0, 6, 90)
    x = rng.normal(size=90)
    mean = np.exp(1.0 + 0.3 * x + 0.5 * rng.normal(size=9)[g])
    y = rng.poisson(mean) * (rng.random(90) > 0.2)
    n = rng.integers(2, 8, 90)
    return pd.DataFrame(
        {"y": y, "x": x, "g": g, "f": f, "h": rng.integers(0, 3, 90), "n": n}
    ).assign(k=rng.binomial(n, 0.4), v=np.log1p(y) + rng.normal(size=90))


@pytest.fixture(scope="module", params=MODELS)
def fit(request, data):
    """A fit of each kind."""
    formula, options = MODELS[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mc.glmm(formula, data, **options)


def streams(count):
    """Random streams as a check has them."""
    return [stream(1, 1, k) for k in range(count)]


@pytest.mark.parametrize("conditioning", ["posterior", "mode"])
def test_together_they_are_what_they_are_alone(fit, conditioning):
    """Whatever is made beside it, a data set is the same; and so are its probabilities."""
    together = port_of(fit).replicate_many(conditioning, streams(7))
    alone = [port_of(fit).replicate(conditioning, rng) for rng in streams(7)]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.response, other.response)
        for name in ("residuals", "fitted", "mean", "variance", "mode_mean", "mode_variance"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=ROUNDING)
        for part, rows in one.scores.items():
            np.testing.assert_allclose(rows, other.scores[part], rtol=ROUNDING, atol=ROUNDING)
            np.testing.assert_allclose(one.predictors[part], other.predictors[part], atol=ROUNDING)
        assert list(one.effects) == list(other.effects)
        for name, values in one.effects.items():
            np.testing.assert_allclose(values, other.effects[name], rtol=0, atol=ROUNDING)
        if one.probability is not None:
            for value in (0.0, 2.0):
                np.testing.assert_allclose(
                    one.probability(value), other.probability(value), rtol=ROUNDING
                )


def test_modes_are_those_of_a_search_for_each(fit):
    """Each copy ends at the mode that Newton's method with step halving finds for it alone."""
    view, rng = port_of(fit)._view, np.random.default_rng(3)
    problem, copies = view.problem, 5
    u = [
        np.concatenate([view.new_effects(rng)[f] for _ in range(copies)], axis=1)
        for f in range(len(problem.latent.factors))
    ]
    y = np.concatenate([problem.data.y[rng.permutation(problem.n)] for _ in range(copies)])
    if problem.data.size is not None:
        y = np.minimum(y, np.tile(problem.data.size, copies))
    data = problem.family.prepare(y, Stack(view, copies).problem.data.size)
    found, lost = find_modes(view, data, u, copies)
    assert lost == []
    for k in range(copies):
        one = problem.with_rows(y[k * problem.n : (k + 1) * problem.n])
        mode = find_mode(one, view.base, view.roots, one.latent.zeros())
        for part, expected in zip(found, mode.point.u, strict=True):
            held = part.reshape(len(part), copies, -1)[:, k]
            np.testing.assert_allclose(held, expected, rtol=0, atol=MODE)


def test_the_marginal_law_is_that_of_each(data):
    """Random effects integrated out: the same in a stack."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family="nbinom2")
    together = port_of(fit).replicate_many("marginal", streams(3))
    for rng, one in zip(streams(3), together, strict=True):
        other = port_of(fit).replicate("marginal", rng)
        np.testing.assert_allclose(one.residuals, other.residuals, rtol=ROUNDING)
        assert one.effects == {}


def test_a_data_set_without_a_mode_is_told_and_the_others_stay(data, monkeypatch):
    """One data set whose search ends nowhere takes no other one with it."""
    view = port_of(mc.glmm("y ~ x + (1 | g) + (1 | f)", data, family="poisson"))._view
    whole = replicate_many(view, "posterior", streams(3))
    lost = whole[1].response[view.problem.order]

    def fails(problem, *arguments, **options):
        same = np.array_equal(problem.data.y, lost)
        return None if same else find_mode(problem, *arguments, **options)

    monkeypatch.setattr(replicates, "find_mode", fails)
    found = replicate_many(view, "posterior", streams(3))
    assert isinstance(found[1], ConvergenceError)
    for k in (0, 2):
        np.testing.assert_array_equal(found[k].residuals, whole[k].residuals)
    with pytest.raises(ConvergenceError, match="no conditional mode"):
        replicate(view, "posterior", streams(3)[1])


def test_a_response_outside_the_support_is_told_and_the_others_stay(data, monkeypatch):
    """What cannot be a response of the family is the reason for one data set alone."""
    view = port_of(mc.glmm("y ~ x + (1 | g)", data, family="poisson"))._view
    whole = replicate_many(view, "posterior", streams(3))
    respond, seen = replicates.respond, []

    def wrong(*arguments):
        seen.append(respond(*arguments))
        return seen[-1] - 1e3 if len(seen) == 2 else seen[-1]

    monkeypatch.setattr(replicates, "respond", wrong)
    found = replicate_many(view, "posterior", streams(3))
    assert isinstance(found[1], FamilyError)
    np.testing.assert_allclose(found[2].residuals, whole[2].residuals, rtol=ROUNDING)


def test_information_that_is_not_positive_leaves_the_others_alone(data, monkeypatch):
    """Where one copy has no Newton step, it is sought by itself, and the rest go on."""
    view = port_of(mc.glmm("y ~ x + (1 | g)", data, family="poisson"))._view
    whole = replicate_many(view, "posterior", streams(6))
    bad, calls = whole[4].response[view.problem.order], []
    build = replicates.build_system

    def indefinite(problem, *arguments, **options):
        rows = problem.data.y.reshape(-1, bad.size)
        return None if (rows == bad).all(axis=1).any() else build(problem, *arguments, **options)

    def alone(problem, *arguments, **options):
        calls.append(problem.data.y)
        return find_mode(problem, *arguments, **options)

    monkeypatch.setattr(replicates, "build_system", indefinite)
    monkeypatch.setattr(replicates, "find_mode", alone)
    found = replicate_many(view, "posterior", streams(6))
    assert len(calls) == 1
    np.testing.assert_array_equal(calls[0], bad)
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_allclose(one.mode_mean, other.mode_mean, rtol=MODE)


def test_no_streams_no_data_sets(data):
    """Nothing asked for is nothing made."""
    fit = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    assert port_of(fit).replicate_many("posterior", []) == []
