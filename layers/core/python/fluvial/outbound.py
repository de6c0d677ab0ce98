"""The only door for HTTP to addresses that customers chose.

    check_url   when such an address is registered: a sentence for the customer, before anything is stored
    post        when it is used: one look-up, every address checked, and a connection to one of just those

A name can resolve differently a moment later, so the check at registration is a courtesy and the one in
`post` is the guard. Python's `ipaddress` flags (`is_global`, `is_private`) are wrong for about a third of the
addresses that are known from attacks and differ between versions, hence our own table.
"""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from fluvial.errors import InvalidError

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_URL_CHARACTERS = 2_048
LOOK_UP_SECONDS = 5.0
TIMEOUT_SECONDS = 15.0
KEEP_BYTES = 20_000
USER_AGENT = "Fluvial-Webhooks/1.0"

URL_CONSTRAINT = f"an http or https URL of at most {MAX_URL_CHARACTERS} characters with a public host"

Resolve = Callable[[str], Sequence[str]]
"""A host name to the texts of its addresses; OSError or nothing where it has none."""

# Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and
# https://www.iana.org/assignments/ipv4-address-space.
DENIED_IPV4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network; on Linux 0.0.0.0 is this machine
        "10.0.0.0/8",  # private use
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host of Azure's machines, in public space
        "169.254.0.0/16",  # link local, with the metadata services of most clouds
        "172.16.0.0/12",  # private use
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private use
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
]

# IPv6 is allowed only where unicast addresses are given out. That leaves out loopback, unique local, link and
# site local, multicast, IPv4 in IPv6 (::/96, ::ffff:0:0/96, 64:ff9b::/96), discard-only, segment routing.
# Sources: https://www.iana.org/assignments/ipv6-address-space and
# https://www.iana.org/assignments/iana-ipv6-special-registry.
GLOBAL_IPV6 = IPv6Network("2000::/3")
DENIED_IPV6 = [
    ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments, among them Teredo with an IPv4 address inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, with an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
]

# What `allow_private` adds: this machine and private networks, never metadata services or multicast.
PRIVATE = [
    ip_network(text) for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
]
AWS_METADATA_IPV6 = IPv6Network("fd00:ec2::/32")

# Parsers disagree most about backslashes, blanks, control characters and what Unicode folds to ASCII.
PLAIN = re.compile(r"[!-\[\]-~]*")
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# The door speaks for the connection; a customer's header must not change where or how far a request goes.
OWN_HEADERS = frozenset(("accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"))
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: either a status or an error is there, never both.

    A status counts as soon as the answer's headers are in, even if the body is cut off after them. `body` has
    at most `keep_bytes` bytes of it, as text; what is not UTF-8 in it is replaced. `error` is one sentence.
    """

    status: int | None
    body: str
    error: str | None
    milliseconds: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    secure: bool
    host: str
    port: int
    authority: str
    path: str


def look_up(host: str) -> list[str]:
    """The addresses of a host name, in the system's order of preference; OSError where it has none."""
    # As bytes: given a str, Python applies IDNA, which turns full-width digits and the like into others.
    found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Whether requests may go to this IP address (a literal, as `look_up` gives it)."""
    ip = ip_address(address)
    if allow_private and any(ip in network for network in PRIVATE):
        return ip not in AWS_METADATA_IPV6
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in DENIED_IPV4)
    return ip in GLOBAL_IPV6 and not any(ip in network for network in DENIED_IPV6)


def check_url(url: str, *, allow_private: bool, resolve: Resolve = look_up) -> None:
    """InvalidError("url", …) unless requests may go there; takes up to 5 seconds where DNS is slow.

    The sentence does not tell which addresses a name has: that would show customers our side of DNS.
    """
    target = _target(url, allow_private)
    _checked_addresses(url, target, allow_private, resolve, LOOK_UP_SECONDS)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow_private: bool,
    timeout_seconds: float = TIMEOUT_SECONDS,
    keep_bytes: int = KEEP_BYTES,
    resolve: Resolve = look_up,
    tls: SSLContext | None = None,
) -> Answer:
    """Sends one POST and reads the beginning of the answer; whatever the network does becomes an Answer.

    The time is for everything together: look-up, connection, TLS, request and answer. Redirects are not
    followed, proxies of the environment not used, and the connection is not used again. `tls` replaces the
    system's trust. ValueError for headers that are the door's own or cannot be sent.
    """
    # Here, so that functions which only check addresses do not pay for HTTP and TLS at their start.
    from http.client import HTTPException

    started = time.monotonic()
    deadline = started + timeout_seconds

    def milliseconds() -> int:
        return round((time.monotonic() - started) * 1000)

    try:
        target = _target(url, allow_private)
        request = _request(target, body, headers)
        addresses = _checked_addresses(url, target, allow_private, resolve, timeout_seconds)
        with _connect(target, addresses, deadline, tls) as connection:
            _send(connection, request, deadline)
            status, kept, retry_after = _receive(connection, deadline, keep_bytes)
    except InvalidError as refusal:
        return Answer(None, "", refusal.reason, milliseconds())
    except (OSError, HTTPException) as failure:
        return Answer(None, "", _sentence(failure, timeout_seconds), milliseconds())
    return Answer(status, kept.decode(errors="replace"), None, milliseconds(), retry_after)


def _target(url: str, allow_private: bool) -> _Target:
    """The parts of a URL that can be spelled in one way only; InvalidError for every other."""

    def refusal(reason: str) -> InvalidError:
        return InvalidError("url", reason, value=url, constraint=URL_CONSTRAINT)

    if len(url) > MAX_URL_CHARACTERS:
        raise refusal(f"The URL is longer than {MAX_URL_CHARACTERS} characters.")
    if not PLAIN.fullmatch(url):
        raise refusal("The URL must be ASCII without blanks or backslashes; international names in xn-- form.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refusal("The host or port of the URL cannot be read.") from None
    if parts.scheme not in ("http", "https"):
        raise refusal("The URL must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise refusal("The URL must not contain a user name or password.")
    if "#" in url:
        raise refusal("The URL must not contain a fragment, which is never sent.")
    if port == 0:
        raise refusal("Port 0 cannot be used.")
    host = _host(parts, allow_private)
    if host is None:
        raise refusal("The host must be a full domain name, a dotted IPv4 address or an IPv6 address in brackets.")
    secure = parts.scheme == "https"
    spelled = _spelled(host)
    return _Target(
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        authority=spelled if port is None else f"{spelled}:{port}",
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _host(parts: SplitResult, allow_private: bool) -> str | None:
    """The host without a trailing dot, or None for a spelling that programs could read differently."""
    host = parts.hostname or ""
    spelled = _spelled(host)
    # Nothing may have been dropped on the way, such as text around brackets or zeros before the port.
    if parts.netloc.lower() != (spelled if parts.port is None else f"{spelled}:{parts.port}"):
        return None
    host = host.removesuffix(".")
    if ":" in host:
        return host if _is_literal(host, IPv6Address) and "%" not in host else None
    labels = host.split(".")
    # 127.1, 0x7f.1, 0177.0.0.1 and 2130706433 are addresses to the system's resolver.
    if NUMBER.fullmatch(labels[-1]):
        return host if _is_literal(host, IPv4Address) else None
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        return None
    # A plain name is looked up in the search domains of the machine, which are not the customer's.
    return host if len(labels) > 1 or allow_private else None


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_literal(host: str, kind: type[IPv4Address] | type[IPv6Address]) -> bool:
    try:
        kind(host)
    except ValueError:
        return False
    return True


def _checked_addresses(
    url: str, target: _Target, allow_private: bool, resolve: Resolve, seconds: float
) -> Sequence[str]:
    """Every address of the host, all of them allowed; InvalidError where one is not, or there is none."""
    if _is_literal(target.host, IPv4Address) or _is_literal(target.host, IPv6Address):
        addresses: Sequence[str] = [target.host]
    else:
        addresses = _look_up_in_time(target.host, resolve, seconds)
    if not addresses:
        reason = f"The host name '{target.host}' cannot be resolved."
    elif not all(is_allowed(address, allow_private=allow_private) for address in addresses):
        reason = f"The host '{target.host}' is not on the public Internet."
    else:
        return addresses
    raise InvalidError("url", reason, value=url, constraint=URL_CONSTRAINT)


def _look_up_in_time(host: str, resolve: Resolve, seconds: float) -> Sequence[str]:
    """The addresses, or none where there are none in this time."""
    found: list[str] = []

    def work() -> None:
        try:
            found.extend(resolve(host))
        except OSError:
            return

    # getaddrinfo takes no time-out and can wait half a minute; a daemon thread may be left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return tuple(found)


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@cache
def _system_tls() -> SSLContext:
    """One context for all: loading the system's certificates takes 5 to 8 milliseconds."""
    import ssl

    return ssl.create_default_context()


def _connect(target: _Target, addresses: Sequence[str], deadline: float, tls: SSLContext | None) -> socket.socket:
    """A connection to the first of these addresses that takes one; certificates are checked for the name."""
    failure: OSError = TimeoutError()
    for tried, address in enumerate(addresses):
        # Each address gets its share, so that one which never answers leaves time for the next.
        share = _remaining(deadline) / (len(addresses) - tried)
        try:
            connection = socket.create_connection((address, target.port), timeout=share)
            break
        except OSError as error:
            failure = error
    else:
        raise failure
    # Without this the last packet of a long body, or of a TLS handshake, can wait 40 ms for the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not target.secure:
        return connection
    connection.settimeout(_remaining(deadline))
    return (tls or _system_tls()).wrap_socket(connection, server_hostname=target.host)


class _TimedReader(io.RawIOBase):
    """The receiving side of a connection, with one deadline for all reads together.

    With a time-out per read, a receiver that sends a byte now and then could hold a worker for hours.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_remaining(self._deadline))
        return self._connection.recv_into(buffer)


def _request(target: _Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The whole request in one piece, so that it leaves in one packet; ValueError for headers that cannot be."""
    if own := OWN_HEADERS.intersection(name.lower() for name in headers):
        raise ValueError(f"the headers {sorted(own)} are set here and cannot be given")
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept-Encoding: identity",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent")
        lines.append(f"{name}: {value}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _send(connection: socket.socket, data: bytes, deadline: float) -> None:
    rest = memoryview(data)
    while rest:
        connection.settimeout(_remaining(deadline))
        rest = rest[connection.send(rest) :]


def _receive(connection: socket.socket, deadline: float, keep_bytes: int) -> tuple[int, bytes, str | None]:
    """The status, the first bytes of the body and the Retry-After header of the answer."""
    from http.client import HTTPException, HTTPResponse

    reader: Any = _TimedReader(connection, deadline)
    with HTTPResponse(reader, method="POST") as response:
        response.begin()
        # Before Python 3.12.2 `read1` forgets what it has read of the length, and would wait for more.
        limit = keep_bytes if response.length is None else min(keep_bytes, response.length)
        kept = b""
        try:
            while len(kept) < limit:
                piece = response.read1(limit - len(kept))
                if not piece:
                    break
                kept += piece
        except (OSError, HTTPException):
            pass  # the status is there, and says whether the event was taken
        return response.status, kept, response.getheader("Retry-After")


def _sentence(failure: Exception, timeout_seconds: float) -> str:
    """What went wrong on the network, for the customer who reads the list of attempts."""
    from ssl import SSLCertVerificationError, SSLError

    match failure:
        case TimeoutError():
            return f"The receiver did not answer within {timeout_seconds:g} seconds."
        case SSLCertVerificationError():
            return f"The receiver's certificate was not accepted: {failure.verify_message.rstrip('.')}."
        case SSLError():
            return f"TLS with the receiver failed: {failure.reason or failure.strerror or 'unknown reason'}."
        case ConnectionRefusedError():
            return "The receiver refused the connection."
        case ConnectionError():
            return "The receiver closed the connection before it answered."
        case OSError():
            return f"The connection to the receiver failed: {failure.strerror or 'unknown reason'}."
        case _:
            return "The receiver's answer is not HTTP."
