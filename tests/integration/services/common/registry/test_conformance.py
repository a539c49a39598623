"""Proves that the registry of our tests does what the OCI distribution spec 1.1 says, by OCI's own suite.

What distribution 3 does not do is left out by name: its referrers API is missing (clients fall back to a tag, and so do
we), it takes no sha512 digests, and without a setting no layers that lie elsewhere.
"""

import os
import subprocess
from pathlib import Path

import yaml

from deploy.native.go_tools import tool

LEFT_OUT = (
    *("OCI_API_REFERRER", "OCI_DATA_SUBJECT", "OCI_DATA_SUBJECT_LIST", "OCI_DATA_SUBJECT_MISSING"),
    *("OCI_DATA_SHA512", "OCI_DATA_NONDISTRIBUTABLE"),
)
WE_USE = (
    *("Blob head", "Blob get", "Blob get range", "Blob post put", "Blob chunked", "Blob streaming", "Blob mount"),
    *("Manifest head by tag", "Manifest get by digest", "Manifest put by digest", "Manifest put by tag"),
)


def test_pull_push_discovery_and_management(registry_address: str, tmp_path: Path) -> None:
    chosen = {
        "OCI_REGISTRY": registry_address,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/one",
        "OCI_REPO2": "conformance/two",
        "OCI_VERSION": "1.1",
        "OCI_LOG": "error",
        **dict.fromkeys(LEFT_OUT, "false"),
    }
    done = subprocess.run(
        [str(tool("oci-conformance", print))],
        cwd=tmp_path,
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    apis = yaml.safe_load((tmp_path / "results" / "results.yaml").read_text())["apis"]
    assert {name: apis[name] for name in WE_USE} == dict.fromkeys(WE_USE, "Pass")
