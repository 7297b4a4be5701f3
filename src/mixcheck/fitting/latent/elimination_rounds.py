"""In which order effects that meet few others are eliminated one by one, round after round.

Crossed factors with few rows a level make a sparse system, most of which is eliminated with little
fill: first effects that meet one or two others, then those that meet a few more. Those of a round
do not meet each other, so that a round is a few calls for all of them. What is left when every
effect meets tens of others fills soon, and is one dense matrix, the core.

References
----------
Tinney & Walker (1967), Proc. IEEE 55, 1801-1809, on minimum degree; Luby (1986), SIAM J. Comput.
15, 1036-1053, on sets that do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.fitting.latent.group_sums import distinct

__all__ = ["Elimination", "Round", "plan_elimination"]

# Degree from which on effects are left to the core: each then fills hundreds of entries.
_MOST_MET = 30
# Effects of a round may meet more others than the least by this share of it, or by one.
_WIDER = 1.15


class _Met(NamedTuple):
    """Effects of a round and those that they meet, effect by effect.

    `pairs` are two entries of one effect, the later one first.
    """

    effects: IntArray
    owner: IntArray
    others: IntArray
    first: IntArray
    second: IntArray


@dataclass(frozen=True, eq=False)
class Round:
    """Effects that are eliminated together, and where their entries stand.

    Attributes
    ----------
    effects : (k,) int
    diagonal : (k,) int
        Places of their own entries.
    owner : (E,) int
        Which of them each entry beside the diagonal belongs to, in their order.
    others : (E,) int
        The effects that they meet.
    beside : (E,) int
        Places of these entries.
    first, second : (P,) int
        Pairs of entries of one effect.
    places : (P + E,) int
        Where their products go: pairs of other effects, then each of these with itself.
    """

    effects: IntArray
    diagonal: IntArray
    owner: IntArray
    others: IntArray
    beside: IntArray
    first: IntArray
    second: IntArray
    places: IntArray

    @cached_property
    def _sums(self) -> tuple[IntArray, IntArray, IntArray]:
        """The order of products by place, where each place begins, and which it is."""
        order = np.argsort(self.places, kind="stable")
        ordered = self.places[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        return order, starts, ordered[starts]

    def subtract(self, values: FloatArray, products: FloatArray) -> None:
        """``a_jk - sum_i c_ij c_ik`` in place, from the products of pairs and squares, (P + E,)."""
        if products.size:
            order, starts, places = self._sums
            values[places] -= np.add.reduceat(products[order], starts)


@dataclass(frozen=True, eq=False)
class Elimination:
    """The rounds of a system, and the core that they leave.

    Attributes
    ----------
    size : int
        Number of effects.
    rounds : tuple of Round
    core : (Q,) int
        Effects that are left, ascending.
    start : int
        Places before those of the core, which is one matrix by columns.
    keys : (K,) int
        ``i N + j``, ascending, of the entries i < j beside the diagonal that are not of the core.
    """

    size: int
    rounds: tuple[Round, ...]
    core: IntArray
    start: int
    keys: IntArray

    @cached_property
    def _ranks(self) -> IntArray:
        """Place of each effect in the core; -1 outside."""
        out = np.full(self.size, -1, dtype=np.intp)
        out[self.core] = np.arange(self.core.size)
        return out

    def places(self, i: IntArray, j: IntArray) -> IntArray:
        """Where entries (i, j) stand: of the diagonal, beside it, or of the core, (E,)."""
        low, high = np.minimum(i, j), np.maximum(i, j)
        column, row = self._ranks[low], self._ranks[high]
        inside = (column >= 0) & (row >= 0)
        out = np.where(low == high, low, 0)
        beside = (low != high) & ~inside
        keys = low[beside] * self.size + high[beside]
        out[beside] = self.size + np.searchsorted(self.keys, keys)
        out[inside] = self.start + row[inside] + self.core.size * column[inside]
        return out


def plan_elimination(size: int, i: IntArray, j: IntArray, held: BoolArray) -> Elimination:
    """Plan which effects are eliminated in rounds.

    Parameters
    ----------
    size : int
        Number of effects, N.
    i, j : (E,) int
        Effects that meet.
    held : (N,) bool
        Effects that stay in the core.
    """
    keys = distinct((np.minimum(i, j) * size + np.maximum(i, j))[i != j])
    # A fixed order between effects that meet equally many.
    ties = np.random.default_rng(0).random(size)
    live, sets, gone = np.ones(size, dtype=np.bool_), [], []
    while True:
        low, high = keys // size, keys % size
        degrees = np.bincount(low, minlength=size) + np.bincount(high, minlength=size)
        free = live & ~held
        least = int(degrees[free].min(initial=_MOST_MET))
        if least >= _MOST_MET:
            break
        chosen = free & (degrees <= max(least + 1, int(_WIDER * least)))
        both, rank = chosen[low] & chosen[high], degrees + ties
        one, other = low[both], high[both]
        chosen[np.where(rank[one] > rank[other], one, other)] = False
        if np.array_equal(chosen, live):
            # A core of nothing would be a case of its own.
            break
        met = _meet(chosen, low, high)
        sets.append(met)
        out = chosen[low] | chosen[high]
        gone.append(keys[out])
        fill = met.others[met.second] * size + met.others[met.first]
        keys = distinct(np.concatenate([keys[~out], fill]))
        live &= ~chosen
    outside = np.sort(np.concatenate([*gone, np.zeros(0, dtype=np.intp)]))
    core = np.flatnonzero(live)
    plan = Elimination(size, (), core, size + outside.size, outside)
    rounds = tuple(_place(plan, met) for met in sets)
    return Elimination(size, rounds, core, plan.start, outside)


def _meet(chosen: BoolArray, low: IntArray, high: IntArray) -> _Met:
    """What the chosen effects meet."""
    effects, left, right = np.flatnonzero(chosen), chosen[low], chosen[high]
    nodes = np.concatenate([low[left], high[right]])
    others = np.concatenate([high[left], low[right]])
    order = np.lexsort((others, nodes))
    nodes, others = nodes[order], others[order]
    owner = np.searchsorted(effects, nodes)
    degrees = np.bincount(owner, minlength=effects.size)
    begins = np.repeat(np.cumsum(degrees) - degrees, degrees)
    entries = np.arange(nodes.size)
    before = entries - begins
    first = np.repeat(entries, before)
    passed = np.repeat(np.cumsum(before) - before, before)
    second = begins[first] + np.arange(first.size) - passed
    return _Met(effects, owner, others, first, second)


def _place(plan: Elimination, met: _Met) -> Round:
    """Where the entries of a round stand."""
    nodes = met.effects[met.owner]
    pairs = plan.places(met.others[met.first], met.others[met.second])
    own = plan.places(met.others, met.others)
    return Round(
        effects=met.effects,
        diagonal=plan.places(met.effects, met.effects),
        owner=met.owner,
        others=met.others,
        beside=plan.places(nodes, met.others),
        first=met.first,
        second=met.second,
        places=np.concatenate([pairs, own]),
    )
