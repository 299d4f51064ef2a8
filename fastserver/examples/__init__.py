"""Small servers to start from, each run by `python -m fastserver.examples.NAME [--port N]`.

`chat` has rooms and names, `telemetry` tells who connects the last value of everything, `commands` answers requests,
`bus` passes msgpack events on by topic (`bus_client.js` speaks to it from Node), `embed` lives in another program.
"""
