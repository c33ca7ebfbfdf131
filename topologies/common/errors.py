"""The errors that the product raises on purpose: one tree below HairpinError.

The message of a HairpinError is for the user: `<what failed>: <where>: got X, want Y. <next step>.` Print it without a
traceback. Every other exception that leaves an entry point is a bug. tests/unit/repository/test_errors.py checks that
every exception class of the product is in this tree.

Exit codes: `lab` is `hairpin lab`, `pytest` a run. A class without one is caught by the product.

    HairpinError
    ├── TopologyError        topologies.schema.complaints       pytest 4, hairpin 2, lab 1
    ├── NoRoomError          topologies.schema.pod_addresses    becomes a complaint of a TopologyError
    ├── UnresolvedError      topologies.frontends               the cell is inconclusive
    ├── ClusterError         topologies.cluster.api             pytest 6, hairpin 2
    ├── ProcessError         topologies.common.subprocesses     lab 1
    ├── WaitTimeoutError     topologies.common.waiting          pytest 6, lab 1
    ├── LabError             topologies.lab.teardown            pytest 4, lab 1
    ├── SandboxError         topologies.lab.sandbox             pytest 4, lab 1
    ├── OwnershipError       topologies.lab.ownership           pytest 4, lab 1
    ├── RequirementError     topologies.lab.requirements        pytest 4, lab 1
    ├── VersionError         topologies.lab.component_flags     pytest 4, lab 1
    ├── BinariesError        topologies.lab.build.program_files pytest 4, lab 1
    ├── RuntimeMissingError  topologies.lab.build.container_runtime pytest 4, lab 1
    ├── ClusterDnsMissingError topologies.lab.build.cluster_dns pytest 4, lab 1
    ├── ImagesError          topologies.lab.build.images        pytest 4, lab 1
    ├── GuestError           topologies.lab.guest.guest         pytest 4, lab 1
    ├── BuildError           topologies.lab.build.kubernetes    becomes a BinariesError or a GuestError
    ├── DebianError          topologies.lab.build.apt           becomes a BinariesError, ImagesError or GuestError
    ├── ApiError             topologies.lab.control_plane.api   retried, or written to a log of the lab
    ├── SelectionError       probes.plan.selection              pytest 4
    ├── MarkerError          probes.judging.suite               pytest 4
    ├── PromiseError         probes.judging.promise             pytest 4
    ├── NotTestedError       probes.judging.run_judge           pytest 1: the cell is inconclusive
    ├── UnsupportedMode      probes.oracle.modes.chains         hairpin 2
    ├── TooManyChoicesError  probes.oracle.unknown_facts        hairpin 2; in a run the cell is inconclusive
    ├── UnclearError         probes.asking.classify             the cell is inconclusive
    ├── LoginFileError       probes.asking.vantages.ssh_files   becomes an UnusableError
    ├── TransportError       probes.asking.vantages.base        the cell is inconclusive
    │   ├── TornError        probes.asking.vantages.base
    │   └── UnusableError    probes.asking.vantages.base
    │       ├── AbortedError     probes.asking.budget
    │       └── OutdatedError    probes.asking.transfers
    ├── DocumentedError      probes.vendor_claims.load          hairpin 2
    ├── ContractError        probes.contract.load               pytest 4, hairpin 2
    ├── ScenarioFileError    probes.scenarios.results           hairpin 2
    ├── JournalError         reports.records.journal            pytest 1
    ├── UnreadableError      reports.records.reading            hairpin 2
    ├── RejudgeError         reports.records.rejudge            hairpin 2
    ├── ConformanceError     reports.analysis.conformance.report hairpin 2
    ├── LabRunError          hairpin.qualification.lab_runs     hairpin 2
    └── CommandError         hairpin.verb                       hairpin 2
"""

from __future__ import annotations


class HairpinError(Exception):
    """An error that the product raises on purpose. Its message is complete; print it without a traceback."""
