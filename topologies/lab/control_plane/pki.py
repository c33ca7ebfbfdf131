"""Write the keys and certificates of a lab, new for each: CA, API server, kubelets, service accounts, SSH.

All keys are elliptic curves: an RSA key costs a kubelet 0.8 s of its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from topologies.common.addresses import IPAddress

VALID_DAYS = 30
BACKDATED = timedelta(days=1)  # for a clock that is set back while the lab is up
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")


def write(directory: Path, *, api: Iterable[IPAddress], kubelets: Iterable[IPAddress]) -> None:
    """Write `ca`, `api`, `kubelet` and `kubelet-client` as .crt and .key, and `sa.key`.

    Args:
        directory: Where.
        api: The addresses in the API server's certificate.
        kubelets: The addresses in the kubelets' certificate.

    """
    directory.mkdir(parents=True, exist_ok=True)
    key = _key(directory, "ca")
    name = _name("hairpin-lab-ca")
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    authority = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    (directory / "ca.crt").write_bytes(authority.public_bytes(Encoding.PEM))
    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    names = [*map(x509.DNSName, SERVICE_NAMES), *map(x509.IPAddress, api)]
    signer = _Signer(directory, key, authority)
    signer.sign("api", _name("kube-apiserver"), server, names)
    signer.sign("kubelet", _name("kubelet"), server, [*map(x509.IPAddress, kubelets)])
    signer.sign("kubelet-client", _name("hairpin-apiserver", "system:masters"), client, [])
    _key(directory, "sa")


def write_ssh(directory: Path, hosts: Mapping[str, tuple[IPAddress, int]]) -> None:
    """Write a client key `id_ed25519`, host keys `host-<name>`, `authorized_keys` and `known_hosts`.

    Args:
        directory: Where.
        hosts: Each host's address and port, by name.

    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "authorized_keys").write_text(_ssh_key(directory / "id_ed25519") + "\n")
    known = []
    for name, (address, port) in hosts.items():
        where = f"{address}" if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - sshd(8), SSH_KNOWN_HOSTS FILE FORMAT
        known.append(f"{where} {_ssh_key(directory / f'host-{name}')}\n")
    (directory / "known_hosts").write_text("".join(known))


def _ssh_key(path: Path) -> str:
    key = Ed25519PrivateKey.generate()
    _secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_suffix(".pub").write_text(f"{public}\n")
    return public


@dataclass(frozen=True, slots=True)
class _Signer:
    directory: Path
    key: EllipticCurvePrivateKey
    authority: x509.Certificate

    def sign(self, file: str, subject: x509.Name, usage: x509.ObjectIdentifier, names: list[x509.GeneralName]) -> None:
        key = _key(self.directory, file)
        builder = _builder(subject, self.authority.subject, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        (self.directory / f"{file}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now - BACKDATED).not_valid_after(now + timedelta(days=VALID_DAYS))


def _name(common: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key(directory: Path, file: str) -> EllipticCurvePrivateKey:
    key = generate_private_key(SECP256R1())
    _secret(
        directory / f"{file}.key", key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return key


def _secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
