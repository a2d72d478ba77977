"""A file to read: its text, what kind of file it is, and bounds that keep a reader quick on any bytes."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from slash24.plan.iac.node import Place, ReadError

MAX_BYTES = 256 << 10  # of a script or a source file: nobody writes a longer one by hand
MAX_TERRAFORM_BYTES = 64 << 10  # its grammar is read at about 100 KB a second
MAX_JSON_BYTES = 8 << 20  # of a plan, a compiled template, a listing
MAX_NESTING = 100  # of brackets


class Kind(StrEnum):
    """What a file is; the value is what messages call it."""

    SCRIPT = "az script"
    TERRAFORM = "Terraform"
    TERRAFORM_VALUES = "Terraform variables"
    TERRAFORM_PLAN = "Terraform plan"
    BICEP = "Bicep"
    BICEP_PARAMETERS = "Bicep parameters"
    ARM = "ARM template"
    ARM_PARAMETERS = "ARM parameters"
    AZ_CLUSTER = "az aks show"
    AZ_NETWORK = "az network vnet show"


_BY_SUFFIX = {
    "azcli": Kind.SCRIPT,
    "bash": Kind.SCRIPT,
    "ps1": Kind.SCRIPT,
    "sh": Kind.SCRIPT,
    "tf": Kind.TERRAFORM,
    "tfvars": Kind.TERRAFORM_VALUES,
    "bicep": Kind.BICEP,
    "bicepparam": Kind.BICEP_PARAMETERS,
}
_LIMITS = {"json": MAX_JSON_BYTES, "tf": MAX_TERRAFORM_BYTES, "tfvars": MAX_TERRAFORM_BYTES}
#: What a folder is searched for.
SUFFIXES = (*_BY_SUFFIX, "json")
_AZ_WORD = re.compile(r"(?m)(?:^|[(`;|&]|\$\()\s*az\s+[a-z]")
_BRACKET = re.compile(r"[][(){}]")


@dataclass(frozen=True)
class File:
    """A file by the name that its user gave it, `/` between its folders."""

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        return self.name.rpartition("/")[2].rpartition(".")[2].lower()

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @cached_property
    def text(self) -> str:
        """The text, lines ended by a newline alone. Raises ReadError if it is none, or too long."""
        limit = _LIMITS.get(self.suffix, MAX_BYTES)
        if len(self.data) > limit:
            raise ReadError(f"it is larger than {limit >> 10} KiB", Place(self.name, 1))
        encoding = "utf-16" if self.data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"  # PowerShell writes both
        try:
            text = self.data.decode(encoding)
        except UnicodeDecodeError as error:
            line = self.data[: error.start].count(b"\n") + 1
            raise ReadError("it is no text in UTF-8", Place(self.name, line)) from error
        if "\0" in text:
            raise ReadError(
                "it is no text: there are null bytes in it", Place(self.name, text[: text.index("\0")].count("\n") + 1)
            )
        return text.replace("\r\n", "\n").replace("\r", "\n")

    @cached_property
    def kind(self) -> Kind | None:
        """What the file is, by its name, else by what is in it; None if it is nothing that is read here.

        Raises ReadError where a JSON file isn't JSON.
        """
        by_name = _BY_SUFFIX.get(self.suffix)
        if by_name:
            return by_name
        if self.suffix == "json" or self.text.lstrip()[:1] in ("{", "["):
            return None if self.name.endswith(".tf.json") else _json_kind(self.json)
        return Kind.SCRIPT if _AZ_WORD.search(self.text) else None

    @cached_property
    def json(self) -> object:
        """The file as JSON, without places. Raises ReadError if it is none."""
        self.refuse_deep_nesting()
        try:
            return json.loads(self.text)
        except json.JSONDecodeError as error:
            raise ReadError(f"it is no JSON: {error.msg}", Place(self.name, error.lineno)) from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits
            raise ReadError(f"it is no JSON that can be read: {error}", Place(self.name, 1)) from error

    def refuse_deep_nesting(self) -> None:
        """Raise ReadError where brackets are nested deeper than any reader should follow."""
        depth = 0
        for match in _BRACKET.finditer(self.text):
            depth = depth + 1 if match[0] in "[({" else max(0, depth - 1)
            if depth > MAX_NESTING:
                line = self.text.count("\n", 0, match.start()) + 1
                raise ReadError(f"brackets are nested deeper than {MAX_NESTING}", Place(self.name, line))


def _json_kind(value: object) -> Kind | None:
    """Return what a JSON document is, by the marks that its writer puts on it."""
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        return None
    schema = str(first.get("$schema", "")).lower()
    if "deploymenttemplate.json" in schema:
        return Kind.ARM
    if "deploymentparameters.json" in schema:
        return Kind.ARM_PARAMETERS
    if "resource_changes" in first or "planned_values" in first:
        return Kind.TERRAFORM_PLAN
    kind = str(first.get("type", "")).lower()
    if kind == "microsoft.containerservice/managedclusters":
        return Kind.AZ_CLUSTER
    if kind in ("microsoft.network/virtualnetworks", "microsoft.network/virtualnetworks/subnets"):
        return Kind.AZ_NETWORK
    if "networkProfile" in first and "agentPoolProfiles" in first:
        return Kind.AZ_CLUSTER
    return Kind.AZ_NETWORK if "addressSpace" in first and "subnets" in first else None
