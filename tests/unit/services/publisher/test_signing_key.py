"""Keys in every form that people have, and what is said of those that cannot be used."""

import base64
import functools
import hashlib
import json
from pathlib import Path

import nacl.secret
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from services.common.errors import StartError
from services.publisher.signing_key import read_signer

PASSWORD = "a-password-nobody-may-see"
KEY = ec.derive_private_key(20261122, ec.SECP256R1())
SALT, NONCE = b"s" * 32, b"n" * 24


def der(key: PrivateKeyTypes = KEY) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def pem(
    key: PrivateKeyTypes = KEY,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


@functools.cache
def sealed() -> bytes:
    key = hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=32768, r=8, p=1, maxmem=2**27, dklen=32)
    return nacl.secret.SecretBox(key).encrypt(der(), NONCE).ciphertext


def cosign_document(**params: int) -> dict[str, object]:
    """What stands inside of cosign's PEM; the salt and the nonce are fixed for the test."""
    strength = {"N": 32768, "r": 8, "p": 1, **params}
    return {
        "kdf": {"name": "scrypt", "params": strength, "salt": base64.b64encode(SALT).decode()},
        "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(NONCE).decode()},
        "ciphertext": base64.b64encode(sealed()).decode(),
    }


def cosign(document: object, kind: str = "ENCRYPTED SIGSTORE PRIVATE KEY") -> bytes:
    body = base64.encodebytes(json.dumps(document).encode()).decode()
    return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----\n".encode()


def write(folder: Path, key: bytes, password: str | None = None) -> tuple[Path, Path | None]:
    (folder / "cosign.key").write_bytes(key)
    if password is None:
        return folder / "cosign.key", None
    (folder / "password").write_text(password)
    return folder / "cosign.key", folder / "password"


@pytest.mark.parametrize(
    ("key", "password"),
    [
        pytest.param(pem(), None, id="PKCS 8"),
        pytest.param(pem(form=PrivateFormat.TraditionalOpenSSL), None, id="SEC 1"),
        pytest.param(pem(encryption=BestAvailableEncryption(PASSWORD.encode())), PASSWORD, id="PKCS 8 with a password"),
        pytest.param(cosign(cosign_document()), f"{PASSWORD}\n", id="cosign"),
        pytest.param(cosign(cosign_document(), "ENCRYPTED COSIGN PRIVATE KEY"), PASSWORD, id="cosign 1"),
    ],
)
def test_it_signs_and_always_the_same(tmp_path: Path, key: bytes, password: str | None) -> None:
    signer = read_signer(*write(tmp_path, key, password))
    KEY.public_key().verify(signer.sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))
    assert signer.sign(b"data") == signer.sign(b"data") != signer.sign(b"more")
    assert PASSWORD not in repr(signer)


@pytest.mark.parametrize(
    ("key", "password", "problem"),
    [
        (cosign(cosign_document()), "wrong-one", "cannot be opened with the password of LORABUS_SIGNING_KEY_PASSWORD"),
        (cosign(cosign_document()), None, "cannot be opened with the password"),
        (cosign(cosign_document(N=2**30)), PASSWORD, r"kdf\.params\.N"),
        (cosign({**cosign_document(), "cipher": {"name": "nacl/secretbox", "nonce": "bm8="}}), PASSWORD, "nonce"),
        (cosign({**cosign_document(), "ciphertext": "&"}), PASSWORD, "not base64"),
        (cosign([1]), PASSWORD, "no usable private key"),
        (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", PASSWORD, "no usable private key"),
        (b"", None, "no usable private key"),
        (b"\xff" * 70_000, None, "is longer than"),
        (pem(encryption=BestAvailableEncryption(PASSWORD.encode())), "wrong-one", "no usable private key"),
        (pem(ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)), None, "must be an ECDSA key on the curve P-256"),
        (pem(ec.derive_private_key(7, ec.SECP384R1())), None, "must be an ECDSA key on the curve P-256"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_without_its_content(
    tmp_path: Path, key: bytes, password: str | None, problem: str
) -> None:
    with pytest.raises(StartError, match=problem) as caught:
        read_signer(*write(tmp_path, key, password))
    said = str(caught.value)
    assert said.startswith("LORABUS_SIGNING_KEY_FILE")
    assert not [secret for secret in (PASSWORD, "wrong-one", "ciphertext", "bm8=") if secret in said]


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"LORABUS_SIGNING_KEY_FILE .*absent cannot be read: No such file"):
        read_signer(tmp_path / "absent", None)
    key, _ = write(tmp_path, pem())
    with pytest.raises(StartError, match=r"LORABUS_SIGNING_KEY_PASSWORD_FILE .*absent cannot be read: No such file"):
        read_signer(key, tmp_path / "absent")
