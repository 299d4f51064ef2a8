"""Small servers to start from, each run by `python -m fastserver.examples.NAME [--port N]`.

`chat` has rooms and names, `telemetry` sends new peers the last value of everything, `commands` answers requests, `bus`
passes msgpack events on by topic (`bus_client.js` is its client for Node), `embed` runs within another program.
"""
