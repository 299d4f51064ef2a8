// A peer in Node: writes every object it receives to standard output, as a line of JSON, and sends every line of
// JSON that it reads from standard input.
"use strict";

const net = require("node:net");
const readline = require("node:readline");
const { decodeMultiStream, encode } = require("@msgpack/msgpack");

async function main(port) {
  const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  readline
    .createInterface({ input: process.stdin })
    .on("line", (line) => socket.write(encode(JSON.parse(line))))
    .on("close", () => socket.end());
  for await (const object of decodeMultiStream(socket)) {
    process.stdout.write(JSON.stringify(object) + "\n");
  }
}

main(Number(process.argv[2]));
