#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""auth_vectors.py PROGRAM: computes what PROGRAM (auth_vectors.c) prints once more, with Python's own hashes and
integers and with primes made from RFC 7919's formula, and says where both differ."""
import base64
import functools
import hashlib
import hmac
import subprocess
import sys
import zlib

HASHES = {"1": "sha256", "2": "sha384", "3": "sha512"}
# RFC 7919 appendix A: p = 2^b - 2^(b-64) + (floor(2^(b-130) * e) + x) * 2^64 - 1
GROUPS = {"1": (2048, 560316), "2": (3072, 2625351), "3": (4096, 5736041), "4": (6144, 15705020),
          "5": (8192, 10965728)}
LINES = 3 * (2 * 8 + 4 * 2)


def e_times_power_of_two(bits):
    """floor(2^bits * e), from the series of 1/n! with bits to spare."""
    term, total, n = 1 << (bits + 64), 0, 0
    while term:
        total += term
        n += 1
        term //= n
    return total >> 64


@functools.cache
def prime(group):
    bits, x = GROUPS[group]
    return 2**bits - 2**(bits - 64) + (e_times_power_of_two(bits - 130) + x) * 2**64 - 1


def key_of(secret, nqn):
    _, digits, text, _ = secret.split(":")
    raw = base64.b64decode(text)
    key, crc = raw[:-4], raw[-4:]
    assert zlib.crc32(key) == int.from_bytes(crc, "little")
    if digits == "00":
        return key
    return hmac.digest(key, nqn.encode() + b"NVMe-over-Fabrics", HASHES[digits[1]])


@functools.cache
def power(base, exponent, group):
    return pow(base, exponent, prime(group))


def check(fields):
    name = HASHES[fields["hash"]]
    challenge = bytes.fromhex(fields["challenge"])
    augmented = challenge
    if fields["group"] != "0":
        length = GROUPS[fields["group"]][0] // 8
        exponent, peer = (int(fields[f], 16) for f in ("exponent", "peer"))
        assert power(2, exponent, fields["group"]) == int(fields["public"], 16), "public value"
        shared = power(peer, exponent, fields["group"]).to_bytes(length, "big")
        assert shared == bytes.fromhex(fields["shared"]), "shared secret"
        augmented = hmac.digest(hashlib.new(name, shared).digest(), challenge, name)
    text = (augmented + int(fields["seqnum"]).to_bytes(4, "little") + int(fields["tid"]).to_bytes(2, "little") +
            b"\0" + fields["role"].encode() + fields["prover"].encode() + b"\0" + fields["verifier"].encode())
    key = key_of(fields["secret"], fields["prover"])
    assert hmac.digest(key, text, name) == bytes.fromhex(fields["response"]), "response"


def main():
    lines = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == LINES, f"{len(lines)} lines, not {LINES}"
    for line in lines:
        try:
            check(dict(field.split("=", 1) for field in line.split(" ")))
        except (AssertionError, KeyError, ValueError) as error:
            sys.exit(f"{error}: {line}")
    print(f"{len(lines)} vectors agree")


main()
