"""What people run by hand: looking through the audit, signing its heads, and opening a bundle that was disclosed."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NoReturn

from chassis.commands import EX_USAGE
from services.accounts.audit import actions
from services.accounts.audit.model import STAFF_CHAIN, Finding
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.disclosures import sealing
from services.accounts.disclosures.model import BundleDamaged, KeyNotValid

EX_BROKEN = 1
EX_NO_INPUT = 66


def verify_audit(arguments: Sequence[str]) -> None:
    """Look through chains of the audit; a line for each, and status 1 if one was tampered with."""
    parser = argparse.ArgumentParser(prog="python -m services.accounts verify-audit", description=verify_audit.__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--customer", metavar="ID", help="the chain of this customer alone")
    which.add_argument("--staff", action="store_true", help="the chain of staff alone")
    parser.add_argument(
        "--head", metavar="FILE", type=Path, action="append", default=[], help="a signed head kept elsewhere"
    )
    chosen = parser.parse_args(arguments)
    named = STAFF_CHAIN if chosen.staff else chosen.customer
    if chosen.head and not named:
        parser.error("--head goes with --customer or --staff")
    try:
        heads = [line for path in chosen.head for line in path.read_text().split()]
    except (OSError, UnicodeDecodeError) as error:
        _end(EX_NO_INPUT, f"the head cannot be read: {error}")
    # Standard output is for the answer alone, so logs go the other way.
    answer, is_whole = sys.stdout, True
    with redirect_stdout(sys.stderr):
        for finding in _findings([named] if named else None, heads, bootstrap()):
            answer.writelines(f"{line}\n" for line in _lines(finding))
            is_whole = is_whole and finding.is_whole
    if not is_whole:
        raise SystemExit(EX_BROKEN)


def _findings(named: list[str] | None, heads: list[str], here: Context) -> Iterator[Finding]:
    for chain in named or here.audit.chains():
        yield actions.verify(chain, audit=here.audit, jwks=here.settings.service_keys, handed_in=heads)


def _lines(finding: Finding) -> Iterator[str]:
    verdict = "whole" if finding.is_whole else f"BROKEN, problems: {finding.problem_count}"
    yield f"{finding.chain}: {verdict}; entries: {finding.entries}, signed heads: {finding.heads}, hash: {finding.hash}"
    for problem in finding.problems:
        yield f"  {problem.kind} at {problem.number}: {problem.detail}"


def sign_audit(arguments: Sequence[str]) -> None:
    """Sign how far a chain of the audit has got, and print that: to be kept where we cannot reach it."""
    parser = argparse.ArgumentParser(prog="python -m services.accounts sign-audit", description=sign_audit.__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--customer", metavar="ID")
    which.add_argument("--staff", action="store_true")
    chosen = parser.parse_args(arguments)
    with redirect_stdout(sys.stderr):
        here = bootstrap()
        head = actions.sign_head(STAFF_CHAIN if chosen.staff else chosen.customer, audit=here.audit, signer=here.signer)
    if head is None:
        _end(EX_BROKEN, "there is no entry in that chain")
    sys.stdout.write(f"{head.certificate}\n")


def open_bundle(arguments: Sequence[str]) -> None:
    """Check and decrypt a bundle with the private key of its recipient. Needs none of our servers."""
    parser = argparse.ArgumentParser(prog="python -m services.accounts open-bundle", description=open_bundle.__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("key", type=Path, help="the private key, X25519 in PEM")
    parser.add_argument("folder", type=Path, help="where its files are to go; must not be there yet")
    parser.add_argument("--keys", type=Path, help="our public keys, from /api/v1/certificate-keys: checks who made it")
    chosen = parser.parse_args(arguments)
    try:
        jwks = chosen.keys.read_text() if chosen.keys else None
        key = sealing.private_key(chosen.key.read_bytes())
        with chosen.bundle.open("rb") as source:
            manifest = sealing.open_bundle(source, key, chosen.folder, jwks=jwks)
    except KeyNotValid:
        _end(EX_USAGE, "the key is no X25519 private key in PEM without a password")
    except BundleDamaged as error:
        _end(EX_BROKEN, str(BundleDamaged.__doc__ or error))
    except (OSError, UnicodeDecodeError) as error:
        _end(EX_NO_INPUT, str(error))
    sys.stdout.write(
        f"{manifest.disclosure_id}: {len(manifest.files)} conversations, missing: {len(manifest.missing)}\n"
    )


def _end(status: int, line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(status)
