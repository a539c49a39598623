"""Secrets are only named in a request. A missing one would fail a job after its training, so it is asked for now."""

from schemas.admission.reading import is_plain_file_name, is_subdomain
from schemas.admission.surroundings import Surroundings
from schemas.problems import Findings, shown


def check_secret(name: str, path: str, around: Surroundings, findings: Findings) -> None:
    if not is_plain_file_name(name):
        findings.refuse(path, f"invalid value: {shown(name)!r} is not the name of a secret")
    elif around.secret_exists is None:
        hint = "" if is_subdomain(name) else ", and Kubernetes would not take it as a name"
        findings.warn(f"{path}: whether the secret {name!r} exists cannot be known here{hint}")
    elif not around.secret_exists(name):
        way_out = f"put its .dockerconfigjson into the folder {name} of LORABUS_SECRETS_DIR"
        findings.refuse(path, f"the secret {name!r} is not there; {way_out}")
