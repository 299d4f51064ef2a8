// A peer in Node with protobufjs: sends every line of standard input as a message Note, delimited, and writes the text of
// every Note that it receives to standard output, as a line.
"use strict";

const net = require("node:net");
const readline = require("node:readline");
const protobuf = require("protobufjs");

const Note = protobuf.parse('syntax = "proto3"; message Note { string text = 1; uint32 number = 2; }').root.lookupType("Note");
const socket = net.connect({ host: "127.0.0.1", port: Number(process.argv[2]), allowHalfOpen: true });
let held = Buffer.alloc(0);

readline
  .createInterface({ input: process.stdin })
  .on("line", (text) => socket.write(Note.encodeDelimited({ text, number: text.length }).finish()))
  .on("close", () => socket.end());

socket.on("data", (chunk) => {
  held = Buffer.concat([held, chunk]);
  for (;;) {
    const reader = protobuf.Reader.create(held);
    let note;
    try {
      note = Note.decodeDelimited(reader);
    } catch (error) {
      if (error instanceof RangeError) return; // the rest is still to come
      throw error;
    }
    process.stdout.write(note.text + "\n");
    held = held.subarray(reader.pos);
  }
});
