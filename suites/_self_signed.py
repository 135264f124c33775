"""An https origin whose certificate nobody vouches for.

The key below belongs to that certificate alone and guards nothing.
"""

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_httpserver import HTTPServer

from tgi_conformance.contracts.json_types import JSON

_CERTIFICATE: Final = """\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUJrbY8kOmpZ0YgfC9GNydmewNWQMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyNDA5MjgxNloYDzIxMjYxMDMx
MDkyODE2WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARxIaLoap9a2fkMWG+MiHkQZ3fh/JR4RK31ab3qdeHm0juDgBYjQkh7
l4aOvvwTaeDwaqpe5iTMQTassmBoXV/Uo28wbTAdBgNVHQ4EFgQUIorBjDECMe2i
2dvvXkDvcA05j2EwHwYDVR0jBBgwFoAUIorBjDECMe2i2dvvXkDvcA05j2EwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDSAAwRQIgD0655H8Gl2uk7f/hdA85zQOsSFnP6ggM+TV41EsbJAQCIQDq
aH15eaJ94mHJOKr0YLJeudMzdMHfvzBKtg/UiFPsfQ==
-----END CERTIFICATE-----
"""
_KEY: Final = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdpXzPKW0Hv2i4crC
KPsbAsXLTThhM2R8JJS9+Qu3BA+hRANCAARxIaLoap9a2fkMWG+MiHkQZ3fh/JR4
RK31ab3qdeHm0juDgBYjQkh7l4aOvvwTaeDwaqpe5iTMQTassmBoXV/U
-----END PRIVATE KEY-----
"""


@contextlib.contextmanager
def self_signed(answer: JSON) -> Iterator[HTTPServer]:
    """Serve this JSON to any request on 127.0.0.1 over TLS; ``log`` holds what was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "both.pem")
        file.write_text(_CERTIFICATE + _KEY, encoding="ascii")
        context.load_cert_chain(file)
    server = HTTPServer(host="127.0.0.1", port=0, ssl_context=context)
    server.expect_request("/").respond_with_json(answer)
    for route in ("/generate", "/v1/chat/completions", "/v1/completions"):
        server.expect_request(route).respond_with_json(answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()
