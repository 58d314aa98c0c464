"""Tokens and key sets by hand: a library would refuse to make most of what is sent here."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://provider.example/realms/ops"
AUDIENCE = "prefect-api"


def b64(data):
    """Base64url without padding."""
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class RSA:
    """An RSA key with an id."""

    alg = "RS256"

    def __init__(self, kid, bits=2048):
        self.kid, self.private = kid, rsa.generate_private_key(65537, bits)

    def sign(self, data):
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def jwk(self, **more):
        n = self.private.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "n": number(n.n), "e": number(n.e), **more}

    def pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


class EC:
    """A key on P-256 with an id."""

    alg = "ES256"

    def __init__(self, kid):
        self.kid, self.private = kid, ec.generate_private_key(ec.SECP256R1())

    def sign(self, data):
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def jwk(self, **more):
        n = self.private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "kid": self.kid,
            "x": number(n.x, 32),
            "y": number(n.y, 32),
            **more,
        }


def claims(**changed):
    """Good claims; None takes one out."""
    now = int(time.time())
    found = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "worker-etl", "iat": now, "exp": now + 300,
        "jti": "jti-1", "groups": ["workers"],
    } | changed  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def token(key, body=None, *, header=None, signature=None, raw_body=None):
    """A token that ``key`` has signed; parts may be replaced."""
    head = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    payload = b64(raw_body if raw_body is not None else (claims() if body is None else body))
    text = f"{b64(head)}.{payload}"
    signed = key.sign(text.encode()) if signature is None else signature
    return f"{text}.{b64(signed)}"


def hmac_token(secret, kid):
    """A token that is "signed" with what everybody knows: the public key."""
    text = f"{b64({'alg': 'HS256', 'kid': kid})}.{b64(claims())}"
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def key_set(path, *jwks):
    """Write a file of keys as the printed comment does: whole, by renaming."""
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps({"keys": jwks}))
    partial.replace(path)
