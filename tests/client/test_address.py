import pytest

from fastserver.client.address import Address
from fastserver.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:3000", Address("127.0.0.1", 3000)),
        ("feed.example:1", Address("feed.example", 1)),
        ("[::1]:65535", Address("::1", 65535)),
        ("unix:/run/feed.sock", Address(path="/run/feed.sock")),
        ("unix:a:b", Address(path="a:b")),
    ],
)
def test_reads_and_shows(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":3000", "host:0", "host:65536", "::1:3000", "[::1]", "unix:", "host:٣", "a b:1"],
)
def test_refuses_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Address.parse(text)
    assert repr(text) in str(refused.value)
    assert "host:port, [::1]:port or unix:path" in str(refused.value)
