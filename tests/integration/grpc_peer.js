// SPDX-License-Identifier: Apache-2.0
// Either end of gRPC by @grpc/grpc-js, to be used as grpc_peer.py is, which has the same service.
"use strict";

const grpc = require("@grpc/grpc-js");
const readline = require("readline");

const CHUNKS = 5, PAUSE_MS = 20, DEADLINE_MS = 100;
const same = (data) => data;

const implementation = {
  Echo: (call, answer) => answer(null, call.request),
  Refuse: (call, answer) => answer({ code: grpc.status.PERMISSION_DENIED, details: "not you" }),
  Sleep: (call, answer) => setTimeout(() => answer(null, call.request), 3 * DEADLINE_MS),
  Stream: (call) => {
    let number = 0;
    const timer = setInterval(() => {
      call.write(Buffer.alloc(number++));
      if (number === CHUNKS) {
        clearInterval(timer);
        call.end();
      }
    }, PAUSE_MS);
  },
};

function serve(port) {
  const methods = Object.keys(implementation).map((name) => [name, {
    path: `/test.Peer/${name}`, requestStream: false, responseStream: name === "Stream",
    requestSerialize: same, requestDeserialize: same, responseSerialize: same,
    responseDeserialize: same,
  }]);
  const server = new grpc.Server();
  server.addService(Object.fromEntries(methods), implementation);
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(),
    () => console.log("ready"));
  process.stdin.resume().on("end", () => process.exit());
}

// Its status, when it has ended.
function ended(client, method) {
  const path = `/test.Peer/${method}`;
  const deadline = { deadline: Date.now() + (method === "Sleep" ? DEADLINE_MS : 30000) };
  const none = new grpc.Metadata();
  return new Promise((resolve) => {
    if (method === "Stream") {
      const call = client.makeServerStreamRequest(path, same, same, Buffer.from("x"), none, deadline);
      call.on("data", () => {}).on("error", () => {});
      call.on("status", (status) => resolve(status.code));
    } else {
      client.makeUnaryRequest(path, same, same, Buffer.from("x"), none, deadline,
        (error) => resolve(error ? error.code : grpc.status.OK));
    }
  });
}

async function makeCalls(port) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [method, count] = line.split(" ");
    const said = [];
    for (let number = 0; number < Number(count); number++) {
      const begin = process.hrtime.bigint();
      const code = await ended(client, method);
      const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
      said.push(`${grpc.status[code]}:${seconds.toFixed(6)}`);
    }
    console.log(said.join(" "));
  }
  client.close();
}

(process.argv[2] === "serve" ? serve : makeCalls)(process.argv[3]);
