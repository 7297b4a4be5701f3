"""The order of models by a criterion, and what counts as equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from mixcheck.arrays import FloatArray

__all__ = ["CLOSE", "SMALLEST_TIE", "TIE", "Standing", "akaike_weights", "rank_order"]

# Burnham & Anderson (2002), section 2.6: models within two units have substantial support.
CLOSE = 2.0
# Information criteria that differ by less are equal: at the limit of a parameter they are known
# so well. Of a criterion with a scale of its own no more is known than where optimisers stop.
TIE, SMALLEST_TIE = 0.01, 1e-5
# Log-likelihoods that differ by less are those of one distribution, one of them at its limit.
_SAME_LIKELIHOOD = 1e-4


@dataclass(frozen=True)
class Standing:
    """What the place of a model depends on.

    Attributes
    ----------
    value : float
        The criterion.
    parameters : int
    llf : float
    limited : bool
        Whether some parameter has no finite estimate: the model is then at a limit.
    """

    value: float
    parameters: int
    llf: float
    limited: bool = False


def rank_order(standings: Sequence[Standing], tie: float = TIE) -> list[int]:
    """Positions of the models, the smallest criterion first.

    Of models that tie the one with fewer parameters comes first, then the one met first. A
    model at its limit is the simpler one that has the same likelihood, and comes after it.

    Examples
    --------
    >>> rank_order([Standing(100.0, 5, -45.0), Standing(100.001, 4, -46.0)])
    [1, 0]
    """
    values = [_value(one, standings) for one in standings]
    left = sorted(range(len(standings)), key=lambda k: (values[k], standings[k].parameters, k))
    out: list[int] = []
    while left:
        tied = [k for k in left if values[k] <= values[left[0]] + tie]
        out += sorted(tied, key=lambda k: (standings[k].parameters, k))
        left = left[len(tied) :]
    return out


def _value(one: Standing, standings: Sequence[Standing]) -> float:
    if not one.limited:
        return one.value
    same = (
        other.value
        for other in standings
        if other.parameters < one.parameters and abs(other.llf - one.llf) < _SAME_LIKELIHOOD
    )
    return max(one.value, *same, -np.inf)


def akaike_weights(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``d_k = s_k - min s`` and Akaike weights ``exp(-d_k / 2) / sum exp(-d_j / 2)``, (k,) each.

    Examples
    --------
    >>> deltas, weights = akaike_weights(np.array([100.0, 102.0]))
    >>> deltas.tolist(), weights.round(4).tolist()
    ([0.0, 2.0], [0.7311, 0.2689])
    """
    deltas: FloatArray = scores - scores.min()
    weights: FloatArray = np.exp(-0.5 * deltas - logsumexp(-0.5 * deltas))
    return deltas, weights
