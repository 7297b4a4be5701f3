"""The public verb: which of the models within a formula the data support."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import (
    as_items,
    require_choice,
    require_draws,
    require_flag,
    require_progress,
    require_seed,
    require_text,
    require_whole,
    require_workers,
    shown,
)
from mixcheck.arrays import IntArray
from mixcheck.checks.check import Check, Suite
from mixcheck.comparison.criterion import CriterionFunction
from mixcheck.design import Design, build_design, parse_formula
from mixcheck.design.columns import pick_column, read_column
from mixcheck.design.formula import unquote_name
from mixcheck.design.frames import as_frame, read_vector
from mixcheck.design.plan import plan_formula
from mixcheck.design.spelling import variant_notes
from mixcheck.errors import DataWarning, OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import choose_seed
from mixcheck.execution.time_limits import start_clock
from mixcheck.families import Family, get_family
from mixcheck.notices import quiet, warn
from mixcheck.report.policy import Policy, require_policy
from mixcheck.selection.candidates import Candidate
from mixcheck.selection.exploration import SearchName
from mixcheck.selection.fits import GlmmFit, SuiteCheck, offers, require_likelihood
from mixcheck.selection.random_parts import Effect, RandomPart, part_of
from mixcheck.selection.search import search_models
from mixcheck.selection.selection import Selection
from mixcheck.selection.space import Model, Space, model_of
from mixcheck.selection.terms import factors_of, split_terms, with_contained
from mixcheck.simulation import CALIBRATIONS, Calibration

__all__ = ["select"]

AnyFamily = str | Family | type[Family]
Part = str | None | Sequence[str | None]

P_VALUES = (
    "The gate judged by p-values alone. With enough rows every model fails that way: say which "
    'departures do not matter, Policy(negligible={"variance ratio": 0.1, ..}).'
)


@answer_calls
def select(
    formula: str,
    data: object,
    *,
    family: AnyFamily | None = None,
    families: Sequence[AnyFamily] | None = None,
    zi: Part = None,
    dispersion: Part = None,
    criterion: str | CriterionFunction = "aic",
    search: SearchName = "all",
    width: int = 5,
    fixed: bool = True,
    random: bool = True,
    keep: str | Sequence[str] = (),
    subset: Callable[[frozenset[str]], bool] | None = None,
    max_terms: int | None = None,
    suite: Suite | Check | None = None,
    policy: Policy | None = None,
    checked: int | Literal["all"] = 5,
    draws: int | None = None,
    calibration: Calibration | None = None,
    max_models: int = 4096,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
    seed: int | None = None,
    **options: Any,
) -> Selection:
    """Select among the models within a formula.

    Candidates have some of the fixed terms (an interaction only with its parts, a power only
    with the lower ones) and some of the random effects: slopes are dropped, correlations given
    up (``||``), then intercepts. Families, zero inflations and dispersions are further choices.
    All candidates are fitted to the same rows.

    Parameters
    ----------
    formula : str
        The largest model. Offsets stay in every candidate, and so does the constant.
    data : table
        As for `mixcheck.glmm`.
    family : str or Family, optional
        "gaussian" by default.
    families : sequence of str or Family, optional
        Several, in place of `family`: all for counts, or all for measurements.
    zi, dispersion : str, None, or sequence of them
        Choices of the one-sided formulas, such as ``[None, "~ 1"]``.
    criterion : {"aic", "aicc", "bic", "caic", "logo", "loo", "qaic", "tic"} or callable
        A function takes a fit to a number, smaller for a better model. "caic", "logo" and "loo"
        cost more than a fit; the others do not. "qaic" takes the dispersion of the full model.
    search : {"all", "greedy", "beam"}
        All candidates; or from the largest model on, step by step, to the best neighbour of
        the best model so far, or of the best `width` of them.
    width : int
        Of a beam: how many of the best models are followed.
    fixed : bool
        Whether fixed terms may be dropped.
    random : bool
        Whether random terms may be dropped.
    keep : str or sequence of str
        Terms that stay, as in a formula: ``"x1"``, ``"x1:x2"``, ``"(1 | g)"``. A term that
        stays keeps what it contains.
    subset : callable, optional
        A rule of your own: takes the fixed terms of a candidate to whether it is one, such as
        ``lambda terms: not {"x1", "x2"} <= terms`` for terms that never stand together.
    max_terms : int, optional
        Most fixed terms of a candidate, the constant not counted; a search then begins with
        those that stay.
    suite : Suite or Check, optional
        Checks that a model must pass to be selected. Decide on them before looking at results.
    policy : Policy, optional
        How the checks are judged. Give sizes of effects, ``Policy(negligible={..})``: by
        p-values alone every model fails once there are enough rows. A policy without a suite
        is one on the standard suite.
    checked : int or "all"
        How many of the best models, by criterion, are checked, with the same random streams.
    draws, calibration
        As in `mixcheck.check`.
    max_models : int
        Most candidates: more of them raise.
    time_limit : float, optional
        Seconds after which no model is begun; those that were begun are finished, at least one
        is fitted, and at least one checked. The largest models come first, and `stopped` of the
        result tells how many were fitted.
    n_jobs, progress
        As in `mixcheck.check`; results do not depend on them.
    seed : int, optional
        Of the checks.
    **options
        Other arguments of `mixcheck.glmm`: weights, offset, method, nodes, hessian, context.

    Returns
    -------
    Selection
        `best`, `best_fit`, the `fits` and `coefficients` of all, the whole table, path and
        failures. A model that fails its checks is shown and not selected; if all that were checked
        fail, nothing is.

    Raises
    ------
    FormulaError, UnknownColumnError, DataError, FamilyError, OptionError
        For a wrong call.
    ComparisonError
        If no candidate can be fitted.

    Warns
    -----
    DataWarning
        If rows were left out because a value is missing.

    Notes
    -----
    Inference after selection is not valid: standard errors and p-values of the selected model
    take no account of the search. A marginal criterion compares random effects with a bias
    towards fewer of them (Greven & Kneib 2010); "caic" is meant for those.

    References
    ----------
    Burnham & Anderson (2002), Model Selection and Multimodel Inference, 2nd edition; Greven &
    Kneib (2010), Biometrika 97, 773-789; Nelder (1977), Journal of the Royal Statistical
    Society A 140, 48-77, on marginality.

    Examples
    --------
    >>> import mixcheck as mc
    >>> growth = mc.datasets.load("Orthodont")
    >>> chosen = mc.select("distance ~ age * Sex + (1 | Subject)", growth, random=False)
    >>> chosen.best.model
    'distance ~ age + Sex + age:Sex + (1 | Subject)'
    >>> len(chosen.models), round(chosen.models[1].delta, 2)
    (5, 4.22)
    """
    require_workers(n_jobs)
    require_progress(progress)
    limit = start_clock(time_limit)
    require_likelihood(options)
    known = _families(family, families)
    choices = {"zi": _choices("zi", zi), "dispersion": _choices("dispersion", dispersion)}
    full = model_of(parse_formula(formula), known[0], choices["zi"][0], choices["dispersion"][0])
    options = _by_row(options, data)
    designs = _designs(formula, data, known[0], choices, options)
    rows, notes = _common_rows(designs, choices)
    notes = (*notes, *_spellings(designs))
    space = _space(full, known, choices, designs[0], fixed, random, keep)
    space = replace(space, max_terms=_most_terms(max_terms, space))
    check, chosen_seed, gate_notes = _check(suite, policy, seed, draws, calibration)
    fit = GlmmFit(_rows_of(designs[0], rows), _options_of(options, rows))
    return search_models(
        (space.start,),
        space.neighbours,
        fit,
        criterion=criterion,
        search=search,
        width=width,
        max_models=max_models,
        check=check,
        checked=checked,
        seed=chosen_seed,
        n_jobs=n_jobs,
        progress=progress,
        limit=limit,
        remarks=(*notes, *gate_notes),
        largest=space.largest,
        admits=None if subset is None else _rule(subset),
    )


def _most_terms(given: int | None, space: Space) -> int | None:
    if given is None:
        return None
    stay = len(space.kept_terms) if space.fixed else len(space.full.terms)
    most = require_whole("max_terms", given, 0)
    if most < stay:
        raise OptionError(f"max_terms={most} is less than the {stay} fixed terms that stay")
    return most


def _rule(subset: Callable[[frozenset[str]], bool]) -> Callable[[Candidate], bool]:
    """A rule of the caller, whose mistakes are told as such."""
    if not callable(subset):
        raise OptionError(
            f"subset={shown(subset)} must be a function of the terms of a candidate, such as "
            'lambda terms: not {"x1", "x2"} <= terms'
        )

    def admits(candidate: Candidate) -> bool:
        terms = frozenset(candidate.content.terms)
        try:
            answer = subset(terms)
        except Exception as error:
            raise OptionError(
                f"subset raised {type(error).__name__}: {shown(str(error))} on the terms "
                f"{sorted(terms)}"
            ) from error
        if not isinstance(answer, bool | np.bool_):
            raise OptionError(f"subset must give True or False, found {shown(answer)}")
        return bool(answer)

    return admits


def _families(family: AnyFamily | None, families: Sequence[AnyFamily] | None) -> tuple[Family, ...]:
    """The families, each once, of one kind of response."""
    if family is not None and families is not None:
        raise OptionError("family and families were both given; write one of them")
    several = None if families is None else as_items(families)
    if families is not None and not several:
        raise OptionError(
            f'families={shown(families)} must be a list such as ["poisson", "nbinom2"]; '
            "write family= for one"
        )
    given = several or ["gaussian" if family is None else family]
    known = tuple(dict.fromkeys(get_family(one) for one in given))
    if len({one.discrete for one in known}) > 1:
        names = ", ".join(one.name for one in known)
        raise OptionError(
            f"families={names} mix counts and measurements: a probability and a density cannot "
            "be compared by a likelihood; choose families of one kind"
        )
    return known


def _choices(name: str, given: Part) -> tuple[str | None, ...]:
    several = as_items(given)
    found = (given,) if several is None else several
    choices = tuple(None if one is None else require_text(name, one, "~ 1") for one in found)
    if not choices:
        raise OptionError(f'{name}=[] leaves no choice; write {name}=[None, "~ 1"]')
    if any(choices) and not offers(name):
        raise OptionError(f"glmm has no {name}= in this version; leave {name} out")
    return choices


def _designs(
    formula: str,
    data: object,
    family: Family,
    choices: dict[str, tuple[str | None, ...]],
    options: dict[str, Any],
) -> list[Design]:
    """The design of the full model, and of each choice of another part."""
    given = {name: options.get(name) for name in ("weights", "offset", "context")}
    parts: list[dict[str, str]] = [{}]
    parts += [{name: text} for name, texts in choices.items() for text in texts if text]
    with quiet():
        return [
            build_design(
                parse_formula(formula, **part),
                data,
                ratio_is_trials=family.takes_trials,
                categories=family.takes_categories,
                **given,
            )
            for part in parts
        ]


def _common_rows(
    designs: Sequence[Design], choices: dict[str, tuple[str | None, ...]]
) -> tuple[IntArray, tuple[str, ...]]:
    """Positions of the rows that every candidate can use, and what to say of the others."""
    rows = designs[0].rows
    for design in designs[1:]:
        rows = np.intersect1d(rows, design.rows)
    total = designs[0].dropped + len(designs[0].rows)
    if len(rows) == total:
        return rows, ()
    note = (
        f"{total - len(rows)} of {total} rows were left out of every candidate, because a value "
        "that some candidate needs is missing."
    )
    warn(note, DataWarning)
    return rows, (note,)


def _spellings(designs: Sequence[Design]) -> tuple[str, ...]:
    """What is to be said of levels in several spellings, said aloud too."""
    notes: dict[str, None] = {}
    for design in designs:
        plan = plan_formula(design.formula)
        names = dict.fromkeys([*plan.variables(response=True), *plan.group_columns])
        frame = design.frame
        columns = {n: read_column(pick_column(frame, n), None) for n in names if n in frame}
        notes |= dict.fromkeys(variant_notes(columns, list(columns)))
    for note in notes:
        warn(note, DataWarning)
    return tuple(notes)


def _rows_of(design: Design, rows: IntArray) -> pd.DataFrame:
    """The rows of the data at these positions; the design has at least those."""
    return design.frame.iloc[np.searchsorted(design.rows, rows)]


def _by_row(options: dict[str, Any], data: object) -> dict[str, Any]:
    """Options with their vectors in the order of the rows: a Series is matched by its index."""
    read = dict(options)
    for name in ("weights", "offset"):
        value = options.get(name)
        if value is not None and not isinstance(value, str):
            read[name] = read_vector(value, as_frame(data), name)
    return read


def _options_of(options: dict[str, Any], rows: IntArray) -> dict[str, Any]:
    """Options with their vectors cut to the rows used."""
    cut = dict(options)
    for name in ("weights", "offset"):
        value = options.get(name)
        if value is not None and not isinstance(value, str):
            cut[name] = np.asarray(value)[rows]
    return cut


def _space(
    full: Model,
    families: tuple[Family, ...],
    choices: dict[str, tuple[str | None, ...]],
    design: Design,
    fixed: bool,
    random: bool,
    keep: str | Sequence[str],
) -> Space:
    for name, value in (("fixed", fixed), ("random", random)):
        require_flag(name, value)
    several = as_items(keep)
    texts = [require_text("keep", text, "x1") for text in ((keep,) if several is None else several)]
    kept_terms, kept_effects = _kept(texts, full)
    effects = {effect for part in full.random for effect in part.effects}
    return Space(
        full=full,
        families=families,
        zi=choices["zi"],
        dispersion=choices["dispersion"],
        fixed=fixed,
        random=random,
        kept_terms=kept_terms,
        kept_effects=kept_effects,
        joined=frozenset(effect for effect in effects if _is_factor(effect, design.frame)),
    )


_SEVERAL_COLUMNS: Final = tuple(
    f"{name}("
    for name in (
        *("C", "factor", "as.factor", "as.character", "ordered", "relevel", "cut", "interaction"),
        *("poly", "bs", "ns", "cs", "cr", "cc"),
    )
)


def _is_factor(effect: str, frame: pd.DataFrame) -> bool:
    """Whether an effect has a column for each level, as far as its text says."""
    name = unquote_name(effect)
    if name is None or name not in frame.columns:
        return effect.startswith(_SEVERAL_COLUMNS)
    column = frame[name]
    return not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind in "bc"


def _kept(texts: Sequence[str], full: Model) -> tuple[frozenset[str], frozenset[Effect]]:
    """Terms and effects that stay."""
    terms: set[str] = set()
    effects: set[Effect] = set()
    for text in texts:
        mean = parse_formula(f"{full.response} ~ {text}").predictor("mean")
        known = {factors_of(term): term for term in full.terms}
        written = [term for term in split_terms(mean.fixed) if term not in ("0", "1")]
        # The order of the factors of an interaction says nothing.
        named = [known.get(factors_of(term), term) for term in written]
        parts = [part_of(term) for term in mean.random]
        _require_known(text, named, parts, full)
        terms.update(named)
        effects.update((part.group, effect) for part in parts for effect in part.effects)
    return with_contained(terms, full.terms), frozenset(effects)


def _require_known(
    text: str, terms: Sequence[str], parts: Sequence[RandomPart], full: Model
) -> None:
    groups = {part.group for part in full.random}
    unknown = [term for term in terms if term not in full.terms]
    unknown += [str(part) for part in parts if part.group not in groups]
    if unknown or not (terms or parts):
        known = (*full.terms, *map(str, full.random))
        near = difflib.get_close_matches(text, known, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise OptionError(
            f"keep={shown(text)} is no term of the formula{meant}, whose terms are "
            f"{', '.join(known)}"
        )


def _check(
    suite: Suite | Check | None,
    policy: Policy | None,
    seed: int | None,
    draws: int | None,
    calibration: Calibration | None,
) -> tuple[SuiteCheck | None, int | None, tuple[str, ...]]:
    """What each finalist is asked, its seed, and what the record says of it."""
    require_seed(seed)
    if suite is not None and not isinstance(suite, Suite | Check):
        raise OptionError(
            f"suite must be a Suite or a Check, found {shown(suite)}; write Zeros() & Dispersion()"
        )
    if policy is not None:
        require_policy(policy)
    if draws is not None:
        require_draws(draws)
    if calibration is not None:
        require_choice("calibration", calibration, CALIBRATIONS)
    if suite is None and policy is None:
        return None, None, ()
    chosen = choose_seed(seed)
    used = Suite.standard() if suite is None else suite
    notes = [f"Models had to pass {used!r} under {_policy_words(policy or Policy())}."]
    if policy is None or not policy.negligible:
        notes.append(P_VALUES)
    return SuiteCheck(used, policy, chosen, draws, calibration), chosen, tuple(notes)


def _policy_words(policy: Policy) -> str:
    sizes = ", ".join(f"{name} {size:g}" for name, size in policy.negligible.items())
    waived = ", ".join(policy.waive)
    words = [f"alpha = {policy.alpha:g}"]
    words += [f"departures that do not matter: {sizes}"] if sizes else []
    words += [f"waived: {waived}"] if waived else []
    return "; ".join(words)
