"""The decorators of a server."""

from __future__ import annotations

import pytest

from fastserver import Config, Message, Server


def test_a_subclass_cannot_define_a_handler_by_its_name() -> None:
    class Mine(Server):
        def on_message(self, message: Message) -> None:  # type: ignore[override]
            raise AssertionError("never called")

    with pytest.raises(TypeError, match="Mine must not define on_message"):
        Mine(Config(port=0))

    class Right(Server):
        def __init__(self) -> None:
            super().__init__(Config(port=0))
            self.on_message(self.hear)

        def hear(self, message: Message) -> None: ...

    assert Right().handlers.takes_messages
