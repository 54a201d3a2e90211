// SPDX-License-Identifier: Apache-2.0
// What Datadog's own client does not understand of dashboards: datadog_dashboard.js MODULES, an
// array of dashboards on stdin; prints an array with a list of places for each.
'use strict';

const fs = require('fs');
const path = require('path');

const packages = path.join(process.argv[2], '@datadog/datadog-api-client/dist/packages');
const { ObjectSerializer } = require(path.join(packages, 'datadog-api-client-v1/models/ObjectSerializer.js'));
const { UnparsedObject } = require(path.join(packages, 'datadog-api-client-common/util.js'));

function faults(value, place) {
    if (value === null || typeof value !== 'object') {
        return [];
    }
    if (value instanceof UnparsedObject) {
        return [`${place}: not understood`];
    }
    const own = value._unparsed === true ? [`${place}: understood in part`] : [];
    const unknown = Object.keys(value.additionalProperties || {}).map((key) => `${place}.${key}: unknown`);
    const inner = Object.keys(value).filter((key) => key !== 'additionalProperties')
        .flatMap((key) => faults(value[key], `${place}.${key}`));
    return [...own, ...unknown, ...inner];
}

function check(dashboard) {
    try {
        return faults(ObjectSerializer.deserialize(dashboard, 'Dashboard', ''), 'dashboard');
    } catch (error) {
        return [String(error)];
    }
}

const dashboards = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(dashboards.map(check)));
