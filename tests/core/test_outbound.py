"""Rules of outbound.py. Nothing here leaves the machine: every receiver listens on loopback."""

import datetime
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from fluvial import outbound
from fluvial.errors import InvalidError
from fluvial.outbound import Answer, check_url, is_allowed, post

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def addresses(text: str) -> list[str]:
    return text.split()


DENIED = addresses(
    """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.0.0.53 127.255.255.255
168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192
192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.3 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1
198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1
2001:1ff:ffff::1 2001:db8::1 2002::1 2002:7f00:1:: 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1
fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1 ff0e::1
"""
)

ALLOWED = addresses(
    """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
169.255.0.1 172.15.255.255 172.32.0.1 192.0.1.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1
223.255.255.255 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700:4700::1111 2a00:1450:4001::1 3ffe::1
"""
)

PRIVATE = addresses(
    """
127.0.0.1 127.9.9.9 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 ::1 fc00::1 fd12:3456::1
"""
)


def public(host: str) -> list[str]:
    return ["93.184.216.34", "2606:2800:220:1::1"]


def loopback(host: str) -> list[str]:
    return ["127.0.0.1"]


def never(host: str) -> list[str]:
    raise AssertionError(f"{host} was looked up")


@pytest.mark.parametrize("address", DENIED)
def test_special_addresses_are_denied(address):
    assert not is_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", ALLOWED)
def test_addresses_next_to_the_special_ones_are_allowed(address):
    assert is_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", DENIED + ALLOWED)
def test_private_addresses_are_all_that_the_local_setting_adds(address):
    expected = address in ALLOWED or any(
        ipaddress.ip_address(address) in network for network in outbound.PRIVATE if address != "fd00:ec2::254"
    )
    assert is_allowed(address, allow_private=True) == expected


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_allowed_with_the_local_setting(address):
    assert is_allowed(address, allow_private=True)


@given(st.ip_addresses())
def test_nothing_is_allowed_that_python_knows_to_be_special(address):
    # Only this way round: what Python calls global includes many addresses that must be denied. It has
    # three single addresses that are global inside a special network; those few we do without.
    if is_allowed(str(address), allow_private=False):
        assert not address.is_private
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast
        assert not address.is_reserved


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/hooks?a=1&b=%20",
        "HTTPS://Example.COM/",
        "https://example.com./",
        "https://xn--bcher-kva.example/",
        "https://a_b.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]:8443/x",
        "https://example.com?x",
        "https://" + "a" * 63 + ".example/",
        "https://example.com/" + "a" * 2_028,
    ],
)
def test_public_urls_are_accepted(url):
    assert check_url(url, allow_private=False, resolve=public) is None


SPELLING = "The host must be a full domain name, a dotted IPv4 address or an IPv6 address in brackets."
PLAIN = "The URL must be ASCII without blanks or backslashes; international names in xn-- form."
UNREADABLE = "The host or port of the URL cannot be read."


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "The URL must begin with http:// or https://."),
        ("example.com", "The URL must begin with http:// or https://."),
        ("ftp://example.com/", "The URL must begin with http:// or https://."),
        ("file:///etc/passwd", "The URL must begin with http:// or https://."),
        ("gopher://example.com/_x", "The URL must begin with http:// or https://."),
        ("//example.com/", "The URL must begin with http:// or https://."),
        ("https://example.com/" + "a" * 2_029, "The URL is longer than 2048 characters."),
        (" https://example.com/", PLAIN),
        ("https://example.com/\r\nHost: x", PLAIN),
        ("https://exa\tmple.com/", PLAIN),
        ("https://example.com/a b", PLAIN),
        ("https://example.com/\x00", PLAIN),
        ("https://example.com\\@127.0.0.1/", PLAIN),
        ("https://bücher.example/", PLAIN),
        ("http://１２７.０.０.１/", PLAIN),
        ("http://①②⑦.⓪.⓪.①/", PLAIN),
        ("http://127。0。0。1/", PLAIN),
        ("https://user:secret@example.com/", "The URL must not contain a user name or password."),
        ("https://example.com@127.0.0.1/", "The URL must not contain a user name or password."),
        ("https://@example.com/", "The URL must not contain a user name or password."),
        ("https://example.com/#part", "The URL must not contain a fragment, which is never sent."),
        ("https://example.com/#", "The URL must not contain a fragment, which is never sent."),
        ("https://example.com:0/", "Port 0 cannot be used."),
        ("https://example.com:65536/", UNREADABLE),
        ("https://example.com:-1/", UNREADABLE),
        ("https://example.com:http/", UNREADABLE),
        ("https://[::1/", UNREADABLE),
        ("https:///path", SPELLING),
        ("https://:443/", SPELLING),
        ("https://example.com:/", SPELLING),
        ("https://example.com:0443/", SPELLING),
        ("https://.example.com/", SPELLING),
        ("https://example..com/", SPELLING),
        ("https://example.com../", SPELLING),
        ("https://-a.example.com/", SPELLING),
        ("https://a%2eexample.com/", SPELLING),
        ("https://%31%32%37.0.0.1/", SPELLING),
        ("https://a,b.example.com/", SPELLING),
        ("https://" + "a" * 64 + ".example/", SPELLING),
        ("https://" + "a." * 126 + "ab/", SPELLING),
        ("https://localhost/", SPELLING),
        ("http://2130706433/", SPELLING),
        ("http://0x7f000001/", SPELLING),
        ("http://0x7f.1/", SPELLING),
        ("http://127.0x1/", SPELLING),
        ("http://0177.0.0.1/", SPELLING),
        ("http://127.1/", SPELLING),
        ("http://127.0.1/", SPELLING),
        ("http://127.0.0.1.1/", SPELLING),
        ("http://0/", SPELLING),
        ("http://256.1.1.1/", SPELLING),
        ("http://[fe80::1%25eth0]/", SPELLING),
        ("http://127.0.0.1/", "The host '127.0.0.1' is not on the public Internet."),
        ("http://127.0.0.1./", "The host '127.0.0.1' is not on the public Internet."),
        ("http://[::1]/", "The host '::1' is not on the public Internet."),
        ("http://[0:0:0:0:0:0:0:1]/", "The host '0:0:0:0:0:0:0:1' is not on the public Internet."),
        ("http://[::ffff:127.0.0.1]/", "The host '::ffff:127.0.0.1' is not on the public Internet."),
        ("http://[::FFFF:7f00:1]/", "The host '::ffff:7f00:1' is not on the public Internet."),
        ("http://169.254.169.254/latest/meta-data/", "The host '169.254.169.254' is not on the public Internet."),
    ],
)
def test_other_urls_are_refused_with_a_sentence_before_any_look_up(url, reason):
    with pytest.raises(InvalidError) as caught:
        check_url(url, allow_private=False, resolve=never)
    assert caught.value.field == "url"
    assert caught.value.reason == reason
    assert caught.value.value == url
    assert caught.value.constraint == "an http or https URL of at most 2048 characters with a public host"
    assert post(url, b"", {}, allow_private=False, resolve=never).error == reason


@pytest.mark.parametrize(
    "url", ["http://[127.0.0.1]/", "http://[::1].example.com/", "http://a[::1]/", "http://[v1.a]/"]
)
def test_brackets_around_anything_but_an_ipv6_address_are_refused(url):
    # Which sentence it is depends on how much of this the Python version refuses by itself.
    with pytest.raises(InvalidError) as caught:
        check_url(url, allow_private=True, resolve=never)
    assert caught.value.reason in (SPELLING, UNREADABLE)


def test_a_name_with_one_denied_address_among_public_ones_is_refused_without_telling_which():
    with pytest.raises(InvalidError) as caught:
        check_url("https://example.com/", allow_private=False, resolve=lambda host: ["8.8.8.8", "10.0.0.5"])
    assert caught.value.reason == "The host 'example.com' is not on the public Internet."


def test_a_name_that_does_not_resolve_is_refused():
    def absent(host):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolve in (absent, lambda host: []):
        with pytest.raises(InvalidError) as caught:
            check_url("https://example.com/", allow_private=False, resolve=resolve)
        assert caught.value.reason == "The host name 'example.com' cannot be resolved."


def test_a_look_up_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(outbound, "LOOK_UP_SECONDS", 0.05)
    release = threading.Event()

    def hanging(host):
        release.wait(30)
        return ["8.8.8.8"]

    with pytest.raises(InvalidError, match="cannot be resolved"):
        check_url("https://example.com/", allow_private=False, resolve=hanging)
    answer = post("https://example.com/", b"", {}, allow_private=False, timeout_seconds=0.05, resolve=hanging)
    release.set()
    assert answer.error == "The host name 'example.com' cannot be resolved."


def test_plain_names_and_loopback_are_accepted_with_the_local_setting():
    for url in ("http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:1/", "http://receiver/"):
        check_url(url, allow_private=True, resolve=loopback)


def test_the_system_resolver_is_asked_by_default():
    assert "127.0.0.1" in outbound.look_up("localhost")
    assert outbound.look_up("127.0.0.1") == ["127.0.0.1"]


def test_importing_the_door_does_not_import_http_or_tls():
    code = (
        "import sys; before = set(sys.modules); from fluvial.outbound import check_url; "
        "print(*sorted({'urllib3', 'ssl', 'http.client', 'email', 'asyncio'} & (set(sys.modules) - before)))"
    )
    paths = {"PYTHONPATH": str(Path(outbound.__file__).parents[1])}
    run = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True)
    assert run.stdout == "\n"


class Receiver:
    """A loopback server that reads one request per connection and hands the connection to `answer`."""

    def __init__(self, answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.context = context
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    self.requests.append(self.read(connection))
                    if callable(self.answer):
                        self.answer(self, connection)
                    else:
                        connection.sendall(self.answer)
            except OSError:
                return  # the sender gave up, which some of the tests are about

    def read(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536) or b"\r\n\r\n"
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(rest) < length:
            rest += connection.recv(65_536)
        return head + b"\r\n\r\n" + rest

    def drip(self, connection: socket.socket, data: bytes) -> None:
        for byte in data:
            if self.stopping.wait(0.01):
                return
            connection.sendall(bytes([byte]))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving(answer, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver(answer, context)
    try:
        yield receiver
    finally:
        receiver.stopping.set()
        receiver.listener.shutdown(socket.SHUT_RDWR)
        receiver.listener.close()
        for thread in receiver.threads:
            thread.join()


def outcome(answer: Answer) -> tuple[int | None, str, str | None]:
    assert answer.milliseconds >= 0
    return answer.status, answer.body, answer.error


def test_a_request_carries_the_body_the_headers_and_the_original_host():
    with receiving(OK) as receiver:
        url = f"http://Receiver.Example:{receiver.port}/a/b?c=d"
        answer = post(url, b'{"a": 1}', {"webhook-id": "evt_1"}, allow_private=True, resolve=loopback)
    assert outcome(answer) == (200, "ok", None)
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"a": 1}'
    assert sorted(head.decode().split("\r\n")) == sorted(
        [
            "POST /a/b?c=d HTTP/1.1",
            f"Host: receiver.example:{receiver.port}",
            "User-Agent: Fluvial-Webhooks/1.0",
            "Connection: close",
            "Accept-Encoding: identity",
            "Content-Length: 8",
            "webhook-id: evt_1",
        ]
    )


def test_a_body_of_several_megabytes_arrives_whole():
    body = os.urandom(4 * 1024 * 1024)
    with receiving(OK) as receiver:
        answer = post(receiver.url, body, {}, allow_private=True)
    assert outcome(answer) == (200, "ok", None)
    assert receiver.requests[0].endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "User-Agent"])
def test_headers_of_the_door_cannot_be_given(name):
    with pytest.raises(ValueError, match=name.lower()):
        post("http://127.0.0.1/", b"", {name: "x"}, allow_private=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Name", "a\r\nX-Other: b"),
        ("X-Name", "a\nb"),
        ("X-Name", "\x00"),
        ("X-Name", "€"),
        ("X Name", "a"),
        ("", "a"),
    ],
)
def test_a_header_that_could_be_read_as_something_else_is_not_sent(name, value):
    with pytest.raises(ValueError, match="cannot be sent"):
        post("http://receiver.example/", b"", {name: value}, allow_private=True, resolve=never)


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 400, 410, 429, 500, 503])
def test_every_status_is_an_answer_and_redirects_are_not_followed(status):
    with receiving(OK) as elsewhere:
        reply = f"HTTP/1.1 {status} X\r\nLocation: {elsewhere.url}\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        with receiving(reply.encode()) as receiver:
            answer = post(receiver.url, b"{}", {}, allow_private=True)
    assert outcome(answer) == (status, "", None)
    assert answer.retry_after == "7"
    assert elsewhere.connections == 0


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with receiving(OK) as receiver, receiving(OK) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(receiver.url, b"{}", {}, allow_private=True).status == 200
    assert (receiver.connections, proxy.connections) == (1, 0)


def test_a_name_that_turns_private_after_registration_is_never_connected_to():
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])

    def turning(host):
        return next(answers)

    with receiving(OK) as receiver:
        url = f"http://rebind.example:{receiver.port}/"
        check_url(url, allow_private=False, resolve=turning)
        answer = post(url, b"{}", {}, allow_private=False, resolve=turning)
    assert outcome(answer) == (None, "", "The host 'rebind.example' is not on the public Internet.")
    assert receiver.connections == 0


def test_a_delivery_looks_up_once_and_connects_to_what_was_checked():
    looked_up = []

    def once(host):
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["169.254.169.254"]

    with receiving(OK) as receiver:
        url = f"http://rebind.example:{receiver.port}/"
        assert post(url, b"{}", {}, allow_private=True, resolve=once).status == 200
    assert looked_up == ["rebind.example"]


def test_the_next_address_is_tried_when_one_takes_no_connection():
    with receiving(OK) as receiver:
        url = f"http://two.example:{receiver.port}/"
        answer = post(url, b"{}", {}, allow_private=True, resolve=lambda host: ["127.0.0.9", "127.0.0.1"])
    assert outcome(answer) == (200, "ok", None)


def test_a_connection_that_is_refused_is_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    answer = post(f"http://127.0.0.1:{port}/", b"{}", {}, allow_private=True)
    assert outcome(answer) == (None, "", "The receiver refused the connection.")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "The receiver closed the connection before it answered."),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "The receiver's answer is not HTTP."),
        (b"HTTP/1.1 abc\r\n\r\n", "The receiver's answer is not HTTP."),
        (b"HTTP/1.1 200 " + b"x" * 70_000, "The receiver's answer is not HTTP."),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "The receiver's answer is not HTTP."),
    ],
)
def test_what_is_not_an_http_answer_becomes_a_sentence(reply, error):
    with receiving(reply) as receiver:
        answer = post(receiver.url, b"{}", {}, allow_private=True)
    assert outcome(answer) == (None, "", error)


def test_only_the_beginning_of_a_long_answer_is_read():
    def endless(receiver, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not receiver.stopping.is_set():
            connection.sendall(b"x" * 65_536)

    with receiving(endless) as receiver:
        answer = post(receiver.url, b"{}", {}, allow_private=True)
    assert outcome(answer) == (200, "x" * 20_000, None)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\xc3\xa9\xff\x00ab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\xc3\xa9\xff\x00\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n\xc3\xa9\xff\x00ab",
    ],
)
def test_answers_in_every_framing_are_read_and_decoded_leniently(reply):
    def held_open(receiver, connection):
        connection.sendall(reply)
        if b"HTTP/1.0" not in reply:
            receiver.stopping.wait(30)

    with receiving(held_open) as receiver:
        assert outcome(post(receiver.url, b"{}", {}, allow_private=True)) == (200, "é\ufffd\x00ab", None)


def test_a_status_counts_even_if_its_body_is_cut_off():
    with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as receiver:
        assert outcome(post(receiver.url, b"{}", {}, allow_private=True)) == (200, "half", None)
    with receiving(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf") as receiver:
        assert outcome(post(receiver.url, b"{}", {}, allow_private=True)) == (500, "half", None)


@pytest.mark.parametrize("reply", [b"H" * 10_000, b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 1_000])
def test_a_receiver_that_drips_its_answer_is_given_up_in_time(reply):
    with receiving(lambda receiver, connection: receiver.drip(connection, reply)) as receiver:
        answer = post(receiver.url, b"{}", {}, allow_private=True, timeout_seconds=0.3)
    assert outcome(answer) == (None, "", "The receiver did not answer within 0.3 seconds.")


def test_a_receiver_that_drips_the_body_after_its_status_is_given_up_in_time():
    def dripping(receiver, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        receiver.drip(connection, b"x" * 5_000)

    with receiving(dripping) as receiver:
        answer = post(receiver.url, b"{}", {}, allow_private=True, timeout_seconds=0.3)
    assert (answer.status, answer.error) == (200, None)
    assert 0 < len(answer.body) < 5_000


def test_a_receiver_that_never_reads_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        answer = post(url, b"x" * 50_000_000, {}, allow_private=True, timeout_seconds=0.3)
    assert outcome(answer) == (None, "", "The receiver did not answer within 0.3 seconds.")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Contexts for a receiver with a certificate for hooks.example and 127.0.0.1, and for a sender who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("hooks.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "hooks.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def test_tls_is_spoken_with_the_original_name_while_the_address_is_the_checked_one(authority):
    server, client = authority
    asked_for = []
    server.sni_callback = lambda connection, name, context: asked_for.append(name)
    with receiving(OK, server) as receiver:
        url = f"https://hooks.example:{receiver.port}/"
        answer = post(url, b"{}", {}, allow_private=True, resolve=loopback, tls=client)
        assert outcome(answer) == (200, "ok", None)
        assert asked_for == ["hooks.example"]
        assert f"Host: hooks.example:{receiver.port}".encode() in receiver.requests[0]
        by_address = post(f"https://127.0.0.1:{receiver.port}/", b"{}", {}, allow_private=True, tls=client)
        assert outcome(by_address) == (200, "ok", None)


def test_a_certificate_for_another_name_is_not_accepted(authority):
    server, client = authority
    with receiving(OK, server) as receiver:
        url = f"https://other.example:{receiver.port}/"
        answer = post(url, b"{}", {}, allow_private=True, resolve=loopback, tls=client)
    assert (answer.status, receiver.requests) == (None, [])
    assert answer.error.startswith("The receiver's certificate was not accepted: Hostname mismatch")


def test_a_certificate_that_the_system_does_not_trust_is_not_accepted(authority):
    server, _ = authority
    with receiving(OK, server) as receiver:
        url = f"https://hooks.example:{receiver.port}/"
        answer = post(url, b"{}", {}, allow_private=True, resolve=loopback)
    assert (answer.status, receiver.requests) == (None, [])
    assert answer.error.startswith("The receiver's certificate was not accepted: self-signed certificate")


def test_a_receiver_that_does_not_speak_tls_becomes_a_sentence(authority):
    _, client = authority
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def greet():
            connection, _ = plain.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65_536)

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"https://hooks.example:{plain.getsockname()[1]}/"
        answer = post(url, b"{}", {}, allow_private=True, resolve=loopback, tls=client)
        thread.join()
    assert answer.status is None
    assert answer.error.startswith("TLS with the receiver failed: ")


def test_a_tls_handshake_that_hangs_is_given_up_in_time(authority):
    _, client = authority
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://hooks.example:{silent.getsockname()[1]}/"
        answer = post(url, b"{}", {}, allow_private=True, timeout_seconds=0.3, resolve=loopback, tls=client)
    assert outcome(answer) == (None, "", "The receiver did not answer within 0.3 seconds.")


def test_the_milliseconds_are_those_of_the_whole_attempt():
    def slow(receiver, connection):
        time.sleep(0.05)
        connection.sendall(OK)

    with receiving(slow) as receiver:
        assert post(receiver.url, b"{}", {}, allow_private=True).milliseconds >= 50
