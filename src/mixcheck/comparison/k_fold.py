"""K-fold cross-validation: how well a model predicts rows that it was fitted without."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import (
    as_items,
    as_whole,
    require_flag,
    require_progress,
    require_seed,
    require_whole,
    require_workers,
    shown,
)
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.comparison.cavity import Prediction, find_cavity, predict
from mixcheck.comparison.proper_scores import brier, dawid_sebastiani, is_bernoulli, match_rows_of
from mixcheck.comparison.ranked_probability import average_crps
from mixcheck.comparison.same_data import label_of
from mixcheck.comparison.score_difference import ScoreDifference, require_scores, subtract_scores
from mixcheck.display.document import Block, Document, Paragraph, Table
from mixcheck.display.render import to_text
from mixcheck.errors import ComparisonError, MixcheckError, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.port import Checkable, Comparable, Foldable, Ported, Traceable, port_of

__all__ = ["FoldScores", "Folds", "Splitter", "kfold"]


@runtime_checkable
class Splitter(Protocol):
    """What makes folds, such as ``sklearn.model_selection.GroupKFold(5)``."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterable[tuple[Any, Any]]:
        """Positions of the rows to fit to, and of those to predict, fold by fold."""
        ...


Folds: TypeAlias = int | Splitter | Sequence[Any] | pd.Series


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class FoldScores:
    """Scores of rows that were predicted from other folds, made by `kfold`.

    Attributes
    ----------
    model : str
        Formula and family.
    folds : int
    scores : Series, (n,)
        Log density of each row that was predicted, given the rows fitted to; a mean over the folds
        where it was predicted in several.
    total : float
        Their sum.
    se : float
        Its standard error over rows, which takes them for independent.
    table : DataFrame, (n, ..)
        Each row with its ``score``, ``mean``, ``variance`` and ``dawid_sebastiani``, with ``crps``
        where it was asked for, and ``brier`` where every response is 0 or 1.
    subject : object
        The model.
    notes : tuple of str
    """

    model: str
    folds: int
    scores: pd.Series[float]
    total: float
    se: float
    table: pd.DataFrame
    subject: Any = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def means(self) -> pd.Series[float]:
        """Mean scores: ``log_score`` (larger is better) and the others (smaller is better)."""
        mean = self.table.drop(columns=["mean", "variance"]).mean()
        return mean.rename({"score": "log_score"})

    def minus(self, other: FoldScores) -> ScoreDifference:
        """Compare with another model on the same rows, in pairs.

        Raises
        ------
        ComparisonError
            If the data or the rows that were predicted differ.
        """
        require_scores(FoldScores, other, "mixcheck.kfold")
        return subtract_scores(
            (self.model, self.scores), (other.model, self.matched(other)), "rows"
        )

    def matched(self, other: FoldScores) -> pd.Series[float]:
        """The scores of another model in the order of these, where both models know their rows.

        Raises
        ------
        ComparisonError
            If the data or the rows that were predicted differ.
        """
        require_scores(FoldScores, other, "mixcheck.kfold")
        if len(other.scores) == len(self.scores) == len(self.subject.frame):
            return match_rows_of(self, other)
        return other.scores

    def to_frame(self) -> pd.DataFrame:
        """One row for each observation: its scores, mean and variance."""
        return self.table.copy()

    def __str__(self) -> str:
        rows = [
            ("log score of rows predicted", self.total),
            ("standard error", self.se),
            *((str(name).replace("_", " "), float(value)) for name, value in self.means.items()),
        ]
        page: list[Block] = [
            Paragraph(f"{self.model}, {self.folds} folds, {len(self.scores)} rows."),
            Table(("", "value"), tuple(rows)),
            *(Paragraph(note, quiet=True) for note in self.notes),
        ]
        return to_text(Document("K-fold cross-validation", tuple(page)))

    def __repr__(self) -> str:
        return (
            f"FoldScores(total={self.total:.4f}, se={self.se:.4f}, rows={self.scores.size}, "
            f"folds={self.folds})"
        )


@answer_calls
def kfold(
    model: Comparable | Ported,
    folds: Folds = 10,
    *,
    group: str | None = None,
    crps: bool = False,
    seed: int = 1,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> FoldScores:
    """Predict the rows of each fold by the model fitted to the others.

    Rows of a group that has rows in other folds are predicted with what these say of its random
    effects; with ``group=`` its levels stay together, and are new groups. Every row is scored by
    itself; the joint score of groups left out is that of `mixcheck.logo`.

    Parameters
    ----------
    model : Comparable and Foldable
        Such as the result of `mixcheck.glmm`, with random effects in the mean only.
    folds : int, splitter, (n,) array, or list of (train, test)
        A number of random folds of even size; anything with ``split(X, y, groups)``, such as a
        splitter of scikit-learn, which is given the data, the response and the levels of
        `group`; the fold of each row of the fit; or positions of the rows to fit to and to
        predict, fold by fold.
    group : str, optional
        A column whose levels are kept together.
    crps : bool
        Whether to compute the continuous ranked probability score too, which takes an integral
        for each row.
    seed : int
        Of random folds.
    n_jobs, progress
        As in `mixcheck.bootstrap_lrt`; over the folds.

    Returns
    -------
    FoldScores

    Raises
    ------
    OptionError
        If the model cannot be fitted to some of its rows, or folds are not folds of its rows.
    ComparisonError
        If the model is not identified without some fold.

    Notes
    -----
    The predictor of each row is normal, with the uncertainty of the estimates; a dispersion and a
    zero part are those of the rows fitted to.

    References
    ----------
    Gneiting & Raftery (2007), Journal of the American Statistical Association 102, 359-378, for
    the scores; Roberts et al. (2017), Ecography 40, 913-929, on keeping groups together.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> by_row, by_herd = mc.kfold(fit, 5), mc.kfold(fit, 5, group="herd")
    >>> by_row.scores.size, by_herd.folds
    (56, 5)
    """
    port = port_of(model)
    if isinstance(port, type) or not (isinstance(port, Foldable) and isinstance(port, Checkable)):
        raise OptionError(
            "kfold needs a model that can be fitted to some of its rows, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    require_flag("crps", crps)
    require_workers(n_jobs)
    require_progress(progress)
    chosen = require_seed(seed)
    if chosen is None:
        raise OptionError("seed=None: folds are those of a seed; write seed=1")
    levels = None if group is None else _levels(port.frame, group)
    made = _make_folds(port, folds, levels, chosen)
    task = _Fold(port, made, crps)
    results = map_numbers(
        task, range(len(made)), n_jobs=n_jobs, progress=progress, what="fits without a fold"
    )
    for k, result in enumerate(results):
        if isinstance(result, str):
            raise ComparisonError(
                f"the model cannot predict fold {k + 1} of {len(made)} from the others: {result}. "
                "Make fewer folds, or merge predictors that occur in one fold alone"
            )
    tables = [result for result in results if not isinstance(result, str)]
    return _collect(port, made, tables, crps)


def _levels(frame: pd.DataFrame, group: object) -> IntArray:
    if not isinstance(group, str) or group not in frame.columns:
        raise OptionError(
            f"group={shown(group)} is no column of the data, which has "
            f"{', '.join(map(str, frame.columns))}"
        )
    codes, _ = pd.factorize(frame[group])
    return np.asarray(codes, dtype=np.intp)


Pair: TypeAlias = tuple[BoolArray, IntArray]


def _make_folds(port: Any, folds: object, levels: IntArray | None, seed: int) -> list[Pair]:
    """For each fold the rows to leave out, (n,), and the positions of those to predict."""
    n = len(port.frame)
    if isinstance(folds, Splitter) and not isinstance(folds, type | str | bytes):
        response = port.data_rows.response if isinstance(port, Traceable) else None
        try:
            pairs = list(folds.split(port.frame, response, levels))
        except Exception as error:
            raise OptionError(
                f"folds.split raised {type(error).__name__}: {shown(str(error))}"
            ) from error
        return _read_pairs(pairs, n)
    if as_whole(folds) is not None or isinstance(folds, float | str | bool):
        units = n if levels is None else int(levels.max()) + 1
        count = require_whole("folds", folds, 2, units)
        rng = np.random.default_rng(seed)
        fold_of = rng.permutation(np.arange(units) % count)
        return _by_label(fold_of if levels is None else fold_of[levels])
    several = as_items(folds)
    if several is None:
        raise OptionError(
            f"folds={shown(folds)} must be a number, an object with split(X, y, groups), the fold "
            "of each row, or a list of pairs (train, test)"
        )
    if several and all(isinstance(one, tuple | list) and len(one) == 2 for one in several):
        return _read_pairs(list(several), n)
    if len(several) != n:
        raise OptionError(f"folds= has {len(several)} labels for {n} rows of the fit")
    codes, names = pd.factorize(np.asarray(several, dtype=object))
    if len(names) < 2 or np.any(codes < 0):
        raise OptionError("folds= must name at least two folds, and one for each row")
    if levels is not None and len(set(zip(levels.tolist(), codes.tolist(), strict=True))) != len(
        set(levels.tolist())
    ):
        raise OptionError("folds= divide levels of group=; leave one of them out")
    return _by_label(np.asarray(codes, dtype=np.intp))


def _by_label(fold_of: IntArray) -> list[Pair]:
    return [(fold_of == k, np.flatnonzero(fold_of == k)) for k in range(int(fold_of.max()) + 1)]


def _read_pairs(pairs: Sequence[Any], n: int) -> list[Pair]:
    made = []
    for pair in pairs:
        try:
            train, test = (np.asarray(part) for part in pair)
        except (TypeError, ValueError):
            raise OptionError(f"a fold is a pair (train, test), found {shown(pair)}") from None
        for name, part in (("train", train), ("test", test)):
            whole = part.ndim == 1 and part.dtype.kind in "iu" and part.size > 0
            if not whole or part.min() < 0 or part.max() >= n:
                raise OptionError(
                    f"the {name} rows of a fold must be positions from 0 to {n - 1}, found "
                    f"{shown(part)}"
                )
        if np.intersect1d(train, test).size:
            raise OptionError("a fold predicts rows that it was fitted to: train and test overlap")
        left = np.ones(n, dtype=bool)
        left[train] = False
        if not left.any():
            raise OptionError("a fold leaves no row out")
        made.append((left, np.unique(test)))
    if not made:
        raise OptionError("folds= has no folds")
    return made


@dataclass(frozen=True, eq=False)
class _Fold:
    """Scores of the rows of one fold, (4, m), or why there are none.

    They are the log score, mean, variance, and the ranked probability score where it is asked for.
    """

    model: Any
    folds: list[Pair]
    crps: bool

    def __call__(self, k: int) -> FloatArray | str:
        left, test = self.folds[k]
        try:
            posterior = self.model.predict_rows(left)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return str(error)
        cavity = find_cavity(posterior)
        found = predict(posterior.distribution, cavity)
        ranked = np.full(found.score.size, np.nan)
        if self.crps:
            ranked = average_crps(
                *(posterior.distribution, cavity, posterior.response),
                *(found.mean, found.variance),
                discrete=self.model.discrete,
            )
        table = np.stack([found.score, found.mean, found.variance, ranked])
        if not np.isfinite(table[:1]).all():
            return "a log score is not finite"
        # The posterior is of the rows left out, of which a fold may predict some.
        return np.asarray(table[:, np.searchsorted(np.flatnonzero(left), test)])


def _collect(
    port: Any, folds: Sequence[Pair], tables: Sequence[FloatArray], crps: bool
) -> FoldScores:
    n = len(port.frame)
    counts, sums = np.zeros(n), np.zeros((4, n))
    for (_, test), table in zip(folds, tables, strict=True):
        counts[test] += 1.0
        sums[:, test] += table
    kept = np.flatnonzero(counts)
    values = sums[:, kept] / counts[kept]
    predicted = Prediction(values[0], values[1], values[2])
    response = port.row_posterior().response[kept]
    columns = {
        "score": values[0],
        "mean": values[1],
        "variance": values[2],
        "dawid_sebastiani": dawid_sebastiani(response, predicted),
    }
    if crps:
        columns["crps"] = values[3]
    if counts.max() == 1.0 and is_bernoulli(response, predicted):
        columns["brier"] = brier(response, predicted)
    index = port.frame.index[kept]
    notes = []
    if kept.size < n:
        notes.append(f"{n - kept.size} of {n} rows are in no fold and were not predicted.")
    if counts.max() > 1.0:
        notes.append("Rows were predicted in several folds, and their scores are means over them.")
    return FoldScores(
        model=label_of(port),
        folds=len(folds),
        scores=pd.Series(values[0], index, name="score"),
        total=float(values[0].sum()),
        se=math.sqrt(kept.size * float(values[0].var(ddof=1))) if kept.size > 1 else math.nan,
        table=pd.DataFrame(columns, index),
        subject=port,
        notes=tuple(notes),
    )
