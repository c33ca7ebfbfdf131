"""The address types of the project: the one place that decides which IP families it supports.

IPv4 only, see Limits in README.md. IPv6 support starts here: every annotation and every parser uses these names.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

IPAddress = IPv4Address
IPNetwork = IPv4Network
IPInterface = IPv4Interface
