"""The latent system, against dense linear algebra."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mixcheck.fitting.latent import elimination_rounds, schur
from mixcheck.fitting.latent import layout as layouts
from mixcheck.fitting.latent.block_elimination import BlockElimination
from mixcheck.fitting.latent.dense_cholesky import DenseCholesky
from mixcheck.fitting.latent.elimination_order import add_fixed_effects
from mixcheck.fitting.latent.factorization import Factorization, factorize, log_det_slopes
from mixcheck.fitting.latent.factors import FixedEffects
from mixcheck.fitting.latent.sparse_elimination import SparseElimination

# Condition numbers here are below 1e4.
ROUNDING = 1e-10
# Central differences: the error is of the square of the step, in units of Lambda, about one.
STEP = 1e-4
TRUNCATION = 1e-6
PATHS = {
    "small": {},
    "rounds": {},
    "core": {},
    "default": {},
    "dense": {"_SPARSE_COST": np.inf, "_READ_COST": np.inf},
    "sparse": {"_SPARSE_COST": 0.0, "_MOST_LISTED": 0, "_READ_COST": np.inf},
    "blocked": {"_SPARSE_COST": np.inf, "_READ_COST": 0.0, "_LEVEL_COST": 0.0},
    "listed": {"_SPARSE_COST": 0.0, "_LISTED_COST": 0.0},
}

KINDS = {"small": DenseCholesky, "rounds": SparseElimination, "core": SparseElimination}


def make(small: SimpleNamespace, layout: str) -> tuple[Factorization, np.ndarray]:
    """A factorization and its dense H; the layout is checked in test_latent."""
    family = "gaussian-identity" if layout in small.several else "poisson-log"
    case = small.case(layout, family, 5)
    problem, rng = case.problem, np.random.default_rng(1)
    roots = problem.roots(case.psi[problem.n_beta :])
    weights = {(0, 0): rng.uniform(0.2, 3.0, problem.n)}
    if layout in small.several:
        weights |= {(1, 1): rng.uniform(2.0, 3.0, problem.n)}
        weights |= {(0, 1): rng.uniform(-0.5, 0.5, problem.n)}
    held = factorize(problem.latent, problem.latent.gram(weights), roots)
    assert held is not None
    return held, small.system(problem, roots, weights)


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One matrix; or the Schur complement by dense slabs, sparse products, pair by pair, or any."""
    if request.param != "small":
        monkeypatch.setattr(layouts, "_MOST_DENSE", -1)
    if request.param == "core":
        monkeypatch.setattr(elimination_rounds, "_MOST_MET", 4)
    if request.param in ("rounds", "core"):
        monkeypatch.setattr(layouts, "_LEAST_SPARSE", 1)
        monkeypatch.setattr(layouts, "_FEW_MET", np.inf)
        monkeypatch.setattr(layouts, "_MOST_CORE", np.inf)
    for name, cost in PATHS[request.param].items():
        monkeypatch.setattr(schur, name, cost)
        # Slabs of a few rows each, so that there are several.
        monkeypatch.setattr(schur, "_SLAB", 200)
    return str(request.param)


NAMES = [
    "one",
    "vector",
    "three_effects",
    "diagonal",
    "two_terms",
    "per_row",
    "nested",
    "nested_vector",
    "three_nested",
    "three_nested_vector",
    "crossed",
    "crossed_vector",
    "three_crossed",
    "nested_crossed",
    "nested_two_crossed",
    "two_predictors",
    "two_predictors_nested",
    "two_predictors_crossed",
]


@pytest.mark.parametrize("layout", NAMES)
def test_dense(small: SimpleNamespace, layout: str, path: str) -> None:
    """Log determinant, solve, root and inverse entries are those of the dense H."""
    held, H = make(small, layout)
    latent, inverse = held.latent, np.linalg.inv(H)
    assert type(held) is (KINDS.get(path, BlockElimination) if latent.crossed else BlockElimination)
    assert held.log_det() == pytest.approx(np.linalg.slogdet(H)[1], abs=ROUNDING)
    b = np.random.default_rng(2).normal(size=latent.size)
    solved = small.flatten(held.solve(small.split(latent, b)))
    np.testing.assert_allclose(solved, inverse @ b, atol=ROUNDING)
    root = np.column_stack(
        [
            small.flatten(held.apply_inverse_root(small.split(latent, e)))
            for e in np.eye(latent.size)
        ]
    )
    np.testing.assert_allclose(root @ root.T, inverse, atol=ROUNDING)
    begin = np.cumsum([0, *(f.q * f.m for f in latent.factors)])
    entries = held.inverse_entries()
    assert set(entries) == set(latent.pairs)
    for (f, g), block in entries.items():
        pair = latent.pairs[f, g]
        (q, m), (r, k) = latent.factors[f].shape, latent.factors[g].shape
        assert block.shape == (q, r, pair.left.size)
        rows = [begin[f] + c * m + pair.left for c in range(q)]
        columns = [begin[g] + d * k + pair.right for d in range(r)]
        wanted = [[inverse[i, j] for j in columns] for i in rows]
        np.testing.assert_allclose(block, wanted, atol=ROUNDING)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("layout", ["one", "vector", "nested_vector", "crossed_vector"])
def test_slopes_of_the_log_determinant(small: SimpleNamespace, layout: str) -> None:
    """They are central differences of it in each entry of each Lambda."""
    case = small.case(layout, "poisson-log", 5)
    latent = case.problem.latent
    roots = case.problem.roots(case.psi[case.problem.n_beta :])
    gram = latent.gram({(0, 0): np.random.default_rng(1).uniform(0.2, 3.0, case.problem.n)})

    def log_det(f: int, change: np.ndarray) -> float:
        held = factorize(latent, gram, [r + change if r is roots[f] else r for r in roots])
        assert held is not None
        return held.log_det()

    whole = factorize(latent, gram, roots)
    assert whole is not None
    slopes = log_det_slopes(gram, whole.inverse_entries(), roots)
    for f, (root, slope) in enumerate(zip(roots, slopes, strict=True)):
        for place in np.ndindex(root.shape):
            step = np.zeros(root.shape)
            step[place] = STEP
            wanted = (log_det(f, step) - log_det(f, -step)) / (2.0 * STEP)
            assert slope[place] == pytest.approx(wanted, rel=TRUNCATION, abs=TRUNCATION)


def test_inputs_are_kept(small: SimpleNamespace) -> None:
    """Neither the Gram blocks nor right-hand sides are written to."""
    case = small.case("nested_two_crossed", "poisson-log", 5)
    latent = case.problem.latent
    gram = latent.gram({(0, 0): np.full(case.problem.n, 1.5)})
    kept = {key: block.copy() for key, block in gram.items()}
    held = factorize(latent, gram, case.problem.roots(case.psi[case.problem.n_beta :]))
    assert held is not None
    rhs = [np.ones(f.shape) for f in latent.factors]
    held.solve(rhs)
    held.apply_inverse_root(rhs)
    held.inverse_entries()
    assert all(np.all(part == 1.0) for part in rhs)
    for key, block in gram.items():
        np.testing.assert_array_equal(block, kept[key])


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("layout", ["one", "vector", "nested", "crossed", "nested_two_crossed"])
def test_not_positive(small: SimpleNamespace, layout: str) -> None:
    """Curvature that is negative enough gives None, in the chain or in the rest."""
    case = small.case(layout, "poisson-log", 5)
    problem = case.problem
    gram = problem.latent.gram({(0, 0): np.full(problem.n, -50.0)})
    roots = problem.roots(case.psi[problem.n_beta :])
    assert factorize(problem.latent, gram, roots) is None


@pytest.mark.usefixtures("path")
def test_rest_not_positive(small: SimpleNamespace) -> None:
    """The chain may be positive where the Schur complement is not."""
    case = small.case("crossed", "poisson-log", 5)
    problem = case.problem
    # The chain has almost no variance, so only the rest feels the curvature.
    roots = problem.roots(np.array([1e-6, 1.0]))
    if problem.latent.factors[0].m != 6:
        roots = roots[::-1]
    gram = problem.latent.gram({(0, 0): np.full(problem.n, -0.2)})
    assert factorize(problem.latent, gram, roots) is None


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("layout", ["vector", "nested_crossed"])
def test_fixed_effects(small: SimpleNamespace, layout: str) -> None:
    """The information on fixed effects is the inverse of their covariance, in their own units."""
    case = small.case(layout, "poisson-log", 5)
    problem, rng = case.problem, np.random.default_rng(3)
    X, weight = rng.normal(size=(problem.n, 3)), rng.uniform(0.2, 3.0, problem.n)
    units = rng.normal(size=(3, 3))
    latent = add_fixed_effects(problem.latent, FixedEffects(X, units))
    roots = problem.roots(case.psi[problem.n_beta :])
    gram = latent.gram({(0, 0): weight})
    held = factorize(latent, gram, [*roots, units])
    assert held is not None
    H = small.system(problem, roots, {(0, 0): weight})
    assert held.random_part().log_det() == pytest.approx(np.linalg.slogdet(H)[1], abs=ROUNDING)
    parts = [small.split(problem.latent, e) for e in np.eye(problem.latent.size)]
    maps = np.array(
        [
            problem.latent.gather([r @ p for r, p in zip(roots, part, strict=True)], 1)[0]
            for part in parts
        ]
    )
    cross = maps @ (weight[:, None] * X)
    wanted = X.T @ (weight[:, None] * X) - cross.T @ np.linalg.solve(H, cross)
    np.testing.assert_allclose(held.fixed_information(), wanted, rtol=ROUNDING, atol=ROUNDING)
    root = held.fixed_root()
    np.testing.assert_allclose(root @ root.T @ wanted, np.eye(3), atol=ROUNDING)
