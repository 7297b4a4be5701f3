"""What a family says of itself is so, and a family of fifty lines goes through everything."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special

import mixcheck as mc
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import FamilyError
from mixcheck.families.derivatives import Derivatives, Expected, Predictors
from mixcheck.families.family import Family
from mixcheck.families.registry import FAMILIES
from mixcheck.families.responses import Observed
from mixcheck.families.template import Template
from mixcheck.families.zero_part import add_zeros

SOURCE = Path(mc.__file__).parent
PLANNED = ("genpois", "compois", "t")
"""Families that a remedy may name before they are there; it then says so."""
LINEAR = 1e-9
"""Second differences of a log density that is linear, relative to it."""
INTEGRAL = 1e-7
"""Of adaptive quadrature."""


def families() -> list[Family]:
    """Every family with each of its links, alone and with a zero part."""
    alone = [make(link=link) for make in FAMILIES.values() for link in make.allowed_links]
    return [*alone, *(add_zeros(f) for f in alone if f.zero_part is not None)]


ALL = [
    pytest.param(family, id=f"{family.name}-{family.link.name}", marks=()) for family in families()
]
EVERY = pytest.mark.parametrize("family", ALL)


def somewhere(family: Family, n: int = 6) -> Predictors:
    """Predictors inside the domain of every family and link."""
    inner = -0.3 if family.link.name in ("log",) and family.takes_trials else 0.5
    return (
        np.full(n, inner),
        *(np.full(n, 0.4 * k) for k, _ in enumerate(family.predictors[1:], 1)),
    )


@EVERY
def test_a_harmless_response_is_inside_the_support(family: Family) -> None:
    """The response that stands in for others has a finite log density."""
    size = np.ones(1) if family.takes_trials else None
    data = family.prepare(np.full(1, family.harmless), size)
    assert np.isfinite(family.log_density(data, somewhere(family, 1))).all()


@EVERY
def test_a_link_leaves_where_it_gives_no_mean(family: Family) -> None:
    """Predictors from -3 to 3 all have a finite log density unless the family says otherwise."""
    eta = np.linspace(-3.0, 3.0, 6)
    if family.link.name == "inverse" and not family.may_leave:
        eta = eta[eta != 0.0]
    rest = somewhere(family, eta.size)[1:]
    size = np.full(eta.size, 3.0) if family.takes_trials else None
    data = family.prepare(np.full(eta.size, family.harmless), size)
    assert np.isfinite(family.log_density(data, (eta, *rest))).all() != family.may_leave


@EVERY
def test_two_ends_are_those_of_recession(family: Family) -> None:
    """A predictor that some row sends either way is two-ended, and no other is."""
    rows = np.array([0.0, 1.0, 2.0, 3.0])
    if family.takes_trials:
        data = family.prepare(rows, np.full(4, 3.0))
    else:
        data = family.prepare(np.where(_allowed(family, rows), rows, family.harmless))
    ways = family.recession(data)
    both = tuple({-1, 1} <= set(way.tolist()) for way in ways)
    leads = family.link.name in ("identity", "sqrt", "inverse", "log")
    expected = tuple(two and not (k == 0 and leads) for k, two in enumerate(family.two_ended))
    assert both == expected


def _allowed(family: Family, rows: np.ndarray) -> np.ndarray:
    out = []
    for y in rows:
        try:
            family.prepare(np.array([y]))
        except FamilyError:
            out.append(False)
        else:
            out.append(True)
    return np.array(out)


@pytest.mark.parametrize("family", [make() for make in FAMILIES.values()], ids=lambda f: f.name)
def test_linear_in_the_response(family: Family) -> None:
    """The log density less its constant has second differences of zero where it is said."""
    y = np.array([1.0, 2.0, 3.0]) * family.harmless * (0.4 if family.harmless < 1.0 else 1.0)
    data = family.prepare(y, np.full(3, 5.0) if family.takes_trials else None)
    held = family.log_density(data, somewhere(family, 3)) - data.constant
    bend = abs(held[2] - 2.0 * held[1] + held[0])
    if family.canonical_link is not None:
        assert bend < LINEAR * np.abs(held).max()
    elif family.name != "truncated_poisson":  # linear, but a difference leads out of its support
        assert bend > LINEAR * np.abs(held).max()


@EVERY
def test_normal_part_in_closed_form(family: Family) -> None:
    """Where a family has predictors with a normal part, they give the integral over it."""
    eta, variance = somewhere(family, 1), np.full(1, 0.7)
    closed = family.add_normal(eta, variance)
    assert (closed is not None) == family.is_linear
    if closed is None:
        return
    data = family.prepare(np.full(1, 1.3))

    def integrand(z: float) -> float:
        moved = (eta[0] + z * np.sqrt(0.7), *eta[1:])
        weight = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return float(np.exp(family.log_density(data, moved)[0]) * weight)

    exact, _ = integrate.quad(integrand, -12.0, 12.0)
    np.testing.assert_allclose(np.exp(family.log_density(data, closed)[0]), exact, rtol=INTEGRAL)


def test_families_name_families_that_are_there() -> None:
    """What a family names to try in its place is in the registry, or known to be missing."""
    for family in FAMILIES.values():
        others = (*family.wider, *family.narrower, *family.alike)
        named = {*others, *([family.without_zeros] if family.without_zeros else [])}
        assert named - set(FAMILIES) <= set(PLANNED)
        assert family.name not in named


def test_names_elsewhere_are_of_one_family() -> None:
    """No name elsewhere is claimed twice, and none needs another spelling to be found."""
    names = [
        name
        for family in FAMILIES.values()
        for name in (*family.also_called.split(), *family.also_called_with_zeros.split())
    ]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z0-9]+", name) for name in names)


def test_no_one_asks_a_family_for_its_name() -> None:
    """Outside the room of the families none is told by its name or its class."""
    found = []
    made = {
        *(family.__name__ for family in FAMILIES.values()),
        "ZeroPart",
        "ZeroInflated",
        "Hurdle",
    }
    for path in SOURCE.rglob("*.py"):
        if path.parent.name == "families":
            continue
        source = path.read_text(encoding="utf-8")
        if "family.name" not in source and not any(name in source for name in made):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                if re.search(r"family\.name\b.*['\"]", text):
                    found.append(f"{path.name}: {text}")
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "isinstance":
                text = ast.unparse(node)
                asked = set(re.findall(r"\w+", text.partition(",")[2]))
                found += [f"{path.name}: {text}"] if asked & made else []
    assert found == []


# ---- a family of its own ---------------------------------------------------------------------


@final
@dataclass(frozen=True, init=False, repr=False)
class HalfNormal(Template):
    """The absolute value of a centred normal response: the distance from a target."""

    name: ClassVar[str] = "halfnormal"
    predictors: ClassVar[tuple[str, ...]] = ("mean",)
    allowed_links: ClassVar[tuple[str, ...]] = ("log", "identity")
    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    zero_part = "hurdle"
    support: ClassVar[tuple[str, str]] = ("be positive", "Take absolute values.")

    def contains(self, y: FloatArray) -> BoolArray:
        """Whether a response is positive, ``(n,)``."""
        return np.asarray(y > 0.0)

    def constant(self, y: FloatArray) -> FloatArray:
        """``log(2 / pi)``, ``(n,)``."""
        return np.full(y.shape, np.log(2.0 / np.pi))

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where the mean is positive and can be cubed, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return np.asarray((mu > 1e-100) & (mu < 1e100))

    def derive_outer(
        self, data: Observed, mu: FloatArray, others: Predictors, order: int
    ) -> Derivatives:
        """``log f = log(2 / pi) - log mu - y^2 / (pi mu^2)``, in the mean."""
        r = data.y**2 / (np.pi * mu**2)
        return Derivatives(
            data.constant - np.log(mu) - r,
            ((2.0 * r - 1.0) / mu,),
            {(0, 0): (1.0 - 6.0 * r) / mu**2},
            {(0, 0, 0): (24.0 * r - 2.0) / mu**3},
        )

    def expect_outer(self, mu: FloatArray, others: Predictors) -> Expected:
        """``2 / mu^2``, since the expectation of r is one half."""
        return {(0, 0): 2.0 / mu**2}, {((0, 0), 0): -4.0 / mu**3}

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """``mu^2 (pi / 2 - 1)``, ``(n,)``."""
        return self.link.inverse(eta[0]) ** 2 * (0.5 * np.pi - 1.0)

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        return special.erf(np.maximum(y, 0.0) / (self.link.inverse(eta[0]) * np.sqrt(np.pi)))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return np.abs(rng.standard_normal(mu.shape)) * mu * np.sqrt(0.5 * np.pi)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> type[Family]:
    """The family under its name."""
    monkeypatch.setitem(FAMILIES, HalfNormal.name, HalfNormal)
    return HalfNormal


def distances() -> pd.DataFrame:
    """Distances from a target by 20 archers."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(20), 15), rng.normal(size=300)
    eta = 0.3 + 0.4 * x + rng.normal(0.0, 0.5, 20)[g]
    return pd.DataFrame({"y": HalfNormal().sample((eta,), None, rng), "x": x, "g": g})


def test_a_family_of_its_own_is_fitted(registered: type[Family]) -> None:
    """By its name, by quadrature, refitted, simulated, predicted, checked and compared."""
    data = distances()
    fit = mc.glmm("y ~ x + (1 | g)", data, family="halfnormal")
    assert fit.converged
    assert fit.n_parameters == 3
    assert (np.abs(fit.params - [0.3, 0.4]) < 4.0 * fit.bse).all()
    # A half-normal response is gamma distributed once squared, with shape one half and mean
    # sigma^2 = mu^2 pi / 2: the same likelihood but for the Jacobian and half the coefficients.
    squares = data.assign(z=data.y**2, k=np.log(0.5))
    other = mc.glmm("z ~ x + (1 | g)", squares, family="gamma", dispersion="~ 0 + offset(k)")
    jacobian = float(np.log(2.0 * data.y).sum())
    np.testing.assert_allclose(fit.llf, other.llf + jacobian, rtol=1e-7)
    np.testing.assert_allclose(2.0 * fit.params["x"], other.params["x"], rtol=1e-4)
    agq = mc.glmm("y ~ x + (1 | g)", data, family="halfnormal", method="agq", nodes=9)
    other = mc.glmm(
        "z ~ x + (1 | g)",
        squares,
        family="gamma",
        dispersion="~ 0 + offset(k)",
        method="agq",
        nodes=9,
    )
    np.testing.assert_allclose(agq.llf, other.llf + jacobian, rtol=1e-7)
    again = fit.refit(fit.simulate(1, seed=1)[0])
    assert again.converged
    assert (fit.predict({"x": [0.0, 1.0]}, random_effects="marginal") > 0.0).all()
    report = mc.check(fit, seed=1, calibration="plug-in")
    assert report.verdict.name == "PASS"
    assert mc.caic(fit).df > 2.0
    assert np.isfinite(mc.loo(fit).scores).all()


def test_a_family_of_its_own_by_its_class() -> None:
    """A class that no registry knows is a family too, and can have a zero part."""
    data = distances()
    data.loc[::4, "y"] = 0.0
    fit = mc.glmm("y ~ x + (1 | g)", data, family=HalfNormal, zi="~ 1")
    np.testing.assert_allclose(special.expit(fit.params["zi: Intercept"]), 0.25, rtol=1e-3)


def test_a_response_outside_the_support_of_a_family_of_its_own() -> None:
    """The template tells which row is at fault and what to write."""
    with pytest.raises(FamilyError, match=r"halfnormal response must be positive; .* Take absolut"):
        mc.glmm("y ~ 1", {"y": [1.0, -1.0, 2.0]}, family=HalfNormal)
