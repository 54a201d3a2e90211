// SPDX-License-Identifier: Apache-2.0
// Sends points with hot-shots: hot_shots.js MODULE PORT, points as JSON on stdin.
'use strict';

const fs = require('fs');

const [modulePath, port] = process.argv.slice(2);
const StatsD = require(modulePath);

// A sample rate makes the client throw dice for each point: all shall go.
Math.random = () => 0;

const client = new StatsD({
    host: '127.0.0.1',
    port: Number(port),
    maxBufferSize: 1400,
    includeDatadogTelemetry: false,
    includeDataDogTags: false,
    errorHandler: (error) => {
        console.error(String(error));
        process.exit(1);
    },
});

const send = {
    c: (point) => client.increment(point.name, point.value, point.tags),
    g: (point) => client.gauge(point.name, point.value, point.tags),
    d: (point) => client.distribution(point.name, point.value, point.rate, point.tags),
};

for (const point of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    send[point.type](point);
}
client.close(() => process.exit(0));
