"""What a part sees of data sets: of the observed one, and of those that the model makes.

A replicate is simulated where its rows are, by a stream of its part. One Newton step from the
estimates (:mod:`mixcheck.fitting.estimation.one_step`) is taken by all parts together: each says
the deviance and the gradient of its rows of the replicate, the sums make the step, and each then
finds its modes where that leads. What a part holds of the replicates that are looked at is made
again where it is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import MixcheckError
from mixcheck.execution.streams import Purpose, stream
from mixcheck.fitting.estimation.one_step import nearness
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.stacked_refits import StackedRefits, stacks
from mixcheck.fitting.likelihood.approximation import Approximation, objective_of
from mixcheck.fitting.likelihood.copies import Copies, join_responses
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.score_table import ScoreTable, tabulate_scores
from mixcheck.fitting.partitions.part import Part, answer, recall, require_problem
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.port import Conditioning, DataView

__all__ = ["Asked", "ask_of_views", "make_views", "score_replicates", "step_replicates"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Asked:
    """Which data sets are looked at, and how.

    Attributes
    ----------
    psi : (P,)
        Estimates.
    number : int
        Of the evaluation there.
    method : Approximation
    conditioning : {"posterior", "marginal", "mode"}
    seed : int
    numbers : tuple of int
        Of replicates; none for the observed data.
    steps : (B, P) or None
        The parameters by which each replicate is seen; None for the estimates.
    """

    psi: FloatArray
    number: int
    method: Approximation
    conditioning: Conditioning
    seed: int
    numbers: tuple[int, ...] = ()
    steps: FloatArray | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What data sets are known by, beside their numbers; the observed one has none."""
        replicates = bool(self.numbers)
        return self.number, self.conditioning, self.seed, self.steps is not None, replicates


def model_of(part: Part, asked: Asked) -> GlmmPort:
    """The rows of a part as a fit at the estimates, each of which stands for itself."""
    known = part.replicas.get("model")
    if known is None or known[0] != asked.number:
        at = _optimum(recall(part, asked.psi, asked.number, asked.method))
        assert part.design is not None
        fit = GlmmPort(part.design, require_problem(part), at, asked.method)
        known = asked.number, fit.by_single_rows()[0]
        part.replicas["model"] = known
    model: GlmmPort = known[1]
    return model


def _optimum(at: Evaluation, *, one_step: bool = False) -> Optimum:
    """Where a part stands, as the optimum of a fit of which only that is asked."""
    scale = np.zeros((at.psi.size, 0))
    return Optimum(at.psi, at, scale, np.nan, None, np.nan, 0, one_step=one_step)


def score_replicates(part: Part, place: int, asked: Asked) -> FloatArray | None:
    """Deviance and gradient of the rows of a part at the estimates, (B, 1 + P), of each replicate.

    Not finite where there are no modes; None without rows.
    """
    return answer(part, _score, place, asked)


def _score(part: Part, place: int, asked: Asked) -> FloatArray:
    _forget(part)
    found = _first_looks(part, place, asked)
    return np.array([np.append(one.deviance, one.gradient) for one in found])


def step_replicates(part: Part, place: int, asked: Asked) -> FloatArray | None:
    """Deviances of the rows of a part where steps have led, (B,); None without rows."""
    return answer(part, _step, place, asked)


def _step(part: Part, place: int, asked: Asked) -> FloatArray:
    return np.array([one.deviance for one in _looks(part, place, asked)])


def _forget(part: Part) -> None:
    """Give up what is held of other replicates."""
    kept = "model", "table"
    part.replicas = {name: part.replicas[name] for name in kept if name in part.replicas}


def _problem_of(part: Part, place: int, asked: Asked, k: int) -> Problem:
    """The rows of a part with the response of replicate k."""
    key = "response", asked.seed, k
    if key not in part.replicas:
        model = model_of(part, asked)
        response = model.respond(stream(asked.seed, Purpose.RESPOND, k, place))
        part.replicas[key] = model.problem.with_response(response)
    problem: Problem = part.replicas[key]
    return problem


def _first_looks(part: Part, place: int, asked: Asked) -> list[Evaluation]:
    """The evaluation of each replicate at the estimates."""
    known = part.replicas.setdefault(("first", asked.seed), {})
    new = [k for k in asked.numbers if k not in known]
    if new:
        psi = np.tile(asked.psi, (len(new), 1))
        known |= zip(new, _evaluate(part, place, asked, new, psi, None), strict=True)
    return [known[k] for k in asked.numbers]


def _looks(part: Part, place: int, asked: Asked) -> list[Evaluation]:
    """The evaluation of each replicate where its step has led."""
    assert asked.steps is not None
    firsts = _first_looks(part, place, asked)
    known = part.replicas.setdefault(("step", asked.seed), {})
    new = [
        b
        for b, (k, psi) in enumerate(zip(asked.numbers, asked.steps, strict=True))
        if k not in known or not np.array_equal(known[k].psi, psi)
    ]
    if new:
        numbers = [asked.numbers[b] for b in new]
        near = [firsts[b] for b in new]
        found = _evaluate(part, place, asked, numbers, asked.steps[new], near)
        known |= zip(numbers, found, strict=True)
    return [known[k] for k in asked.numbers]


def _evaluate(
    part: Part,
    place: int,
    asked: Asked,
    numbers: Sequence[int],
    psi: FloatArray,
    near: Sequence[Evaluation] | None,
) -> list[Evaluation]:
    """Deviance and modes of the rows of a part of each replicate: of all at once, where they stack.

    Parameters
    ----------
    numbers : sequence of int
        Of replicates.
    psi : (B, P)
    near : sequence of Evaluation, optional
        Of the same replicates at parameters nearby; the gradient is then not asked for.
    """
    problems = [_problem_of(part, place, asked, k) for k in numbers]
    found: list[Evaluation | None] = [None] * len(numbers)
    stacked = _stacked(part, asked) if len(numbers) > 1 else None
    if stacked is not None:
        data = join_responses([problem.data for problem in problems])
        found = stacked.evaluate(data, len(numbers), psi, _effects_of(near))
    table = _table(part, asked) if near is None and stacked is None else None
    return [
        at
        or objective_of(
            problem,
            asked.method,
            sloped=near is None,
            effects=None if table is None else table.modes(problem),
        )(end, None if near is None else near[b], nearness(problem)[near is not None])
        for b, (problem, end, at) in enumerate(zip(problems, psi, found, strict=True))
    ]


def _table(part: Part, asked: Asked) -> ScoreTable | None:
    """Where searches for modes at the estimates begin; None for where there is no better place."""
    known = part.replicas.get("table")
    if known is None or known[0] != asked.number:
        known = asked.number, tabulate_scores(model_of(part, asked).problem, asked.psi)
        part.replicas["table"] = known
    table: ScoreTable | None = known[1]
    return table


def _stacked(part: Part, asked: Asked) -> StackedRefits | None:
    """How replicates of a part are evaluated together; None where each is by itself."""
    model, method = model_of(part, asked), asked.method
    if not isinstance(method, Laplace) or not stacks(model.problem, method):
        return None
    known = part.replicas.get("stacked")
    if known is None or known[0] != asked.number:
        whitening = np.zeros((asked.psi.size, 0))
        known = asked.number, StackedRefits(Copies(model.problem), asked.psi, whitening, method)
        part.replicas["stacked"] = known
    found: StackedRefits = known[1]
    return found


def _effects_of(near: Sequence[Evaluation] | None) -> list[FloatArray] | None:
    """The modes of all evaluations, one after another; None where some has none."""
    modes = [one.mode for one in near or ()]
    effects = [mode.point.u for mode in modes if mode is not None]
    if not effects or len(effects) < len(modes):
        return None
    return [np.concatenate(parts, axis=1) for parts in zip(*effects, strict=True)]


def make_views(part: Part, place: int, asked: Asked) -> list[str] | None:
    """See data sets, and hold what is seen; why each cannot be seen, or "". None without rows."""
    return answer(part, _make_views, place, asked)


def _make_views(part: Part, place: int, asked: Asked) -> list[str]:
    found = _see(part, place, asked)
    part.replicas["views"] = (
        asked.key,
        {k: one for k, one in found.items() if isinstance(one, DataView)},
    )
    return [
        f"{type(one).__name__}: {one}" if isinstance(one, Exception) else ""
        for one in found.values()
    ]


def _see(part: Part, place: int, asked: Asked) -> dict[int, DataView | Exception]:
    """What the part sees of each data set, by its number; the observed one is number 0."""
    model, seed, conditioning = model_of(part, asked), asked.seed, asked.conditioning
    if not asked.numbers:
        return {0: _only(model.observe_many([model], conditioning, _streams(asked, place), 0))[0]}
    if asked.steps is None:
        _forget(part)
        rngs = [stream(seed, Purpose.REPLICATE, k, place) for k in asked.numbers]
        found = model.replicate_many(conditioning, rngs)
        return dict(zip(asked.numbers, found, strict=True))
    out: dict[int, DataView | Exception] = {}
    fits: dict[int, GlmmPort] = {}
    for k, look in zip(asked.numbers, _looks(part, place, asked), strict=True):
        try:
            at = _optimum(look, one_step=True)
            fits[k] = model.again(_problem_of(part, place, asked, k), at)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            out[k] = error
    rngs = [stream(seed, Purpose.OBSERVE_REFIT, k, place) for k in fits]
    seen = _only(model.observe_many(list(fits.values()), conditioning, rngs, 0))
    out |= dict(zip(fits, seen, strict=True))
    return {k: out[k] for k in asked.numbers}


def _streams(asked: Asked, place: int) -> list[np.random.Generator]:
    return [stream(asked.seed, Purpose.OBSERVE, 0, place)]


def _only(seen: Sequence[tuple[DataView, ...] | Exception]) -> list[DataView | Exception]:
    """The one look at each data set."""
    return [one if isinstance(one, Exception) else one[0] for one in seen]


def ask_of_views(
    part: Part,
    place: int,
    asked: Asked,
    question: Callable[..., Answer],
    args: Sequence[Any],
) -> Answer | None:
    """The answer of a part that sees data sets; they are seen anew where that is lost."""
    return answer(part, _ask_of_views, place, asked, question, args)


def _ask_of_views(
    part: Part, place: int, asked: Asked, question: Callable[..., Answer], args: Sequence[Any]
) -> Answer:
    held = part.replicas.get("views")
    numbers = asked.numbers or (0,)
    if held is None or held[0] != asked.key or any(k not in held[1] for k in numbers):
        _make_views(part, place, asked)
        held = part.replicas["views"]
    return question(model_of(part, asked), [held[1][k] for k in numbers], *args)
