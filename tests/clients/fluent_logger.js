// Logs every line of JSON that it reads from standard input as an event, with Fluentd's logger.
"use strict";

const readline = require("node:readline");
const { FluentClient } = require("@fluent-org/logger");

async function main(port) {
  const logger = new FluentClient("kitchen", { eventMode: "Message", socket: { host: "127.0.0.1", port } });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await logger.emit("oven", JSON.parse(line));
  }
  await logger.shutdown();
}

main(Number(process.argv[2]));
