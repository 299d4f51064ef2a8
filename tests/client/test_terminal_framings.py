"""Every framing between the terminal client and a client, through a server of ours."""

from __future__ import annotations

import pytest
from support.framed_server import framed_server, line, values
from support.samples import SAMPLES
from support.terminal_client import FOR_EVER, Program, command, result, run

from fastserver.client.client import connect
from fastserver.framing.registry import framing

NUMBER = 5


@pytest.mark.parametrize("mode", SAMPLES)
def test_lines_are_messages_both_ways(program: Program, mode: str) -> None:
    form = framing(mode)
    sent = values(mode, NUMBER)
    typed = "".join(f"{line(number)}\n" for number in range(NUMBER)).encode()
    shown = b"".join(form.show(form.pack(value)).encode() + b"\n" for value in sent)

    async def main() -> None:
        async with (
            framed_server(mode) as address,
            connect(address, mode=mode) as client,
            program(address, mode, wait=FOR_EVER) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(typed)
            assert [(await client.receive()).value for _ in sent] == sent
            for value in sent:
                await client.send(value)
            assert await process.stdout.readexactly(len(shown)) == shown
            process.terminate()
            assert await result(process) == (143, b"", "")

    run(main())


def test_a_mode_with_parameters_is_one_argument_of_the_command() -> None:
    async def main() -> None:
        async with framed_server("lines", echo=True) as address:
            async with command(address, "--mode 'lines?eol=crlf'") as process:
                assert await result(process, b"one\ntwo\n") == (0, b"one\ntwo\n", "")
            async with command(address, "--mode 'lines?eol=cr' <&-") as process:
                code, output, errors = await result(process)
                assert (code, output) == (2, b"")
                assert errors.startswith(
                    "fastserver: --mode: 'lines?eol=cr' is not allowed: eol must be one of lf, crlf"
                )

    run(main())
