"""The algebra of checks: a question about a model, its variants, and several of them as one.

The arguments of its constructor are the whole identity of a check. ``a & b`` is a suite, an
ordered set of checks that is run over one pass of replicates.
"""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, TypeAlias, cast

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import as_items, shown
from mixcheck.checks import contents
from mixcheck.checks.kinds import SUITE, Kinds, argument_as_data, argument_repr, spelled
from mixcheck.checks.over_parts import NOT_SHARED, run_over_parts
from mixcheck.checks.run import RunArguments, run_checks
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.codec.documents import from_json, read_document, to_json
from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import NOT_STORED, Shape
from mixcheck.codec.written_files import read_written
from mixcheck.display.document import Document, Paragraph, Table
from mixcheck.display.render import to_fragment
from mixcheck.errors import DataError, OptionError
from mixcheck.execution.progress import Progress
from mixcheck.port import Checkable, Conditioning, Divided, Ported, parts_of
from mixcheck.port.entry import asked_words
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Skipped
from mixcheck.report.policy import Policy
from mixcheck.report.report import Report
from mixcheck.simulation import Calibration

__all__ = ["KINDS", "Check", "Level", "Suite", "check_from_dict", "known_kinds"]

Level: TypeAlias = str | int | float | bool

KINDS: Kinds[Check] = Kinds()


@answer_methods
@dataclass(frozen=True, repr=False)
class Check(ABC):
    """A question about a model.

    A check holds no significance level, draws nothing, and computes nothing until a suite
    runs it. Checks are equal where their arguments are. ``a & b`` is a `Suite`.

    Attributes
    ----------
    kind : str
        Stable short name, the same in JSON whatever module the class moves to.
    needs : type
        The protocol that a model must meet; another model gives `Skipped`, with the first line
        of the protocol's docstring as the reason.
    about_rows : bool
        Whether the question can be asked of some rows only.
    least_rows : int
        Fewer rows than this give `Skipped`.
    brings_code : bool
        Whether an argument names a function, which no file may bring.
    shared : bool
        Whether parts of the rows can say together what it measures; see `SharedStatistic`.
    """

    kind: ClassVar[str]
    needs: ClassVar[type] = Checkable
    about_rows: ClassVar[bool] = True
    least_rows: ClassVar[int] = 1
    brings_code: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    _shape: ClassVar[Shape]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        kind = cls.__dict__.get("kind")
        if kind is not None:
            KINDS.add(kind, cls)

    @abstractmethod
    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """What to measure on these rows: one outcome or several, each with its name."""

    @property
    def name(self) -> str:
        """Name of its finding: the kind, and the arguments that differ from their defaults."""
        words = self.kind.replace("-", " ")
        told = [spelled(value) for _, value in self._told()]
        return f"{words} [{', '.join(told)}]" if told else words

    @property
    def __name__(self) -> str:
        """By which pytest calls a parameter: the name, and the column and level of a variant."""
        return self.name

    def plan(self, context: CheckContext) -> tuple[Outcome, ...]:
        """What to measure on these rows, or why nothing can be."""
        reason = self._reason_to_skip(context)
        if reason:
            return (Skipped(self.name, self.kind, reason),)
        return self.measures(context)

    def _reason_to_skip(self, context: CheckContext) -> str:
        if not isinstance(context.model, self.needs):
            found = type(context.model).__name__
            return f"This check needs {asked_words(self.needs)}, which {found} is not."
        if not self.about_rows and not context.whole:
            return "This check is about the whole model, not about some of its rows."
        if context.n < self.least_rows:
            return f"There are {context.n} rows, and this check needs at least {self.least_rows}."
        return ""

    def by(self, column: str) -> Check:
        """The same question for each level of a column, one finding a level.

        Examples
        --------
        >>> from mixcheck.checks import Zeros
        >>> Zeros().by("site")
        Zeros().by('site')
        """
        return KINDS.make("by", self, column)

    def where(self, column: str, level: Level) -> Check:
        """The same question for the rows of one level of a column."""
        return KINDS.make("where", self, column, level)

    def named(self, name: str) -> Check:
        """The same question under another name."""
        return KINDS.make("named", self, name)

    def __and__(self, other: Check | Suite) -> Suite:
        return Suite((self,)) & other

    def _told(self) -> Iterator[tuple[Field[Any], Any]]:
        """Fields whose value differs from the default."""
        for item in fields(self):
            value = getattr(self, item.name)
            if item.default is MISSING or value != item.default:
                yield item, value

    def __repr__(self) -> str:
        told = [
            argument_repr(value)
            if item.default is MISSING
            else f"{item.name}={argument_repr(value)}"
            for item, value in self._told()
        ]
        return f"{type(self).__name__}({', '.join(told)})"

    def to_dict(self) -> dict[str, Any]:
        """The check as plain data, keyed by its kind; see `check_from_dict`."""
        return {"kind": self.kind} | {
            item.name: argument_as_data(value) for item, value in self._told()
        }


@answer_calls
def known_kinds() -> tuple[str, ...]:
    """Kinds that `check_from_dict` can read, sorted."""
    return KINDS.names


@answer_calls
def check_from_dict(data: Mapping[str, Any]) -> Check:
    """The check that ``check.to_dict()`` described.

    A user's function is found by importing its module, so read only files that you trust.

    Raises
    ------
    OptionError
        If the kind or an argument is unknown.

    Examples
    --------
    >>> from mixcheck.checks import Dispersion
    >>> check_from_dict({"kind": "dispersion", "statistic": "variance"})
    Dispersion(statistic='variance')
    """
    return KINDS.read(data)


Check._shape = Shape(
    lambda check: check.to_dict(),
    lambda reader: check_from_dict(reader.object()),
    lambda known: KINDS.schema(known, check_from_dict),
)


@answer_methods
@dataclass(frozen=True, repr=False)
class Suite:
    """An ordered set of checks.

    ``a & b`` holds the checks of `a`, then those of `b` that `a` has not. The operation is
    associative and idempotent, and ``Suite()`` is its identity.

    Parameters
    ----------
    checks : iterable of Check
        Equal checks are kept once, where they come first.

    Attributes
    ----------
    left_out : mapping of str to str
        Why `Suite.standard` left a check out, by its name; no part of what the suite is, so
        neither compared nor stored.

    Raises
    ------
    OptionError
        If something is not a check.

    Examples
    --------
    >>> from mixcheck.checks import Dispersion, Outliers, Uniformity, Zeros
    >>> Uniformity() & Dispersion() & Uniformity()
    Uniformity() & Dispersion()
    >>> Suite.from_json((Zeros() & Outliers()).to_json()) == Zeros() & Outliers()
    True
    """

    checks: tuple[Check, ...] = ()
    left_out: Mapping[str, str] = field(
        default_factory=dict, init=False, compare=False, metadata=NOT_STORED
    )

    def __post_init__(self) -> None:
        given = as_items(self.checks)
        for item in (self.checks,) if given is None else given:
            if not isinstance(item, Check):
                raise OptionError(
                    f"a suite holds checks, found {shown(item)}; write "
                    "Suite((Zeros(), Dispersion())) or Zeros() & Dispersion()"
                )
        object.__setattr__(self, "checks", tuple(dict.fromkeys(given or ())))

    @classmethod
    def standard(cls, model: Residuals | Checkable | Ported | Divided | None = None) -> Suite:
        """What every mixed model should answer to, and what `check` asks by default.

        Uniformity, dispersion, outliers, zeros, the trend along the fitted values, random effects
        and convergence, of any model. Of a given one also whatever can be asked of it and its data
        among these: the spread along the fitted values; predictors, slopes, grouping factors,
        products and squares that it lacks; what its dispersion depends on; its link; correlation
        along a column of times, or the order of the rows, within groups; and correlation in space
        where two columns are coordinates by their names. `left_out` says why others are not
        asked. `validation/power` has what each of them is worth.

        Parameters
        ----------
        model : Checkable or Residuals, optional

        Raises
        ------
        OptionError
            If it is not a model.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence ~ period + (1 | herd)", cbpp, family="poisson")
        >>> chosen = mc.Suite.standard(fit)
        >>> mc.checks.MissingPredictor() in chosen
        True
        >>> chosen.left_out["spatial"]
        'There are no columns of coordinates.'
        """
        always = tuple(map(check_from_dict, contents.STANDARD))
        if model is None:
            return cls(always)
        if parts_of(model) is not None:
            return cls._over_parts(always)
        whole = cast("Residuals | Checkable | Ported", model)
        seen = whole if isinstance(whole, Residuals) else residuals(whole, seed=0)
        port = seen.replicates.port
        context = CheckContext(port, seen.observed, port.frame)
        further, left_out = contents.further(port)
        kept = []
        for check in map(check_from_dict, further):
            outcomes = check.plan(context)
            reasons = [one.reason for one in outcomes if isinstance(one, Skipped)]
            if len(reasons) == len(outcomes):
                left_out[check.name] = reasons[0]
            else:
                kept.append(check)
        suite = cls((*always, *kept))
        object.__setattr__(suite, "left_out", left_out)
        return suite

    @classmethod
    def _over_parts(cls, always: tuple[Check, ...]) -> Suite:
        """What can be asked of rows in parts together, and what else is asked of any model."""
        every = (*always, *map(check_from_dict, contents.FURTHER))
        suite = cls(tuple(check for check in every if check.shared))
        others = [check.name for check in every if not check.shared]
        object.__setattr__(suite, "left_out", dict.fromkeys(others, NOT_SHARED))
        return suite

    @classmethod
    def quick(cls) -> Suite:
        """What costs least: uniformity, dispersion, zeros, outliers and convergence."""
        return cls(tuple(map(check_from_dict, contents.QUICK)))

    @classmethod
    def full(cls, model: Residuals | Checkable | Ported) -> Suite:
        """All that the library can ask of a model and its data without further arguments.

        What `Suite.standard` asks of it; quartiles and zeros along the fitted values; numbers among
        counts and heaps of them, or predicted probabilities where the response is of 0 and 1;
        what the columns of the data would add to a zero part; each grouping factor; influence; and
        facts of the estimates. What does not apply is SKIPPED with its reason. `Phylogenetic` is
        left out, since it needs to be told who is related to whom, and so are `Autocorrelation`
        and `Spatial` where no columns of the data say when and where.

        Parameters
        ----------
        model : Checkable or Residuals

        Raises
        ------
        OptionError
            If it is not a model.

        Examples
        --------
        >>> import mixcheck as mc
        >>> cbpp = mc.datasets.load("cbpp")
        >>> fit = mc.glmm("incidence ~ period + (1 | herd)", cbpp, family="poisson")
        >>> mc.checks.Groups("herd") in mc.Suite.full(fit)
        True
        """
        asked = model.replicates.model if isinstance(model, Residuals) else model
        return cls(tuple(map(check_from_dict, contents.full(asked))))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Suite:
        """The suite that a file holds: data, and never code.

        Parameters
        ----------
        path : path
            A file of JSON, TOML or YAML, by its ending, with an item "checks": a list of mappings
            as `check_from_dict` reads them. YAML needs PyYAML.

        Raises
        ------
        OptionError
            If there is no such file, it holds no suite, or one of its checks names a function,
            whose module would have to be imported.
        """
        suite: Suite = read_written(path, "suite", lambda reader: _suite_of_data(cls, reader))
        return suite

    def cases(self) -> tuple[Check, ...]:
        """The checks, for ``pytest.mark.parametrize``, which calls each by its name.

        Examples
        --------
        >>> from mixcheck.checks import Dispersion, Zeros
        >>> [case.__name__ for case in (Dispersion() & Zeros().by("site")).cases()]
        ['dispersion', 'zeros by site']
        """
        return self.checks

    def __and__(self, other: Check | Suite) -> Suite:
        if isinstance(other, Check):
            return Suite((*self.checks, other))
        if isinstance(other, Suite):
            return Suite(self.checks + other.checks)
        return NotImplemented

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __contains__(self, check: object) -> bool:
        return check in self.checks

    def __repr__(self) -> str:
        if len(self) > 1:
            return " & ".join(map(repr, self.checks))
        return f"Suite(({self.checks[0]!r},))" if self.checks else "Suite()"

    def _repr_html_(self) -> str:
        rows = [(repr(check), (inspect.getdoc(type(check)) or "").split("\n")[0]) for check in self]
        left = tuple(Paragraph(f"{name}: {why}", quiet=True) for name, why in self.left_out.items())
        return to_fragment(Document("Suite", (Table(("check", "asks"), tuple(rows)), *left)))

    def by(self, column: str) -> Suite:
        """Each check for each level of a column."""
        return Suite(tuple(check.by(column) for check in self.checks))

    def where(self, column: str, level: str | int | float | bool) -> Suite:
        """Each check for the rows of one level."""
        return Suite(tuple(check.where(column, level) for check in self.checks))

    def to_json(self) -> str:
        """The suite as JSON; see `from_json`."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Suite:
        """The suite that `to_json` wrote.

        A user's function is found by importing its module, so read only text that you trust.

        Raises
        ------
        OptionError
            If it is not JSON of a suite, or holds a kind of check that is unknown.
        """
        if not isinstance(text, str):
            raise OptionError(f"a suite is read from the text of its JSON; found {shown(text)}")
        try:
            return from_json(text, cls, "suite", versioned=False)
        except DataError as error:
            raise OptionError(f"{error}; a suite in JSON is an object such as {SUITE}") from None

    def run(
        self,
        subject: Residuals | Checkable | Ported | Divided,
        *,
        seed: int | None = None,
        draws: int | None = None,
        calibration: Calibration | None = None,
        conditioning: Conditioning = "posterior",
        policy: Policy | None = None,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> Report:
        """Run all checks over one pass of replicate data sets.

        Parameters
        ----------
        subject : Residuals or model
            Residuals bring their own seed, draws, calibration and conditioning. A fit over
            partitions is asked where these are held.
        seed, draws, calibration, conditioning
            As in `mixcheck.replicate`, for a model.
        policy : Policy, optional
            How the findings are judged; judge them again with ``report.judge``.
        time_limit : float, optional
            Seconds after which no replicate is begun; the report tells how many there are. The
            clock alone stops them, and those that were begun are finished, so that p-values
            are those of a check which was asked for so many.
        n_jobs : int, optional
            Processes, -1 for all cores; None leaves it to ``joblib.parallel_config``.
        progress : bool or callable, optional
            ``progress(done, total)``; True shows a bar on stderr.

        Returns
        -------
        Report

        Raises
        ------
        OptionError
            If two findings would have one name, or residuals come with arguments of their own.
        UnknownColumnError
            If a check names a column that the data have not.
        """
        given = RunArguments(
            seed,
            draws,
            calibration,
            conditioning,
            policy,
            time_limit,
            n_jobs,
            progress,
            self.left_out,
        )
        parts = parts_of(subject)
        if parts is not None:
            return run_over_parts(self.checks, parts, given)
        return run_checks(self.checks, cast("Residuals | Checkable | Ported", subject), given)


def _suite_of_data(cls: type[Suite], content: Reader) -> Suite:
    """The suite of a file, if it says nothing else and names no function."""
    KINDS.require_suite(content.object())
    return read_document(content, cls, versioned=False)
