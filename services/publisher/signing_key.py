"""The key that images are signed with: cosign's own file (`cosign generate-key-pair`) or a plain PKCS #8 one, P-256.

cosign's file is PEM around JSON: the PKCS #8 key in a NaCl secretbox whose key scrypt makes from the password.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nacl.exceptions
import nacl.secret
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from pydantic import BaseModel, Field, ValidationError

from services.common.errors import StartError

_COSIGN = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_MAX_BYTES = 64 * 1024
# The deterministic nonces of RFC 6979: the same image signed again has the same signature, and nothing new is pushed.
_ALGORITHM = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """Signs with a key that it does not show; `hint` is how verifiers name the public one."""

    sign: Callable[[bytes], bytes]
    """Gives the ECDSA signature over the SHA-256 of some bytes, in ASN.1."""
    hint: str


class _Scrypt(BaseModel):
    # The three strengths that cosign knows: a stranger's file must not name one that takes hours.
    n: Literal[32768, 65536, 131072] = Field(alias="N")
    r: Literal[8]
    p: Literal[1]


class _Kdf(BaseModel):
    name: Literal["scrypt"]
    params: _Scrypt
    salt: str = Field(max_length=1024)


class _Cipher(BaseModel):
    name: Literal["nacl/secretbox"]
    nonce: str = Field(max_length=1024)


class _Encrypted(BaseModel):
    kdf: _Kdf
    cipher: _Cipher
    ciphertext: str


def read_signer(key_file: Path, password_file: Path | None) -> Signer:
    """Read the key; every fault is a `StartError` that names the setting and never quotes a value."""
    pem = _read("LORABUS_SIGNING_KEY_FILE", key_file)
    password = b"" if password_file is None else _read("LORABUS_SIGNING_KEY_PASSWORD_FILE", password_file)
    try:
        key = _private_key(pem, password.rstrip(b"\r\n"))
    except nacl.exceptions.CryptoError:
        why = "cannot be opened with the password of LORABUS_SIGNING_KEY_PASSWORD_FILE"
        raise StartError(f"LORABUS_SIGNING_KEY_FILE {key_file} {why}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StartError(f"LORABUS_SIGNING_KEY_FILE {key_file} is no usable private key: {_plain(error)}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        why = "must be an ECDSA key on the curve P-256, as `cosign generate-key-pair` makes it"
        raise StartError(f"LORABUS_SIGNING_KEY_FILE {key_file} {why}")
    return signer_of(key)


def signer_of(key: ec.EllipticCurvePrivateKey) -> Signer:
    """A signer with a P-256 key."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    hint = base64.b64encode(hashlib.sha256(public).digest()).decode()
    return Signer(lambda data: key.sign(data, _ALGORITHM), hint)


def _private_key(pem: bytes, password: bytes) -> object:
    kind = pem.lstrip().removeprefix(b"-----BEGIN ").partition(b"-----")[0].decode(errors="replace")
    if kind not in _COSIGN:
        return load_pem_private_key(pem, password or None)
    body = b"".join(pem.split(b"-----")[2].split())
    return load_der_private_key(_decrypt(base64.b64decode(body, validate=True), password), None)


def _decrypt(document: bytes, password: bytes) -> bytes:
    box = _Encrypted.model_validate_json(document)
    salt, nonce, ciphertext = (_decoded(text) for text in (box.kdf.salt, box.cipher.nonce, box.ciphertext))
    strength = box.kdf.params
    memory = 128 * strength.n * strength.r * 2
    key = hashlib.scrypt(password, salt=salt, n=strength.n, r=strength.r, p=strength.p, maxmem=memory, dklen=32)
    if len(nonce) != nacl.secret.SecretBox.NONCE_SIZE:
        raise ValueError("its nonce has another length than 24 bytes")
    return nacl.secret.SecretBox(key).decrypt(ciphertext, nonce)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("it holds what is not base64") from None


def _read(setting: str, file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise StartError(f"{setting} {file} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise StartError(f"{setting} {file} is longer than {_MAX_BYTES:,} bytes")
    return data


def _plain(error: Exception) -> str:
    """The fault's own words; pydantic's would quote what it read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)[:200]
