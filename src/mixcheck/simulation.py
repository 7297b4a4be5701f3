"""The port in use: replicate data sets of a model, in streams that nothing can shift.

Every replicate has a random stream of its own, ``Philox(SeedSequence(seed,
spawn_key=(purpose, k)))``, so that results depend neither on the number of workers nor on the
size of blocks nor on the backend, and the first 250 of 1,000 replicates are those of a run
of 250. Replicates are never stored: each is reduced to a few numbers where it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

import numpy as np

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import require_choice, require_draws, shown, tell_renamed
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, MixcheckError, OptionError
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.port import (
    CONDITIONINGS,
    BatchObservable,
    BatchRefittable,
    Checkable,
    Conditioning,
    Converging,
    DataView,
    Enumerable,
    Ported,
    Refittable,
    Repeating,
    Weighted,
    port_of,
)

__all__ = [
    "CALIBRATIONS",
    "DEFAULT_DRAWS",
    "Calibration",
    "Replicates",
    "Views",
    "count_together",
    "refit_all",
    "replicate",
    "simulate",
]

# Replicates at most, where their number is decided as they come.
DEFAULT_DRAWS = 999
# Rows up to which the model is fitted again to each replicate; beyond, one step is taken.
REFIT_ROWS = 2_000
# How often each data set is seen, with other draws of the random effects and other jitter.
RANDOMISATIONS = 5
# Beyond so many rows it is seen once: there it costs as much as one step of a refit.
_ROWS_SEEN_AGAIN = 20_000
# Replicates that are made together have at most so many rows: a column of them stays in the
# processor's cache. Beyond so many replicates nothing is gained.
TOGETHER_ROWS = 16_384
TOGETHER = 100

Views: TypeAlias = tuple[DataView, ...]
"""One data set, seen once for each randomisation."""


Calibration: TypeAlias = Literal["refit", "one-step", "plug-in"]
CALIBRATIONS: tuple[Calibration, ...] = get_args(Calibration)


@answer_methods
@dataclass(frozen=True, eq=False)
class Replicates:
    """A plan of replicate data sets; nothing is drawn until it is used.

    Attributes
    ----------
    model : Checkable, or with a port that is
        As it was given.
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects residuals and moments are given.
    seed : int
        Non-negative; all random numbers follow from it.
    draws : int or None
        Number of replicate data sets; None where it is decided as they come.
    calibration : {"refit", "one-step", "plug-in"}
        By which parameters a replicate is seen: those of the model fitted again to it, those
        after one Newton step towards that fit, or those of the model, by which it was made.
    reason : str
        Why this calibration, as words that follow "since"; "" where it was asked for.
    randomisations : int
        How often each data set is seen, with other draws of the random effects and other jitter; 0
        where nothing is asked that depends on these.
    """

    model: Checkable | Ported
    conditioning: Conditioning
    seed: int
    draws: int | None
    calibration: Calibration = "plug-in"
    reason: str = ""
    randomisations: int = 1

    @property
    def port(self) -> Checkable:
        """The port of the model, of which each row is one row."""
        return self._single_rows[0]

    @property
    def origin(self) -> IntArray | None:
        """Which row of the model each row is, (n,), where rows of it stand for several."""
        return self._single_rows[1]

    @cached_property
    def _single_rows(self) -> tuple[Checkable, IntArray | None]:
        found: Checkable = port_of(self.model)
        return found.by_single_rows() if isinstance(found, Weighted) else (found, None)

    @property
    def size(self) -> int:
        """Number of replicate data sets, B; the most where it is decided as they come."""
        return DEFAULT_DRAWS if self.draws is None else self.draws

    @property
    def refits(self) -> int:
        """Number of refits, by its name of the version before."""
        tell_renamed("replicates.refits", "replicates.calibration")
        return 0 if self.calibration == "plug-in" else self.size

    def observe(self) -> DataView:
        """The observed data, as the model sees them first."""
        return self.port.observe(self.conditioning, stream(self.seed, Purpose.OBSERVE, 0))

    def observe_again(self) -> Views:
        """The observed data, seen as often as there are randomisations; first as `observe`."""
        return self._views(self.port, stream(self.seed, Purpose.OBSERVE, 0))

    @property
    def looks(self) -> int:
        """How often each data set is seen."""
        return max(1, self.randomisations)

    def replicate(self, k: int) -> DataView:
        """Replicate data set `k`, seen as the observed one is.

        Raises
        ------
        ConvergenceError
            If the model was to be fitted again, and that failed or did not converge.
        """
        (found,) = self.batch(range(k, k + 1))
        if isinstance(found, Exception):
            raise found
        return found[0]

    @property
    def together(self) -> int:
        """How many replicates are best made together."""
        batched = Repeating if self.calibration == "plug-in" else BatchRefittable
        if not isinstance(self.port, batched):
            return 1
        return count_together(self.port)

    def batch(self, numbers: range) -> Sequence[Views | Exception]:
        """Replicate data sets by their numbers, or why one cannot be made, in their order."""
        if self.calibration != "plug-in":
            return self._seen_again(numbers, self._refitted(numbers))
        rngs = [stream(self.seed, Purpose.REPLICATE, k) for k in numbers]
        if self._repeating is not None:
            found = self._repeating.replicate_many(self.conditioning, rngs)
            return [one if isinstance(one, Exception) else (one,) for one in found]
        return [_or_say(self._made, k, rng) for k, rng in zip(numbers, rngs, strict=True)]

    def _made(self, k: int, rng: np.random.Generator) -> Views:
        listed = self._listed
        if listed is None:
            return (self.port.replicate(self.conditioning, rng),)
        return tuple(listed.replicate_number(k, self.conditioning, rng) for _ in range(self.looks))

    def _views(self, port: Checkable, rng: np.random.Generator) -> Views:
        """A data set as a model sees it, each time with the next random numbers."""
        return tuple(port.observe(self.conditioning, rng) for _ in range(self.looks))

    # Asking a protocol looks at every attribute: once, not for every replicate.
    @cached_property
    def _listed(self) -> Enumerable | None:
        return self.port if isinstance(self.port, Enumerable) else None

    @cached_property
    def _repeating(self) -> Repeating | None:
        return self.port if isinstance(self.port, Repeating) else None

    def _refitted(self, numbers: range) -> Sequence[Checkable | Exception]:
        model = cast(Refittable, self.port)
        responses = [_or_say(model.respond, stream(self.seed, Purpose.RESPOND, k)) for k in numbers]
        return refit_all(model, responses, one_step=self.calibration == "one-step")

    def _seen_again(
        self, numbers: range, fits: Sequence[Checkable | Exception]
    ) -> list[Views | Exception]:
        """Replicates as the models see them that were fitted to them."""
        usable = [_or_say(self._require_rest, fit) for fit in fits]
        streams = zip(numbers, usable, strict=True)
        chosen = [k for k, fit in streams if not isinstance(fit, Exception)]
        rngs = [stream(self.seed, Purpose.OBSERVE_REFIT, k) for k in chosen]
        models = [fit for fit in usable if not isinstance(fit, Exception)]
        seen: Iterator[Views | Exception]
        if isinstance(self.port, BatchObservable):
            refits = cast(list[BatchObservable], models)
            views = self.port.observe_many(refits, self.conditioning, rngs, self.randomisations)
            seen = iter(views)
        else:
            pairs = zip(models, rngs, strict=True)
            seen = (_or_say(self._views, model, rng) for model, rng in pairs)
        return [fit if isinstance(fit, Exception) else next(seen) for fit in usable]

    def _require_rest(self, fit: Checkable | Exception) -> Checkable:
        """A refit that has come to rest."""
        if isinstance(fit, Exception):
            raise fit
        # One step is judged by where it leads, and that is not an optimum.
        if (
            self.calibration == "refit"
            and isinstance(fit, Converging)
            and not fit.convergence.converged
        ):
            raise ConvergenceError("the refit did not converge")
        return fit


def count_together(model: Checkable) -> int:
    """How many data sets of a model are best made, or fitted, together."""
    return max(1, min(TOGETHER, TOGETHER_ROWS // max(1, len(model.frame))))


def refit_all(
    model: Refittable, responses: Sequence[FloatArray | Exception], *, one_step: bool = False
) -> list[Checkable | Exception]:
    """The refit of a model to each response, (n,), or why there is none; together if it can."""
    usable = [one for one in responses if not isinstance(one, Exception)]
    fits: Iterator[Checkable | Exception]
    if usable and isinstance(model, BatchRefittable):
        fits = iter(model.refit_many(np.column_stack(usable), one_step=one_step))
    else:
        fits = (_or_say(model.refit, response) for response in usable)
    return [one if isinstance(one, Exception) else next(fits) for one in responses]


Made = TypeVar("Made")


def _or_say(make: Callable[..., Made], *arguments: Any) -> Made | Exception:
    """What is made, or the error that says why there is nothing."""
    try:
        return make(*arguments)
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return error


@answer_calls
def replicate(
    model: Checkable | Ported,
    *,
    draws: int | None = None,
    conditioning: Conditioning = "posterior",
    seed: int | None = None,
    calibration: Calibration | None = None,
) -> Replicates:
    """Plan replicate data sets of a model.

    Parameters
    ----------
    model : GLMM, DrawsModel, or any model whose port is `Checkable`
        A fitted model, or draws made elsewhere (`mixcheck.from_draws`).
    draws : int, optional
        Number of replicates. Without one it is decided as they come: so many that further ones
        would hardly change a verdict (`mixcheck.report.stopping`), 999 at most where alpha is
        0.05. Of a model of given draws it is all that there are, or 999.
    conditioning : {"posterior", "marginal", "mode"}
        Which random effects the residuals are given: one exact draw from their distribution
        given the data, none (integrated out), or their modes.
    seed : int, optional
        Without one it is drawn from the operating system, stored and shown.
    calibration : {"refit", "one-step", "plug-in"}, optional
        Whether null distributions include the estimation of the parameters. "refit": the
        model is fitted again to each replicate and sees it with its new estimates, as the data
        are seen (the parametric bootstrap). "one-step": these are one Newton step from the
        estimates, with random effects found anew. "plug-in": the estimates are taken for the
        truth, which makes most checks cautious. Without one it is "refit" up to 2,000 rows and
        "one-step" beyond, and "plug-in" for models that cannot be fitted again, or of which the
        groups determine the responses, so that refits would have no finite estimates either.

    Returns
    -------
    Replicates

    Raises
    ------
    OptionError
        If `model` is not a model, a number is not positive, conditioning or calibration are
        unknown, the model cannot be fitted again, or holds fewer draws than asked for.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 4.2.
    """
    port = port_of(model)
    require_model(port)
    require_choice("conditioning", conditioning, CONDITIONINGS)
    chosen, reason = _calibration(port, calibration)
    return Replicates(
        model=model,
        conditioning=conditioning,
        seed=choose_seed(seed),
        draws=_draws(port, draws),
        calibration=chosen,
        reason=reason,
        randomisations=_randomisations(port, conditioning, chosen),
    )


def simulate(model: Checkable | Ported, **options: Any) -> Replicates:
    """`replicate`, by its name of the version before; the `simulate` of a fit draws responses."""
    tell_renamed("mixcheck.simulate()", "mixcheck.replicate()")
    return replicate(model, **options)


def require_model(model: object) -> None:
    if not isinstance(model, type) and isinstance(model, Checkable):
        return
    if hasattr(model, "predict") and not isinstance(model, type):
        raise OptionError(
            f"{type(model).__name__} is a model of another library, which is checked by draws of "
            "its response: simulate them from it, with new random effects in each, such as draws = "
            "rng.poisson(result.fittedvalues, (1000, n)), and write mixcheck.from_draws(observed, "
            "draws)"
        )
    raise OptionError(
        "a fitted model is needed, such as the result of mixcheck.glmm(..) or "
        f"mixcheck.from_draws(..); found {type(model).__name__}, which cannot observe "
        "and replicate its data"
    )


def _draws(model: Checkable, draws: int | None) -> int | None:
    available = model.available if isinstance(model, Enumerable) else None
    if draws is None:
        return None if available is None else min(DEFAULT_DRAWS, available)
    count = require_draws(draws)
    if available is not None and count > available:
        raise OptionError(
            f"draws={count} was asked for, and the model holds {available} draws; leave draws "
            "out, or give from_draws more of them"
        )
    return count


def _randomisations(model: Checkable, conditioning: Conditioning, calibration: Calibration) -> int:
    """How often a data set is seen: once where that is not random, or replicates are seen once."""
    repeatable = calibration != "plug-in" or isinstance(model, Enumerable)
    random = conditioning == "posterior" or model.discrete
    few = len(model.frame) <= _ROWS_SEEN_AGAIN
    return RANDOMISATIONS if repeatable and random and few else 1


def _calibration(model: Checkable, asked: Calibration | None) -> tuple[Calibration, str]:
    """The calibration asked for, or the one that suits the model, with the reason."""
    refittable = isinstance(model, Refittable)
    if asked is not None:
        require_choice("calibration", asked, CALIBRATIONS)
        if asked != "plug-in" and not refittable:
            raise OptionError(
                f"calibration={shown(asked)} needs a model that can be fitted again, and "
                f'{type(model).__name__} has no refit and respond; write calibration="plug-in"'
            )
        return asked, ""
    if not refittable:
        return "plug-in", f"{type(model).__name__} cannot be fitted again"
    if isinstance(model, Converging) and _is_determined(model):
        return "plug-in", "the random effects all but determine the responses, also those of refits"
    if not isinstance(model, BatchRefittable):
        return "refit", f"{type(model).__name__} can be fitted again"
    if len(model.frame) <= REFIT_ROWS:
        return "refit", f"there are no more than {REFIT_ROWS:,} rows"
    return "one-step", f"there are more than {REFIT_ROWS:,} rows"


def _is_determined(model: Converging) -> bool:
    """Whether standard deviations of random effects have no finite estimate: nor have refits.

    Their search follows a ridge without an end, for seconds with some tens of rows.
    """
    return any(limit.reason == "groups" for limit in model.convergence.limits)
