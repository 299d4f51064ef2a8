"""Networks: sets of IP addresses, in the form of `--allow` and `--deny`.

Strategy: one set of prefixes for each length of prefix, so that looking an address up takes as long with a hundred
thousand networks as with two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fastserver.errors import ConfigError

IP = IPv4Address | IPv6Address


class Networks:
    """The addresses that `entries` name: each an address, a network, or `@FILE` with one on each line and comments
    behind #.

    Raises `ConfigError`, which says what is wrong, with file and line.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        # By version, bits behind the prefix, and the zone; "" is any.
        self._prefixes: dict[int, dict[tuple[int, str], set[int]]] = {4: {}, 6: {}}
        for entry in entries:
            for text, where in _lines(entry[1:]) if entry.startswith("@") else [(entry, "")]:
                try:
                    self._add(_as_ipv4(ip_network(text)))
                except ValueError as error:
                    why = "has host bits set" if "host bits" in str(error) else "is no address or network"
                    raise ConfigError(f"{where}{text!r} {why}") from None

    def __contains__(self, ip: IP) -> bool:
        number, zones = int(ip), ("", _zone(ip))
        return any(
            zone in zones and number >> behind in prefixes
            for (behind, zone), prefixes in self._prefixes[ip.version].items()
        )

    def __bool__(self) -> bool:
        return any(self._prefixes.values())

    def _add(self, network: IPv4Network | IPv6Network) -> None:
        behind = network.max_prefixlen - network.prefixlen
        address = network.network_address
        self._prefixes[network.version].setdefault((behind, _zone(address)), set()).add(int(address) >> behind)


def ip_of(host: str) -> IP:
    """The address in `host`, with its zone if it has one; an IPv4-mapped one as IPv4. Raises `ValueError`."""
    ip = ip_address(host)
    return ip if isinstance(ip, IPv4Address) else ip.ipv4_mapped or ip


def _zone(ip: IP) -> str:
    return "" if isinstance(ip, IPv4Address) else ip.scope_id or ""


def _as_ipv4(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """`network`, as IPv4 if all in it are IPv4-mapped."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """The entries in the file at `path`, each with its place for error messages."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                entry = line.partition("#")[0].strip()
                if entry:
                    yield entry, f"{path}, line {number}: "
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
