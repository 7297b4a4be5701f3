"""The conformance test: our models pass it, and each broken law is found and named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.families import Poisson
from mixcheck.port import DataView
from mixcheck.predictive import ConditionalDistribution, quantile_residuals
from mixcheck.testing import BrokenLaw, check_model_port

N = 40


@dataclass(frozen=True, eq=False)
class _Known:
    """A Poisson regression with known means: the least that can be refitted."""

    mean: float = 2.0
    response: np.ndarray | None = None
    discrete: bool = True

    @property
    def frame(self):
        return pd.DataFrame({"row": np.arange(N)})

    @property
    def description(self):
        return {"formula": "known"}

    @property
    def eta(self):
        return (np.full(N, np.log(self.mean)),)

    def see(self, y, rng):
        given = ConditionalDistribution(Poisson(), self.eta, None)
        mean = given.mean()
        r = quantile_residuals(given, y, rng.random(N))
        return DataView(y, r, mean, mean, mean, mean, mean, probability=given.probability)

    def observe(self, conditioning, rng):
        y = np.full(N, 2.0) if self.response is None else self.response
        return self.see(y, rng)

    def replicate(self, conditioning, rng):
        return self.see(self.respond(rng), rng)

    def respond(self, rng):
        return Poisson().sample(self.eta, None, rng)

    def refit(self, response):
        return replace(self, response=response)


cbpp = mc.datasets.load("cbpp")
OURS = {
    "poisson": lambda: mc.glmm("incidence ~ period + (1 | herd)", cbpp, family="poisson"),
    "nbinom2": lambda: mc.glmm("incidence ~ period + (1 | herd)", cbpp, family="nbinom2"),
    "binomial": lambda: mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial"),
    "gaussian": lambda: mc.glmm(
        "Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy")
    ),
    "draws": lambda: mc.from_draws(
        np.random.default_rng(1).poisson(2.0, N), np.random.default_rng(2).poisson(2.0, (99, N))
    ),
    "known": _Known,
}


@pytest.mark.parametrize("conditioning", ["posterior", "marginal", "mode"])
@pytest.mark.parametrize("name", OURS)
@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_our_models_keep_the_laws(name, conditioning):
    """Fits of ours, models known by draws, and the least class that can be written."""
    check_model_port(OURS[name], conditioning=conditioning)


class _WithoutReplicate:
    frame = description = discrete = observe = None


class _Unequal(_Known):
    def respond(self, rng):
        return rng.negative_binomial(1.0, 1.0 / 3.0, N).astype(float)


class _OwnDice(_Known):
    def observe(self, conditioning, rng):
        return super().observe(conditioning, np.random.default_rng())


class _Fixed(_Known):
    def replicate(self, conditioning, rng):
        return self.see(np.full(N, 2.0), rng)


class _Forgetful(_Known):
    def refit(self, response):
        return self


class _Elsewhere(_Known):
    def refit(self, response):
        return replace(self, response=response, mean=2.5)


class _Short(_Known):
    def see(self, y, rng):
        return super().see(y, rng).rows(np.arange(N - 1))


class _Infinite(_Known):
    def see(self, y, rng):
        return replace(super().see(y, rng), fitted=np.full(N, np.nan))


class _OtherMoments(_Known):
    def see(self, y, rng):
        seen = super().see(y, rng)
        return replace(seen, variance=1.6 * seen.variance)


class _OtherMasses(_Known):
    def see(self, y, rng):
        return replace(super().see(y, rng), probability=lambda k: np.full(N, 0.3))


class _Continuous(_Known):
    discrete = False


class _Unpicklable(_Known):
    def __reduce__(self):
        raise TypeError("it holds a lock")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_WithoutReplicate, "is not Checkable: it lacks replicate"),
        (_Unequal, "the variance of the residuals|mean of the residuals|share of residuals"),
        (_OwnDice, "observe gives another residuals from the same stream"),
        (_Fixed, "the same response from every stream"),
        (_Forgetful, "observes another one"),
        (_Elsewhere, "refit to its own response is another model"),
        (_Short, "response must have the 40 rows of frame"),
        (_Infinite, "fitted must be finite"),
        (_Unpicklable, "must pickle, so that workers can have it: TypeError: it holds a lock"),
        (_OtherMoments, r"\(response - mean\)\^2 / variance"),
        (_OtherMasses, "the frequency of 0 less its probability"),
        (lambda: _Continuous(discrete=False), "probability must be there where"),
    ],
)
def test_a_broken_law_is_named(broken, message):
    """One error, that says which law and what was found."""
    with pytest.raises(BrokenLaw, match=message):
        check_model_port(broken)


def test_one_error_for_tests_and_for_programs():
    """It is a failure for pytest, and an error of the library."""
    assert issubclass(BrokenLaw, AssertionError)
    assert issubclass(BrokenLaw, mc.MixcheckError)


def test_arguments_are_read():
    """Too few replicates tell nothing."""
    with pytest.raises(mc.OptionError, match="replicates must be a whole number of at least 40"):
        check_model_port(_Known, replicates=5)
    with pytest.raises(mc.OptionError, match="conditioning"):
        check_model_port(_Known, conditioning="modes")
