"""The object store's keys, all in one place. What lies under them is in `schemas.records`."""


def spec(job_id: str) -> str:
    """The accepted, fully resolved spec; created once, it is what makes the job exist."""
    return f"jobs/{job_id}/spec.json"


def attempts(job_id: str) -> str:
    """The folder of the claims."""
    return f"jobs/{job_id}/attempts/"


def attempt(job_id: str, number: int) -> str:
    """The claim with fencing token `number`; created once by its owner."""
    return f"jobs/{job_id}/attempts/{number}.json"


def heartbeat(job_id: str, number: int) -> str:
    """Rewritten by the owner of attempt `number` every third of the lease."""
    return f"jobs/{job_id}/attempts/{number}.heartbeat"


def cancel(job_id: str) -> str:
    """Exists once somebody asked to cancel."""
    return f"jobs/{job_id}/cancel.json"


def result(job_id: str) -> str:
    """Created once: the single point where a job becomes terminal."""
    return f"jobs/{job_id}/result.json"


def outbox(job_id: str, attempt_number: int, source: str) -> str:
    """The last event that `source` was about to send; sent again after a crash."""
    return f"jobs/{job_id}/outbox/{attempt_number}.{source}.json"


def checkpoint(job_id: str, step: int) -> str:
    """The folder of one checkpoint; complete once its `manifest.json` exists."""
    return f"jobs/{job_id}/checkpoints/{step:08d}/"


def checkpoints(job_id: str) -> str:
    """The folder of all checkpoints."""
    return f"jobs/{job_id}/checkpoints/"


def adapter(job_id: str) -> str:
    """The folder of the adapter; complete once its `manifest.json` exists."""
    return f"jobs/{job_id}/adapter/"


def adapter_manifest(job_id: str) -> str:
    """Written after every file of the adapter."""
    return f"jobs/{job_id}/adapter/manifest.json"


def dataset_blob(digest: str) -> str:
    """Created once for the sha256 (hex) of a file's bytes; names the upload that holds them."""
    return f"datasets/sha256/{digest}/blob.json"


def dataset_blobs() -> str:
    """The folder of all digests."""
    return "datasets/sha256/"


def dataset_uploads() -> str:
    """The folder of all uploads."""
    return "datasets/uploads/"


def dataset_upload(upload: str, name: str) -> str:
    """A dataset file's bytes. The name of an upload is random: its digest is known only when it is complete."""
    return f"datasets/uploads/{upload}/{name}"


def dataset_source(source_hash: str) -> str:
    """What is known of a source: validators (ETag, Last-Modified) and the digests that it had."""
    return f"datasets/sources/{source_hash}.json"


def tokens(key: str) -> str:
    """The folder of tokenised, packed rows under the key of everything that they depend on."""
    return f"tokens/{key}/"


def dead_letter(place_hash: str) -> str:
    """Created by whoever sends a record of the jobs topic, which many read, to the dead letters."""
    return f"deadletters/{place_hash}"


def latest_spec(namespace: str, name: str, sequence: int) -> str:
    """A Workspace's accepted specs in order, for the rules on updates; numbers are created once, without gaps."""
    return f"workspaces/{namespace}.{name}/{sequence:08d}.json"


def latest_specs(namespace: str, name: str) -> str:
    """The folder of a Workspace's accepted specs."""
    return f"workspaces/{namespace}.{name}/"
