"""Identity: how an agency proves that a file is its own, where the name of the folder is not enough.

`expectations/agencies.yaml` may say so under an agency's `identity`; who has none there is known by its folder alone.
What is required is required together: owner, signature and account.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, field_validator
from upath import UPath

from etl.contract import ContractError, Text, yaml_text
from etl.delivery.display import printable
from etl.delivery.messages import Stop
from etl.delivery.plain_files import open_plain
from etl.receive.inbox import SIGNATURE

if sys.platform != "win32":
    import pwd

UNPROVEN = "sender_not_proven"
_LONGEST_SIGNATURE = 1_000  # bytes of the file that holds it
_OWNER = Text("tệp không thuộc tài khoản của cơ quan", "it does not belong to the agency's account")
_NO_SIGNATURE = Text("thiếu chữ ký kèm theo (.sig)", "the signature beside it (.sig) is missing")
_OTHER_SIGNATURE = Text("chữ ký kèm theo (.sig) không khớp với tệp", "the signature beside it (.sig) does not fit it")
_ACCOUNT = Text("tệp không đến qua tài khoản đã đăng ký", "it did not come through the account that is registered")


class Identity(BaseModel):
    """What an agency must prove of each file; at least one thing.

    Attributes:
        owners: users of the operating system, by name or number, to whom the file must belong.
        keys: public keys (Ed25519, in PEM) with one of which it must be signed.
        principals: accounts, as whatever hands the file in says that it came through one: a portal, SFTP, a bucket.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    owners: list[StrictStr | StrictInt] | None = Field(default=None, min_length=1)
    keys: list[StrictStr] | None = Field(default=None, min_length=1)
    principals: list[StrictStr] | None = Field(default=None, min_length=1)

    def model_post_init(self, context: Any) -> None:
        """Refuse an entry that requires nothing: whoever writes one thinks that it does."""
        if not (self.owners or self.keys or self.principals):
            raise ValueError("name owners, keys or principals")

    @field_validator("keys")
    @classmethod
    def _are_public_keys(cls, keys: list[str] | None) -> list[str] | None:
        for key in keys or ():
            _public_key(key)
        return keys

    @property
    def users(self) -> frozenset[int] | None:
        """The owners by their numbers; None if anybody may own a file."""
        return None if self.owners is None else frozenset(filter(lambda user: user >= 0, map(_user, self.owners)))


Identities = Mapping[str, Identity | ContractError]


def identities(path: Path) -> Identities:
    """What agencies must prove, by their folders' names; of a wrong entry, what is wrong with it.

    Raises:
        ContractError: if the file cannot be read.
    """
    if not path.exists():
        return {}
    try:
        said = yaml_text.parse(path.read_text(encoding="utf-8"))
        agencies = {str(name): entry.get("identity") for name, entry in (said or {}).items()}
    except (ValueError, AttributeError) as error:
        raise ContractError(path, str(error)) from None
    found: dict[str, Identity | ContractError] = {}
    for agency, required in agencies.items():
        if required is None:
            continue
        try:
            found[agency] = Identity.model_validate(required)
        except ValidationError as error:
            sentences = (
                f"{agency}: identity: {'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()
            )
            found[agency] = ContractError(path, *sentences)
    return found


def prove(
    identity: Identity, file: UPath, inbox: UPath, sent: Mapping[str, Any], principal: str | None
) -> dict[str, Any]:
    """See whether a file proves to be its agency's.

    Args:
        identity: what the agency must prove.
        file: beside which a signature may stand.
        inbox: below which no link is followed.
        sent: `dataset` (its full name), `sha256` of the file, `manifest` (the bytes of the one beside it, or None) and
            `owner` (a user's number, or None where there are none).
        principal: the account through which the file came.

    Returns:
        What was proven.

    Raises:
        Stop: what is not proven.
    """
    proven: dict[str, Any] = {}
    if identity.users is not None:
        if sent["owner"] not in identity.users:
            raise _unproven(file, _OWNER)
        proven["owner"] = sent["owner"]
    if identity.keys:
        proven["key"] = _signed_by(identity.keys, _signature(file, inbox), statement(file.name, sent), file)
    if identity.principals:
        if principal not in identity.principals:
            raise _unproven(file, _ACCOUNT)
        proven["principal"] = principal
    return proven


def statement(name: str, sent: Mapping[str, Any]) -> bytes:
    """What is signed: the dataset's name on a line, and what `sha256sum` prints of the file, and of its manifest."""
    lines = [sent["dataset"], f"{sent['sha256']}  {name}"]
    if sent["manifest"] is not None:
        lines.append(f"{hashlib.sha256(sent['manifest']).hexdigest()}  {name}.manifest.json")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _signature(file: UPath, inbox: UPath) -> bytes:
    try:
        with open_plain(file.with_name(file.name + SIGNATURE), inbox) as stream:
            return base64.b64decode(b"".join(stream.read(_LONGEST_SIGNATURE).split()), validate=True)
    except OSError:
        raise _unproven(file, _NO_SIGNATURE) from None
    except binascii.Error:
        raise _unproven(file, _OTHER_SIGNATURE) from None


def _signed_by(keys: list[str], signature: bytes, signed: bytes, file: UPath) -> str:
    """The fingerprint of the key that a signature is of: SHA-256 of its raw bytes, in hexadecimal."""
    from cryptography.exceptions import InvalidSignature

    for key in map(_public_key, keys):
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            continue
        return hashlib.sha256(key.public_bytes_raw()).hexdigest()
    raise _unproven(file, _OTHER_SIGNATURE)


def _public_key(pem: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in PEM; `openssl pkey -in key.pem -pubout` prints one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("is no key of Ed25519; `openssl genpkey -algorithm ed25519 -out key.pem` makes one")
    return key


def _user(owner: str | int) -> int:
    """A user's number; -1 if there is no user of that name."""
    if isinstance(owner, int):
        return owner
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        return -1


def _unproven(file: UPath, lacks: Text) -> Stop:
    return Stop("rejected", UNPROVEN, file=printable(file.name)[:100], lacks=lacks)
