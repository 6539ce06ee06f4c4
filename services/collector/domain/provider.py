"""Decides who a provider (信息提供者) is to the bureau: what it may report about whom, and the names of its topics and group."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from services.collector.domain.basis import Basis
from services.collector.domain.kinds import DOMAIN_OF_KIND, Domain, Kind
from services.collector.domain.signature_key import SignatureKey

_INTAKE = "intake"
_NOTICES = "provider.notices"


class SignatureDuty(StrEnum):
    """Whether a provider has to sign its records. One that has not may; what it signs is verified all the same."""

    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provider:
    """One provider of the directory. `region_prefixes` are leading digits of GB/T 2260 divisions, e.g. 14 for all of Shanxi.

    `bases` are how it may come to know its figures: who only passes on declarations cannot call them metered or verified.
    `ended_kinds` are those it was entitled to before; one that left the directory has no others.
    """

    code: str
    name: str
    kinds: frozenset[Kind]
    region_prefixes: tuple[str, ...]
    bases: frozenset[Basis]
    ended_kinds: frozenset[Kind] = frozenset()
    signature: SignatureDuty = SignatureDuty.NONE
    keys: tuple[SignatureKey, ...] = ()

    def may_report(self, kind: Kind) -> bool:
        return kind in self.kinds

    def may_report_on(self, region: str) -> bool:
        return region.startswith(self.region_prefixes) if self.region_prefixes else False

    def intake_topics(self) -> tuple[str, ...]:
        """Name the topics it publishes on: one for each domain of its kinds."""
        return tuple(sorted({intake_topic(DOMAIN_OF_KIND[kind], self.code) for kind in self.kinds}))

    def as_published(self, domain: Domain) -> "Provider":
        """Give the provider with the rights by which it published what lies on its topic of a domain.

        A topic that left the directory is read to its end. Nobody may write it any more, so all of it was published by right.
        """
        if any(DOMAIN_OF_KIND[kind] is domain for kind in self.kinds):
            return self
        return replace(self, kinds=self.kinds | self.ended_kinds)

    def notices_topic(self) -> str:
        return notices_topic(self.code)

    def group(self) -> str:
        """Name the one consumer group that may read its notices."""
        return f"provider.{self.code}"


def stranger(code: str) -> Provider:
    """Stand for a provider that the directory never knew: it may report nothing."""
    return Provider(code=code, name="", kinds=frozenset(), region_prefixes=(), bases=frozenset(Basis))


def intake_topic(domain: Domain, code: str) -> str:
    return f"{_INTAKE}.{domain.value}.v1.{code}"


def notices_topic(code: str) -> str:
    return f"{_NOTICES}.v1.{code}"


def domain_and_code(topic: str) -> tuple[Domain, str]:
    """Read the domain and the provider's code out of the name of an intake topic.

    Raises:
        ValueError: it is not the name of an intake topic.
    """
    prefix, domain, version, code = topic.split(".", 3)
    if prefix != _INTAKE or version != "v1" or not code:
        raise ValueError(f"{topic!r} is not an intake topic")
    return Domain(domain), code


def intake_topics(providers: Iterable[Provider]) -> list[str]:
    """Name every intake topic of the directory, sorted."""
    return sorted({topic for provider in providers for topic in provider.intake_topics()})
