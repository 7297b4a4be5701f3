"""The latent system with a Schur complement that is never formed, against dense linear algebra."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mixcheck.fitting.latent import iterated_elimination, layout
from mixcheck.fitting.latent.factorization import factorize, log_det_slopes
from mixcheck.fitting.latent.iterated_elimination import IteratedElimination

# Condition numbers here are below 1e4.
ROUNDING = 1e-10
# Of solutions by iterations.
ITERATED = 1e-6
# Central differences: the error is of the square of the step, in units of Lambda, about one.
STEP = 1e-4
TRUNCATION = 1e-6
CROSSED = [
    "crossed",
    "crossed_vector",
    "three_crossed",
    "nested_crossed",
    "nested_two_crossed",
    "two_predictors_crossed",
]


def held(small: SimpleNamespace, layout: str) -> tuple[SimpleNamespace, dict]:
    """A case and weights of its rows."""
    several = layout in small.several
    case = small.case(layout, "gaussian-identity" if several else "poisson-log", 5)
    rng = np.random.default_rng(1)
    weights = {(0, 0): rng.uniform(0.2, 3.0, case.problem.n)}
    if several:
        weights |= {(1, 1): rng.uniform(2.0, 3.0, case.problem.n)}
        weights |= {(0, 1): rng.uniform(-0.5, 0.5, case.problem.n)}
    return case, weights


def iterated(case: SimpleNamespace, weights: dict, roots: list, *, convex: bool):
    """The system of these roots, without a Schur complement."""
    latent = case.problem.latent.iterated
    found = factorize(latent, latent.gram(weights), roots, convex=convex)
    assert isinstance(found, IteratedElimination)
    return found


@pytest.mark.parametrize("formed", ["iterated", "indefinite", "slow"])
@pytest.mark.parametrize("layout", CROSSED)
def test_solutions_and_roots(small, layout, formed, monkeypatch):
    """Those of the dense H, by iterations or by the matrix where these are not for it."""
    if formed == "slow":
        monkeypatch.setattr(iterated_elimination, "_MOST_STEPS", 1)
    case, weights = held(small, layout)
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    found = iterated(case, weights, roots, convex=formed != "indefinite")
    latent, inverse = found.latent, np.linalg.inv(small.system(case.problem, roots, weights))
    b = np.random.default_rng(2).normal(size=latent.size)
    np.testing.assert_allclose(
        small.flatten(found.solve(small.split(latent, b))), inverse @ b, atol=ITERATED
    )
    root = np.column_stack(
        [
            small.flatten(found.apply_inverse_root(small.split(latent, e)))
            for e in np.eye(latent.size)
        ]
    )
    np.testing.assert_allclose(root @ root.T, inverse, atol=ITERATED)


@pytest.mark.parametrize("layout", CROSSED)
def test_log_determinant_is_cut(small, layout):
    """It is that of H with the Schur complement cut down to its levels, by dense algebra."""
    case, weights = held(small, layout)
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    found = iterated(case, weights, roots, convex=True)
    H = small.system(case.problem, roots, weights)
    latent = found.latent
    nested = sum(f.q * f.m for f in latent.factors[: latent.n_nested])
    A, B, C = H[:nested, :nested], H[:nested, nested:], H[nested:, nested:]
    schur = C - B.T @ np.linalg.solve(A, B)
    wanted, start = np.linalg.slogdet(A)[1], 0
    for r in latent.schur_factors:
        q, m = latent.factors[r].shape
        for level in range(m):
            own = start + level + m * np.arange(q)
            wanted += np.linalg.slogdet(schur[np.ix_(own, own)])[1]
        start += q * m
    assert found.log_det() == pytest.approx(wanted, abs=ROUNDING)


@pytest.mark.parametrize("layout", CROSSED)
def test_entries_are_its_slopes(small, layout):
    """`inverse_entries` give the derivatives of the cut log determinant in every Lambda."""
    case, weights = held(small, layout)
    problem = case.problem
    roots = problem.roots(case.psi[problem.n_beta :])
    found = iterated(case, weights, roots, convex=True)
    gram = found.latent.gram(weights)
    slopes = log_det_slopes(gram, found.inverse_entries(), roots)
    for f, root in enumerate(roots):
        for a, b in np.ndindex(root.shape):
            ends = []
            for sign in (1.0, -1.0):
                moved = [part.copy() for part in roots]
                moved[f][a, b] += sign * STEP
                ends.append(iterated(case, weights, moved, convex=True).log_det())
            wanted = (ends[0] - ends[1]) / (2.0 * STEP)
            assert slopes[f][a, b] == pytest.approx(wanted, abs=TRUNCATION * max(1.0, abs(wanted)))


@pytest.mark.parametrize(
    ("layout", "formed"),
    [
        pytest.param(
            layout, formed, marks=[] if formed or layout == "crossed" else [pytest.mark.slow]
        )
        for layout in CROSSED
        for formed in (False, True)
    ],
)
def test_blocks_of_levels(small, layout, formed, monkeypatch):
    """Those of the dense inverse: of crossed factors, or of all where the matrix is formed.

    Probes are mean products of signs: of so many, off by some hundredths at most.
    """
    monkeypatch.setattr(iterated_elimination, "_PROBES", 3000)
    case, weights = held(small, layout)
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    found = iterated(case, weights, roots, convex=not formed)
    inverse = np.linalg.inv(small.system(case.problem, roots, weights))
    start, cut = 0, found.inverse_entries()
    for f, (factor, block) in enumerate(
        zip(found.latent.factors, found.level_blocks(), strict=True)
    ):
        own = start + np.arange(factor.q * factor.m).reshape(factor.q, factor.m)
        wanted = inverse[own[:, None], own[None]]
        start += factor.q * factor.m
        if formed:
            np.testing.assert_allclose(block, wanted, atol=ROUNDING)
        elif f in found.latent.schur_factors:
            size = wanted.diagonal().max()
            np.testing.assert_allclose(block, wanted, atol=0.02 * size)
            assert np.abs(block - wanted).max() < np.abs(cut[f, f] - wanted).max()


def test_what_is_not_positive_definite_is_said(small):
    """None where S is not, however positive its diagonal."""
    case, weights = held(small, "crossed")
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    latent = case.problem.latent.iterated
    negative = {(0, 0): -5.0 * weights[0, 0]}
    assert factorize(latent, latent.gram(negative), roots) is None
    half = {(0, 0): np.where(np.arange(case.problem.n) % 2, -1.2, 1.0) * weights[0, 0]}
    whole = factorize(case.problem.latent, case.problem.latent.gram(half), roots)
    assert (whole is None) == (factorize(latent, latent.gram(half), roots) is None)


def test_large_matrices_are_not_formed(small, monkeypatch):
    """Beyond a size what may be indefinite is no system, and what is not solved says so."""
    monkeypatch.setattr(iterated_elimination, "_MOST_FORMED", 1)
    case, weights = held(small, "crossed")
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    latent = case.problem.latent.iterated
    assert factorize(latent, latent.gram(weights), roots, convex=False) is None
    found = iterated(case, weights, roots, convex=True)
    rhs = [np.ones(f.shape) for f in latent.factors]
    assert np.isfinite(small.flatten(found.solve(rhs))).all()
    monkeypatch.setattr(iterated_elimination, "_MOST_STEPS", 1)
    with pytest.raises(np.linalg.LinAlgError, match="iterations"):
        found.solve(rhs)


def test_design_is_looked_at_once(small, monkeypatch):
    """The iterated layout shares what the other one knows of the design."""
    monkeypatch.setattr(layout, "_MOST_DENSE", 1)
    latent = small.case("crossed", "poisson-log", 5).problem.latent
    assert latent.iterated is latent.iterated
    assert latent.iterated.pairs is latent.pairs
    assert latent.dear
    assert not latent.iterated.dear
