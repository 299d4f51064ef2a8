// Speaks to the event bus (bus.py) from Node:
//
//   npm install @msgpack/msgpack
//   node bus_client.js PORT subscribe TOPIC...         writes what is published, a line of JSON each
//   node bus_client.js PORT publish TOPIC JSON...      publishes an event for each JSON
//
// `require` looks for the package beside this file and above: copy the file, or set NODE_PATH.
"use strict";

const net = require("node:net");
const { decodeMultiStream, encode } = require("@msgpack/msgpack");

async function main(port, verb, ...words) {
  const socket = net.connect({ host: "127.0.0.1", port: Number(port) });
  if (verb === "subscribe") {
    for (const topic of words) socket.write(encode(["subscribe", topic]));
  } else {
    const [topic, ...events] = words;
    for (const event of events) socket.write(encode(["publish", topic, JSON.parse(event)]));
    // The reply to this one, which comes after all the others were handled, says that we can go.
    socket.write(encode(["unsubscribe", topic]));
  }
  for await (const message of decodeMultiStream(socket)) {
    process.stdout.write(JSON.stringify(message) + "\n"); // JSON escapes what a terminal would obey
    if (message[0] === "unsubscribed") break; // which closes the socket
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(`bus_client: ${error.message}`);
  process.exitCode = 1;
});
