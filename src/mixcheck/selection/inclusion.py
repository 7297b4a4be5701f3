"""How often a search would choose each model and term again, by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_draws, require_progress, require_workers, shown
from mixcheck.arrays import FloatArray
from mixcheck.comparison.average_errors import redraw
from mixcheck.comparison.averaging import Reweighing
from mixcheck.comparison.criterion import CriterionFunction
from mixcheck.display.document import Block, Document, Paragraph, Table
from mixcheck.display.render import to_text
from mixcheck.errors import OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import choose_seed
from mixcheck.execution.time_limits import start_clock
from mixcheck.selection.selection import Selection

__all__ = ["Inclusion", "inclusion"]


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Inclusion:
    """Bootstrap inclusion frequencies, made by `inclusion`.

    Attributes
    ----------
    terms : Series
        Share of the data sets for which the chosen model has a term.
    models : Series
        Share of the data sets for which a model is chosen.
    draws : int
        Data sets that all models could be fitted to.
    failures : tuple of (str, int)
        Why others were left out, and how many.
    source : str
        The model that the data sets were simulated from.
    seed : int
    stopped : str
        A sentence where a limit of time left data sets out.
    """

    terms: pd.Series[float]
    models: pd.Series[float]
    draws: int
    failures: tuple[tuple[str, int], ...]
    source: str
    seed: int
    stopped: str = ""

    def to_frame(self) -> pd.DataFrame:
        """A row for each term and each model: ``of``, ``name`` and ``frequency``."""
        parts = {"term": self.terms, "model": self.models}
        frames = [
            pd.DataFrame({"of": of, "name": list(part.index), "frequency": part.to_numpy()})
            for of, part in parts.items()
        ]
        return pd.concat(frames, ignore_index=True)

    def __str__(self) -> str:
        words = f"{self.draws} data sets simulated from {self.source}, seed {self.seed}."
        lost = [f"{number} more were left out: {reason}." for reason, number in self.failures]
        blocks: list[Block] = [
            Paragraph(words),
            _frequencies("term", self.terms),
            _frequencies("model", self.models[self.models > 0.0].sort_values(ascending=False)),
            *(Paragraph(note, quiet=True) for note in (*lost, self.stopped) if note),
        ]
        return to_text(Document("Bootstrap inclusion frequencies", tuple(blocks)))

    def __repr__(self) -> str:
        words = ", ".join(f"{name} {share:.2f}" for name, share in self.terms.items())
        return f"<Inclusion in {self.draws} data sets: {words}>"


def _frequencies(what: str, shares: pd.Series[float]) -> Table:
    rows = tuple((str(name), float(share)) for name, share in shares.items())
    return Table((what, "chosen"), rows)


@answer_calls
def inclusion(
    selection: Selection,
    *,
    criterion: str | CriterionFunction = "aic",
    draws: int = 200,
    seed: int | None = None,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Inclusion:
    """Select again on simulated data sets, and count what is chosen.

    Data sets are simulated from the model with most parameters, all models of the selection are
    fitted to each, and the one with the smallest criterion is chosen. A term that is chosen half
    of the time was chosen by the noise of the data.

    Parameters
    ----------
    selection : Selection
        Of `mixcheck.select`, not read from JSON.
    criterion : str or callable
        As in `mixcheck.select`.
    draws, seed, time_limit, n_jobs, progress
        As in `mixcheck.bootstrap_lrt`.

    Returns
    -------
    Inclusion

    Raises
    ------
    OptionError
        If it is not a selection with its fits.
    ConvergenceError
        If more than half of the data sets could not be fitted by all models.

    References
    ----------
    Sauerbrei & Schumacher (1992), Statistics in Medicine 11, 2093-2109; Heinze, Wallisch & Dunkler
    (2018), Biometrical Journal 60, 431-449.

    Examples
    --------
    >>> import mixcheck as mc
    >>> growth = mc.datasets.load("Orthodont")
    >>> chosen = mc.select("distance ~ age * Sex + (1 | Subject)", growth, random=False)
    >>> found = mc.inclusion(chosen, draws=100, seed=1)
    >>> found.source, float(found.terms["age"])
    ('distance ~ age + Sex + age:Sex + (1 | Subject)', 1.0)
    """
    if not isinstance(selection, Selection) or not selection.fits:
        raise OptionError(
            f"inclusion needs the result of mixcheck.select(..), with its fits; found "
            f"{shown(selection)}"
        )
    count = require_draws(draws)
    require_workers(n_jobs)
    require_progress(progress)
    limit = start_clock(time_limit)
    chosen = choose_seed(seed)
    fits = dict(selection.fits)
    ranked = [model for model in selection.models if model.model in fits]
    source = max(ranked, key=lambda model: (model.df, model.llf)).model
    one_hot = np.array([float(name == source) for name in fits])
    drawn, failures = redraw(
        fits,
        one_hot,
        Reweighing(criterion, "akaike"),
        _chosen,
        count,
        chosen,
        n_jobs=n_jobs,
        progress=progress,
        limit=limit,
    )
    made = len(drawn) + sum(number for _, number in failures)
    late = limit is not None and made < count
    models = pd.Series(drawn.mean(axis=0), list(fits), name="frequency")
    terms = dict.fromkeys(term for model in ranked for term in model.terms)
    has = {term: float(sum(models[m.model] for m in ranked if term in m.terms)) for term in terms}
    return Inclusion(
        terms=pd.Series(has, dtype=np.float64, name="frequency").sort_values(ascending=False),
        models=models,
        draws=len(drawn),
        failures=failures,
        source=source,
        seed=chosen,
        stopped=limit.words(made, count, "simulated data sets") if limit and late else "",
    )


def _chosen(fits: Sequence[Any], weights: FloatArray) -> FloatArray:
    """One for the model with the largest weight, (k,)."""
    out = np.zeros(weights.size)
    out[weights.argmax()] = 1.0
    return out
