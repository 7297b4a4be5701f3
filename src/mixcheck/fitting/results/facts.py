"""The part of a fit that says what kind of model it is, to whoever checks it."""

from __future__ import annotations

from dataclasses import dataclass

from mixcheck.fitting.results.estimates import Estimates

__all__ = ["Facts"]


@dataclass(frozen=True, eq=False, repr=False)
class Facts(Estimates):
    """Facts of the family, and a description; attributes are those of `Estimates`."""

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return self.family.discrete

    @property
    def fits_variance(self) -> bool:
        """Whether the mean squared residual is what the model was fitted to."""
        return self.family.fits_variance

    @property
    def heavy_tailed(self) -> bool:
        """Whether a response far out says little of the mean."""
        return self.family.heavy_tailed

    @property
    def fits_frequencies(self) -> bool:
        """Whether the model was fitted to how often each value occurs."""
        return self.family.fits_frequencies

    @property
    def description(self) -> dict[str, str | int | float | bool | None]:
        """What the model is: formula, family, link, method, numbers of rows and groups."""
        return {
            "formula": self.formula_words,
            "family": self.family.name,
            "link": self.family.link.name,
            "method": self.method_words,
            **{f"prior of {name}": words for name, words in self.priors.items()},
            "nobs": self.nobs,
            **{f"levels of {group}": m for group, m in self.n_groups.items()},
            self.llf_name: self.llf,
        }
