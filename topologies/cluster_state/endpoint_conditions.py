"""The conditions of a declared backend's endpoint, as the EndpointSlice controller of a version sets them. Pure.

pkg/controller/endpointslice/utils.go podToEndpoint: an endpoint is ready if the Service publishes not-ready addresses,
or if the pod is Ready and not deleted. A deleted pod is listed if the Service publishes such addresses, or since
EndpointSliceTerminatingCondition is on by default (KEP-1672: alpha in 1.20, beta in 1.22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from topologies.schema.scalars import Version

if TYPE_CHECKING:
    from topologies.schema.topology import Backend, Service

TERMINATING_LISTED = Version(1, 22)


class Conditions(NamedTuple):
    """The conditions of an endpoint as kube-proxy reads them. `terminating` is false if the API does not set it."""

    ready: bool = True
    serving: bool = True
    terminating: bool = False


def declared_conditions(service: Service, backend: Backend, version: Version) -> Conditions | None:
    """Return the conditions of a backend's endpoint in a Service, or None if the Service has no endpoint for it.

    Args:
        service: A Service that selects the backend.
        backend: The backend, which is in its declared state.
        version: The version of the control plane.

    """
    state, knows_terminating = backend.state, version >= TERMINATING_LISTED
    if state.terminating and not (knows_terminating or service.publish_not_ready_addresses):
        return None
    return Conditions(service.is_ready(backend), state.serving, state.terminating and knows_terminating)


def describe(conditions: Conditions) -> str:
    """Return `ready`, `terminating and serving`, `terminating and not serving`, or `not ready`."""
    if conditions.ready:
        return "ready"
    if not conditions.terminating:
        return "not ready"
    return f"terminating and {'' if conditions.serving else 'not '}serving"
