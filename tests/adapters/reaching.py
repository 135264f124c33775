# ruff: noqa: ARG002 -- the shape of an adapter
"""Reaches beyond this machine in the way that the prompt names, and says what came of it.

Nobody is at these addresses (RFC 5737, RFC 3849), and nobody has these names (RFC 2606).
"""

import asyncio
import atexit
import contextlib
import http.client
import json
import socket
import time

NAME = "telemetry.example.com"
ADDRESS = "203.0.113.7"


def look_up():
    return socket.getaddrinfo(NAME, 443)


def look_up_old():
    return socket.gethostbyname(NAME)


def look_up_name():
    return socket.gethostbyaddr(ADDRESS)


def look_up_name_of_address():
    return socket.getnameinfo((ADDRESS, 80), 0)


def look_up_in_loop():
    async def ask():
        return await asyncio.get_running_loop().getaddrinfo(NAME, 443)

    return asyncio.run(ask())


def connect():
    with socket.socket() as sock:
        sock.connect((ADDRESS, 443))


def connect_ex():
    with socket.socket() as sock:
        return sock.connect_ex((ADDRESS, 443))


def connect_by_name():
    with socket.socket() as sock:
        sock.connect((NAME, 443))


def connect_in_loop():
    return asyncio.run(asyncio.open_connection(ADDRESS, 443))


def connect_6():
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("2001:db8::1", 443))


def request():
    http.client.HTTPConnection(NAME).request("GET", "/")


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"up:1|c", (ADDRESS, 8125))


def datagram_by_name():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"up:1|c", (NAME, 8125))


def stay():
    """Go all the ways that end on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost", b"127.0.0.1", None, ADDRESS):  # an address: nobody is asked
            socket.getaddrinfo(host, port)
        for host in (
            "LocalHost.",
            "a.localhost",
            socket.gethostname(),
        ):  # whether they are known is the machine's affair
            with contextlib.suppress(socket.gaierror):
                socket.getaddrinfo(host, port)
        for host in ("127.0.0.1", "localhost", ""):
            with socket.socket() as sock:
                sock.connect((host, port))
    left, right = socket.socketpair()
    left.close()
    right.close()
    return "stayed"


def look_up_at_exit():
    def last():
        try:
            look_up()
        except OSError as error:
            print(f"at exit: {type(error).__name__}", flush=True)

    atexit.register(last)


class Reaching:
    def describe(self):
        return {"name": "reaching", "capabilities": ["native"]}

    def create_endpoint(self, **settings):
        return "e"

    def generate(self, prompt, **parameters):
        began = time.monotonic()
        try:
            said = repr(globals()[prompt]())
        except OSError as error:
            said = f"{type(error).__name__} {error.errno}"
        return json.dumps([said, time.monotonic() - began])
