"""The exact likelihood-ratio test of one variance in a linear mixed model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_draws
from mixcheck.arrays import FloatArray
from mixcheck.comparison.likelihood_ratio import likelihood_ratio, null_words, require_nested
from mixcheck.comparison.nesting import added_fixed, added_random
from mixcheck.comparison.same_data import formula_of, is_reml
from mixcheck.comparison.spectral_null import Spectrum, find_spectrum, simulate_null
from mixcheck.display.document import Block, Document, Paragraph, PValue, Table
from mixcheck.display.render import to_text
from mixcheck.errors import ComparisonError
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.port import Comparable, Ported, Traceable

__all__ = ["ExactRatio", "exact_lrt"]

# Statistics closer than this are equal, and one below it is zero: optimisers stop about there.
_ZERO = 1e-5
# Simulated statistics are made in so many at once.
_TOGETHER = 2000
# Random effects beyond this take a matrix of more than a gigabyte.
_MOST_EFFECTS = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class ExactRatio:
    """A likelihood-ratio test of one variance, made by `exact_lrt`.

    Attributes
    ----------
    null : str
        The null hypothesis, in words.
    statistic : float
        Twice the difference of the log-likelihoods, restricted ones for REML fits.
    pvalue : float
        ``(1 + exceedances) / (1 + draws)``.
    error : float
        Monte Carlo standard error of the p-value.
    draws : int
        Simulated statistics.
    zeros : float
        Share of simulated statistics that are zero.
    statistics : (draws,)
        Drawn from the null distribution.
    restricted : bool
        Whether the models were fitted by REML.
    exact : bool
        Whether the distribution is that of the test in finite samples: the smaller model has no
        random effects.
    seed : int
    notes : tuple of str
    """

    null: str
    statistic: float
    pvalue: float
    error: float
    draws: int
    zeros: float
    statistics: FloatArray = field(repr=False)
    restricted: bool
    exact: bool
    seed: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = "Restricted likelihood-ratio test" if self.restricted else "Likelihood-ratio test"
        table = Table(
            ("statistic", "simulated", "zeros", "p"),
            ((self.statistic, self.draws, self.zeros, PValue(self.pvalue)),),
        )
        words = "exact in finite samples" if self.exact else "approximate"
        blocks: list[Block] = [Paragraph(f"Null hypothesis: {self.null}."), table]
        blocks += [Paragraph(note) for note in self.notes]
        return to_text(Document(f"{name}, {words}", tuple(blocks)))

    def __repr__(self) -> str:
        return (
            f"ExactRatio(statistic={self.statistic:.4f}, pvalue={self.pvalue:.4g}, "
            f"draws={self.draws}, seed={self.seed})"
        )


@answer_calls
def exact_lrt(
    smaller: Comparable | Ported,
    larger: Comparable | Ported,
    *,
    draws: int = 10_000,
    seed: int | None = None,
) -> ExactRatio:
    """Test one variance of a linear mixed model by its distribution in finite samples.

    The mixture of chi-squares of `mixcheck.lrt` holds for many groups, and its zero is too rare
    with few. Here the statistic is drawn from its distribution itself, which depends on the model
    matrices alone, without simulating or fitting any data.

    Parameters
    ----------
    smaller, larger : Comparable
        Gaussian with the identity link, without weights or a model of the dispersion. The larger
        one has one further random effect with one variance, such as ``(1 | g)`` or ``(0 + x |
        g)``; fits by maximum likelihood may differ in their fixed effects too. REML fits are
        better where they do not.
    draws : int
        Statistics drawn.
    seed : int, optional
        Without one it is drawn and stored.

    Returns
    -------
    ExactRatio

    Raises
    ------
    ComparisonError
        If the models are not of this kind, or as `mixcheck.lrt`.
    OptionError
        For something that is not a fitted model.

    Notes
    -----
    Where the smaller model has random effects of its own the distribution is that of the same
    test without them, which is approximate (Greven, Crainiceanu, Kuechenhoff & Peters 2008); the
    alternative is `mixcheck.bootstrap_lrt`.

    References
    ----------
    Crainiceanu & Ruppert (2004), Journal of the Royal Statistical Society B 66, 165-185; Greven,
    Crainiceanu, Kuechenhoff & Peters (2008), Journal of Computational and Graphical Statistics 17,
    870-891; Scheipl, Greven & Kuechenhoff (2008), Computational Statistics and Data Analysis 52,
    3283-3299, on power.

    Examples
    --------
    >>> import mixcheck as mc
    >>> sleep = mc.datasets.load("sleepstudy").query("Subject in ['308', '309', '310', '330']")
    >>> smaller = mc.glmm("Reaction ~ Days", sleep, reml=True)
    >>> larger = mc.glmm("Reaction ~ Days + (1 | Subject)", sleep, reml=True)
    >>> test = mc.exact_lrt(smaller, larger, seed=1)
    >>> round(test.statistic, 2), test.exact, round(test.zeros, 2), round(test.pvalue, 4)
    (33.5, True, 0.6, 0.0001)
    """
    simple, wide = require_nested(smaller, larger, "exact_lrt")
    count = require_draws(draws)
    Z = _tested(simple, wide)
    chosen = choose_seed(seed)
    restricted, fixed = is_reml(wide), added_fixed(simple, wide)
    observed = likelihood_ratio(simple, wide)
    spectrum = find_spectrum(wide.fixed_matrices["mean"], Z, restricted=restricted, fixed=fixed)
    statistics = _draw(spectrum, count, chosen)
    pvalue = (1 + int(np.sum(statistics >= observed - _ZERO))) / (1 + count)
    exact = not simple.random_terms
    return ExactRatio(
        null=null_words(simple, wide),
        statistic=observed,
        pvalue=pvalue,
        error=math.sqrt(pvalue * (1.0 - pvalue) / count),
        draws=count,
        zeros=float(np.mean(statistics < _ZERO)),
        statistics=statistics,
        restricted=restricted,
        exact=exact,
        seed=chosen,
        notes=() if exact else (_APPROXIMATE,),
    )


_APPROXIMATE = (
    "The smaller model has random effects, and the distribution is that of the test without them: "
    "it is approximate (Greven et al. 2008). bootstrap_lrt simulates it with them."
)


def _draw(spectrum: Spectrum, draws: int, seed: int) -> FloatArray:
    """Statistics in blocks, each with a stream of its own."""
    blocks = [
        simulate_null(spectrum, min(_TOGETHER, draws - start), stream(seed, Purpose.COMPARE, k))
        for k, start in enumerate(range(0, draws, _TOGETHER))
    ]
    return np.concatenate(blocks)


def _tested(smaller: Comparable, larger: Comparable) -> FloatArray:
    """Columns of the random effect that is tested, (n, m)."""
    _require_linear(larger)
    new = added_random(smaller, larger)
    further = larger.n_parameters - smaller.n_parameters - added_fixed(smaller, larger)
    if len(new) != 1 or further != 1 or larger.random_terms[new[0]][1].shape[1] != 1:
        raise ComparisonError(
            f"{formula_of(larger)!r} has {further} further parameters of random effects than "
            f"{formula_of(smaller)!r}, and exact_lrt tests one variance, such as that of (1 | g) "
            "or (0 + x | g); write bootstrap_lrt"
        )
    group, effect = larger.random_terms[new[0]]
    codes = larger.data_rows.groups.get(group) if isinstance(larger, Traceable) else None
    if codes is None:
        raise ComparisonError(
            f"the levels of {group!r} are related to each other or not known, and exact_lrt takes "
            "them for independent; write bootstrap_lrt"
        )
    levels = int(codes.max()) + 1
    if levels > _MOST_EFFECTS:
        raise ComparisonError(
            f"{group!r} has {levels} levels, and the eigenvalues of so many take too much memory; "
            "with that many lrt is as good"
        )
    Z = np.zeros((codes.size, levels))
    Z[np.arange(codes.size), codes] = effect[:, 0]
    return Z


def _require_linear(model: Comparable) -> None:
    """Refuse what is not a linear mixed model with one residual variance."""
    known = model.description
    reason = ""
    if (known.get("family"), known.get("link")) != ("gaussian", "identity"):
        reason = f"is {known.get('family')} with the link {known.get('link')}"
    elif np.ptp(model.fixed_matrices["dispersion"], axis=0).any():
        reason = "has a model of its dispersion"
    elif isinstance(model, Traceable) and model.data_rows.weights is not None:
        reason = "has weights"
    elif isinstance(model, Traceable) and np.ptp(model.data_rows.offsets["dispersion"]) > 0.0:
        reason = "has precision weights"
    if reason:
        raise ComparisonError(
            f"{formula_of(model)!r} {reason}, and exact_lrt is for linear mixed models with one "
            "residual variance; write bootstrap_lrt"
        )
