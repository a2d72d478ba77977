"""Where a rule comes from, and when that was read."""

from dataclasses import dataclass
from datetime import date

DOCS_READ = date(2026, 8, 21)
CHANGELOG_READ = date(2026, 8, 7)
AZ_READ = date(2026, 9, 29)
ISSUES_READ = date(2026, 9, 1)
#: The day to which the rulebook knows the sources; what is judged without a date is judged as of it.
RULEBOOK_DAY = date(2026, 11, 23)


@dataclass(frozen=True, slots=True)
class Source:
    """A public text. `where`: its address, or repository and file. `read`: the day as of which it says so."""

    where: str
    read: date

    def __str__(self) -> str:
        return f"{self.where} ({self.read})"


def docs(page: str) -> Source:
    """Return a page of AKS' documentation."""
    return Source(f"https://learn.microsoft.com/azure/aks/{page}", DOCS_READ)


def troubleshooting(page: str) -> Source:
    """Return a page of AKS' troubleshooting articles."""
    return Source(f"https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes/{page}", ISSUES_READ)


def changelog(release: str) -> Source:
    """Return one release of AKS' changelog; `release` is its date, as in 2024-10-25."""
    return Source(f"https://github.com/Azure/AKS/releases/tag/{release}", CHANGELOG_READ)


def issue(repository: str, number: int) -> Source:
    """Return a public issue, in which users show what the service answered."""
    return Source(f"https://github.com/{repository}/issues/{number}", ISSUES_READ)


def az(file: str) -> Source:
    """Return a file of azure-cli's acs module, as of azure-cli 2.91.0."""
    return Source(
        f"https://github.com/Azure/azure-cli/tree/azure-cli-2.91.0/src/azure-cli/azure/cli/command_modules/acs/{file}",
        AZ_READ,
    )


ARM = Source("azure-mgmt-containerservice 41.8.0, API version 2026-08-01: models", AZ_READ)
ERROR_CODES = Source("the service's list of error codes; their sentences are not public", ISSUES_READ)
