"""`--listen` URLs, and what is wrong with those that name no listener."""

from __future__ import annotations

import pytest

from fastserver import Config, ConfigError
from fastserver.config.listener import Listener, Role


@pytest.mark.parametrize(
    ("url", "listener"),
    [
        ("lines://127.0.0.1:3001", Listener("lines", "127.0.0.1", 3001)),
        ("lines://127.0.0.1:3001/", Listener("lines", "127.0.0.1", 3001)),
        ("lines://localhost:0?role=both", Listener("lines", "localhost", 0)),
        ("msgpack://[::]:65535?role=send", Listener("msgpack", "::", 65535, role=Role.SEND)),
        ("lines://[fe80::1%25eth0]:3001", Listener("lines", "fe80::1%eth0", 3001)),
        ("lines://[fe80::1%eth0]:3001", Listener("lines", "fe80::1%eth0", 3001)),
        ("lines://localhost:1?eol=lf", Listener("lines", "localhost", 1)),
        ("lines://localhost:1?eol=crlf&role=send", Listener("lines?eol=crlf", "localhost", 1, role=Role.SEND)),
        (
            "lines+unix:///run/feed.sock?role=send&eol=crlf",
            Listener("lines?eol=crlf", path="/run/feed.sock", role=Role.SEND),
        ),
        ("lines+unix:///run/feed.sock", Listener("lines", path="/run/feed.sock")),
        ("lines://localhost:1?channel=a-Z_0.9", Listener("lines", "localhost", 1, channel="a-Z_0.9")),
        (
            "lines+unix:///a?channel=lab&role=send&eol=crlf",
            Listener("lines?eol=crlf", path="/a", role=Role.SEND, channel="lab"),
        ),
        ("msgpack+unix:///a%20b%3f?role=receive", Listener("msgpack", path="/a b?", role=Role.RECEIVE)),
    ],
)
def test_url(url: str, listener: Listener) -> None:
    assert Listener.parse(url) == listener


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("127.0.0.1:3001", "no ://"),
        ("xml://127.0.0.1:3001", "no mode 'xml'"),
        ("://127.0.0.1:3001", "no mode ''"),
        ("lines+tls://127.0.0.1:3001", "no mode 'lines\\+tls'"),
        ("lines://127.0.0.1", "no host with a port"),
        ("lines://:3001", "no host with a port"),
        ("lines://127.0.0.1:65536", "no host with a port"),
        ("lines://::1:3001", "no host with a port"),
        ("lines://127.0.0.1:3001/path", "no host with a port"),
        ("lines+unix://feed.sock", "no absolute path"),
        ("lines+unix://", "no absolute path"),
        ("lines+unix:///a%00b", "no absolute path"),
        ("lines://127.0.0.1:3001?role=listen", "role must be one of both, send, receive, not 'listen'"),
        ("lines://127.0.0.1:3001?", "'' is no parameter with a value"),
        ("lines://127.0.0.1:3001?role=send&role=both", "the parameter 'role' is given twice"),
        ("lines://127.0.0.1:3001?role=send&eol=cr", "eol must be one of lf, crlf, not 'cr'"),
        ("lines://127.0.0.1:3001?channel=", "channel must be 1 to 64 letters, digits and -_., not ''"),
        (
            "lines://127.0.0.1:3001?channel=a b",
            "channel must be 1 to 64 letters, digits and -_., not 'a b'",
        ),
        ("lines://127.0.0.1:3001?channel=a&channel=b", "the parameter 'channel' is given twice"),
        ("msgpack://127.0.0.1:3001?rol=send", "msgpack has no parameter 'rol'"),
    ],
)
def test_url_that_is_none(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Listener.parse(url)
    with pytest.raises(ConfigError, match=r"^--listen: .* is not allowed: .*; allowed is MODE://HOST:PORT or "):
        Config(listen=(url,))


def test_roles() -> None:
    assert [(role.sends, role.receives) for role in Role] == [(True, True), (True, False), (False, True)]


ONE, OTHER = "msgpack://127.0.0.1:1", "lines://127.0.0.1:2"


def test_mode_is_that_of_the_urls() -> None:
    assert Config(listen=(ONE,)).mode == "msgpack"
    assert Config(listen=(ONE,), mode="msgpack").mode == "msgpack"
    assert Config().mode == "lines"


@pytest.mark.parametrize(
    ("urls", "mode", "modes"),
    [
        ([ONE], "lines", ["lines", "msgpack"]),
        ([ONE, OTHER], None, ["msgpack", "lines"]),
        ([OTHER, ONE], None, ["lines", "msgpack"]),
    ],
)
def test_listeners_may_have_different_modes(urls: list[str], mode: str | None, modes: list[str]) -> None:
    settings = {} if mode is None else {"mode": mode}
    config = Config(listen=tuple(urls), **settings)  # type: ignore[arg-type]
    assert config.mode == modes[0]
    assert config.modes == modes


@pytest.mark.parametrize(
    ("settings", "listeners"),
    [
        ({}, [Listener("lines", "127.0.0.1", 3000)]),
        ({"unix": "/x"}, [Listener("lines", path="/x")]),
        ({"listen": [ONE]}, [Listener("msgpack", "127.0.0.1", 1)]),
        ({"listen": [OTHER], "port": 7}, [Listener("lines", "127.0.0.1", 7), Listener("lines", "127.0.0.1", 2)]),
        ({"listen": [OTHER], "unix": "/x"}, [Listener("lines", path="/x"), Listener("lines", "127.0.0.1", 2)]),
    ],
)
def test_urls_replace_the_short_form_unless_it_is_given(settings: dict[str, object], listeners: object) -> None:
    assert Config(**settings).listeners == listeners  # type: ignore[arg-type]
