"""A way from inside a container to what listens on this machine's loopback address only."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import threading
from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024


def address_of_host() -> tuple[str, str]:
    """Where to listen so that containers reach it, and the name that they reach it by.

    On Linux that is the bridge's own address. Docker Desktop has its bridge inside a machine of its own, and brings
    the name to this one's loopback address.
    """
    command = ["docker", "network", "inspect", "bridge"]
    (bridge,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    config = bridge["IPAM"]["Config"][0]
    # Not every Docker tells the gateway; it is the first address of the subnet.
    gateway = config.get("Gateway") or str(next(ipaddress.ip_network(config["Subnet"]).hosts()))
    with socket.socket() as probe:
        try:
            probe.bind((gateway, 0))
        except OSError:
            return "127.0.0.1", "host.docker.internal"
    return gateway, gateway


@contextlib.contextmanager
def relay(port: int) -> Iterator[str]:
    """Brings connections from containers to this port of 127.0.0.1; yields host and port to use in there."""
    listen, name = address_of_host()
    with socket.create_server((listen, 0)) as server:
        thread = threading.Thread(target=_accept, args=(server, port), daemon=True)
        thread.start()
        try:
            yield f"{name}:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(server: socket.socket, port: int) -> None:
    while True:
        try:
            inside, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(inside, port), daemon=True).start()


def _carry(inside: socket.socket, port: int) -> None:
    with inside, socket.create_connection(("127.0.0.1", port)) as outside:
        back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
        back.start()
        _copy(inside, outside)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    # Either side may hang up at any moment; then the other is told, and that is all.
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
