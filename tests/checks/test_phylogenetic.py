"""Correlation among relatives, whose names are matched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.phylogenetic import Phylogenetic
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped


def clades(m=40, clade=5):
    """Relatedness 0.9 within each clade."""
    names = [f"sp{k}" for k in range(m)]
    same = np.arange(m)[:, None] // clade == np.arange(m)[None, :] // clade
    return pd.DataFrame(np.where(same, 0.9, 0.0) + 0.1 * np.eye(m), names, names)


def species(related, strength, seed=0, rows=300):
    """Counts with an effect of each species, related or not."""
    rng = np.random.default_rng(seed)
    m = len(related)
    covariance = related.to_numpy() if strength else np.eye(m)
    effects = 0.8 * np.linalg.cholesky(covariance + 1e-9 * np.eye(m)) @ rng.normal(size=m)
    code = rng.integers(0, m, rows)
    y = rng.poisson(np.exp(0.7 + effects[code]))
    return pd.DataFrame({"y": y, "sp": related.index.to_numpy()[code]})


def found(data, check, draws=199):
    """The one finding of the check on a Poisson fit."""
    fit = mc.glmm("y ~ 1 + (1 | sp)", data, family="poisson")
    return mc.checks.Suite((check,)).run(fit, seed=1, draws=draws).findings[0]


@pytest.mark.slow
def test_relatives_alike_are_found_behind_effects_of_species():
    """And species without relatives pass."""
    related = clades()
    assert found(species(related, True), Phylogenetic("sp", related)).pvalue == pytest.approx(
        2 / 200
    )
    apart = [
        found(species(related, False, seed=s), Phylogenetic("sp", related)).pvalue for s in range(6)
    ]
    assert min(apart) > 0.01


def test_names_are_matched_whatever_their_order():
    """A frame in another order, with columns in a third, and more species than the data hold."""
    related = clades()
    data = species(related, True)
    data = data[data["sp"] != "sp7"]
    rng = np.random.default_rng(3)
    shuffled = related.loc[rng.permutation(related.index), rng.permutation(related.columns)]
    told = [found(data, Phylogenetic("sp", K), draws=19) for K in (related, shuffled)]
    assert told[0].statistic == pytest.approx(told[1].statistic, rel=1e-12)


def test_a_tree_is_a_matrix_of_shared_ways():
    """Newick's text and the frame of its shared lengths ask the same."""
    text = "(" + ",".join(f"(sp{2 * k}:1,sp{2 * k + 1}:1):3" for k in range(20)) + ");"
    frame = clades(40, 2).mask(lambda K: K == 0.9, 0.75)
    data = species(frame, True)
    told = [found(data, Phylogenetic("sp", tree), draws=19) for tree in (text, frame)]
    assert told[0].statistic == pytest.approx(told[1].statistic, rel=1e-12)


def test_it_is_stored_compared_and_shown_shortly():
    """The relatedness is text: equal frames are equal checks."""
    check = Phylogenetic("sp", clades())
    assert check == Phylogenetic("sp", clades())
    assert hash(check) == hash(Phylogenetic("sp", clades()))
    suite = mc.checks.Suite((check,))
    assert mc.checks.Suite.from_json(suite.to_json()) == suite
    assert len(repr(check)) < 120
    assert check.name == "phylogenetic [sp]"


def test_equally_related_levels_are_skipped():
    """Nothing can be told of a star."""
    star = clades().mask(lambda K: K == 0.9, 0.0)
    outcome = found(species(star, False), Phylogenetic("sp", star))
    assert isinstance(outcome, Skipped)
    assert "equally related" in outcome.reason


def test_wrong_arguments_are_answered():
    """Strangers, frames without matching names, and what is no tree."""
    related = clades()
    data = species(related, False)
    with pytest.raises(OptionError, match="the tree has no 'sp0'"):
        found(data, Phylogenetic("sp", related.drop("sp0").drop(columns="sp0")), draws=19)
    with pytest.raises(OptionError, match="same names"):
        Phylogenetic("sp", related.rename(index={"sp0": "x"}))
    lopsided = related.copy()
    lopsided.iloc[0, 1] = 0.3
    with pytest.raises(OptionError, match="symmetric"):
        Phylogenetic("sp", lopsided)
    with pytest.raises(OptionError, match="Newick"):
        Phylogenetic("sp", 3)
