"""The ranges of a request, each with the words that a finding needs."""

from collections.abc import Iterator
from dataclasses import dataclass

from slash24.core.addresses import IPNetwork, network_or_none
from slash24.plan.finding import UnknownFact
from slash24.plan.propose import pod_cidr_fix, service_cidr_fix
from slash24.plan.request import ClusterRequest


@dataclass(frozen=True, slots=True)
class Range:
    """A pod or service CIDR of a request, as its user wrote it."""

    what: str
    option: str
    text: str
    target: str
    request: ClusterRequest

    @property
    def is_service(self) -> bool:
        return self.option == "--service-cidr"

    @property
    def network(self) -> IPNetwork | None:
        """The network, None while the text is malformed (S24-106 says so; other rules are silent then)."""
        return network_or_none(self.text)

    @property
    def fix(self) -> str:
        return service_cidr_fix(self.request) if self.is_service else pod_cidr_fix(self.request)


def ranges_of(request: ClusterRequest) -> Iterator[Range | UnknownFact]:
    """Yield the ranges of the pods and of the Services; for those that nobody knows, what is unknown."""
    try:
        for text in request.pod_ranges:
            yield Range("pod CIDR", "--pod-cidr", text, "networkProfile.podCIDR", request)
    except UnknownFact as unknown:
        yield unknown
    try:
        for text in request.service_ranges:
            yield Range("service CIDR", "--service-cidr", text, "networkProfile.serviceCIDR", request)
    except UnknownFact as unknown:
        yield unknown
