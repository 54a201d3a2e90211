# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: Helm renders it, and what comes out is of the types that Kubernetes and the
Prometheus operator publish. Of each kind of mistake one is planted, and found. There is no cluster
here: no API server has accepted it. The image's test runs what is rendered.
"""

import copy
import json
import pathlib
import shutil
import tempfile
import unittest

import yaml

import chart
import npm
import typescript

EVERYTHING = """
image: {repository: registry.example/sockeye, tag: "1"}
imagePullSecrets: [{name: registry}]
config: {interval: 30s, tags: ["cluster:one"], exporters: [{type: otlp, url: "http://collector:4318/v1/metrics"}]}
env: [{name: DD_API_KEY, valueFrom: {secretKeyRef: {name: datadog, key: api-key}}}]
controlPort: 19465
olderSockets: true
seccompProfile: {type: Localhost, localhostProfile: sockeye.json}
priorityClassName: system-node-critical
podLabels: {team: network}
podAnnotations: {example.org/owner: network}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
"""


def types_of(path):
    return path.endswith(".d.ts") or path == "package.json"


PACKAGES = (
    typescript.PACKAGE,
    ("kubernetes-models", "5.1.0", types_of),
    ("@kubernetes-models/prometheus-operator", "6.0.0", types_of),
    ("@kubernetes-models/apimachinery", "3.0.2", types_of),
    ("@kubernetes-models/base", "6.0.1", types_of),
    ("@kubernetes-models/validate", "5.0.2", types_of),
)
TYPES = """
import type { IConfigMap as ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IService as Service } from 'kubernetes-models/v1/Service';
import type { IDaemonSet as DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import type { IServiceMonitor as ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
"""


def pod(objects):
    return objects["DaemonSet"]["spec"]["template"]["spec"]


def container(objects):
    only, = pod(objects)["containers"]
    return only


class Chart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="sockeye-chart-")
        self.addCleanup(shutil.rmtree, folder)
        self.folder = pathlib.Path(folder)

    def values(self, text):
        (self.folder / "values.yaml").write_text(text, encoding="utf-8")
        return "--values", self.folder / "values.yaml"

    def test_lint(self):
        for values in ("", EVERYTHING):
            done = chart.helm("lint", "--strict", chart.CHART, *self.values(values))
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_lint_finds_mistakes(self):
        for file, old, new, word in (
                ("templates/daemonset.yaml", "{{- end }}", "{{- ende }}", "ende"),
                ("templates/daemonset.yaml", 'include "sockeye.name"', 'include "sockeye.nam"', "sockeye.nam"),
                ("templates/daemonset.yaml", "nindent 8", "nindent 3", "daemonset.yaml"),
                ("Chart.yaml", "version: 0.1.0", "version: one", "version")):
            shutil.copytree(chart.CHART, self.folder / "sockeye", dirs_exist_ok=True)
            text = (chart.CHART / file).read_text(encoding="utf-8")
            self.assertIn(old, text)
            (self.folder / "sockeye" / file).write_text(text.replace(old, new, 1), encoding="utf-8")
            done = chart.helm("lint", "--strict", self.folder / "sockeye")
            self.assertNotEqual(done.returncode, 0, new)
            self.assertIn(word, done.stdout)

    def test_values_are_checked(self):
        for wrong, word in (("tolerance: []", "tolerance"), ("image: {name: x}", "name"),
                            ("controlPort: 70000", "controlPort"), ("olderSockets: 'no'", "olderSockets"),
                            ("podLabels: {version: 1}", "version"), ("config: [a]", "config"),
                            ("serviceMonitor: {interval: 10}", "interval")):
            done = chart.helm("template", "x", chart.CHART, *self.values(wrong))
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertIn(word, done.stdout)

    def test_asks_for_nothing_of_the_cluster(self):
        objects = chart.rendered()
        self.assertEqual(set(objects), {"ConfigMap", "DaemonSet"})
        self.assertIs(pod(objects)["automountServiceAccountToken"], False)
        self.assertNotIn("privileged", container(objects)["securityContext"])
        self.assertEqual([volume["hostPath"]["path"] for volume in pod(objects)["volumes"]
                          if "hostPath" in volume], ["/sys/fs/cgroup"])

    def test_probes_ask_where_the_daemon_listens(self):
        for values in ("", EVERYTHING):
            objects = chart.rendered(*self.values(values))
            config = yaml.safe_load(objects["ConfigMap"]["data"]["sockeye.yaml"])
            probes = [value["httpGet"] for key, value in container(objects).items()
                      if key.endswith("Probe")]
            self.assertEqual({f"{probe['host']}:{probe['port']}" for probe in probes},
                             {config["control"]["listen"]})
            self.assertEqual(len(probes), 3)

    def test_another_configuration_is_another_pod(self):
        def template(values):
            return chart.rendered(*self.values(values))["DaemonSet"]["spec"]["template"]
        self.assertEqual(template(""), template(""))
        self.assertNotEqual(template(""), template("config: {interval: 5s}"))

    MISTAKES = (
        (lambda o: container(o).update(imagePullPolcy="Always"), "imagePullPolcy"),
        (lambda o: container(o).pop("name"), "name"),
        (lambda o: container(o).update(args="run"), "string"),
        (lambda o: container(o)["securityContext"].update(runAsUser="0"), "string"),
        (lambda o: container(o)["securityContext"]["capabilities"].update(add="BPF"), "string"),
        (lambda o: container(o)["readinessProbe"].update(httpget={}), "httpget"),
        (lambda o: container(o)["volumeMounts"][0].pop("mountPath"), "mountPath"),
        (lambda o: container(o)["env"][0]["valueFrom"]["secretKeyRef"].pop("key"), "key"),
        (lambda o: pod(o).update(hostPid=True), "hostPid"),
        (lambda o: pod(o).update(hostPID="true"), "string"),
        (lambda o: pod(o)["tolerations"][0].update(operators="Exists"), "operators"),
        (lambda o: o["DaemonSet"].update(apiVersion="apps/v2"), "apps/v2"),
        (lambda o: o["DaemonSet"]["spec"].pop("selector"), "selector"),
        (lambda o: o["ConfigMap"]["data"].update(port=1), "number"),
        (lambda o: o["Service"]["spec"]["ports"][0].pop("port"), "port"),
        (lambda o: o["ServiceMonitor"]["spec"]["endpoints"][0].update(every="10s"), "every"),
        (lambda o: o["ServiceMonitor"]["spec"].pop("selector"), "selector"),
    )

    def test_is_of_the_published_types(self):
        npm.fetch(chart.NPM, PACKAGES)
        full = chart.rendered(*self.values(EVERYTHING))
        variants = {"right": full, "plain": chart.rendered()}
        for number, (change, _) in enumerate(self.MISTAKES):
            variants[f"wrong_{number}"] = copy.deepcopy(full)
            change(variants[f"wrong_{number}"])
        said = typescript.check(chart.NPM, TYPES, {
            name: [f"const {name}_{kind}: {kind} = {json.dumps(each)};"
                   for kind, each in objects.items()] for name, objects in variants.items()})
        self.assertEqual((said.get("right", []), said.get("plain", [])), ([], []))
        for number, (_, word) in enumerate(self.MISTAKES):
            faults = said.get(f"wrong_{number}", [])
            self.assertTrue(any(word in fault for fault in faults), (number, word, faults))


if __name__ == "__main__":
    unittest.main()
