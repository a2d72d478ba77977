"""Rules that files break rather than plans: `slash24 lint` judges them where it reads the files."""

from slash24.plan.finding import Severity
from slash24.plan.rulebook import rule
from slash24.plan.source import AZ_READ, DOCS_READ, Source

_OURS = Source("slash24: docs/lint.md", DOCS_READ)
_PROVIDER = Source(
    "https://github.com/hashicorp/terraform-provider-azurerm at 69697b7f: kubernetes_cluster_resource.go", DOCS_READ
)

REPLACED = rule(
    "S24-130", "A change keeps the cluster", _PROVIDER, applies="Terraform plans; changes of azurerm's attributes"
).of_files(
    "azurerm destroys a cluster and makes another for changes that AKS itself makes in place or not at all: the "
    "plugin but for kubenet to azure with overlay, the mode unless it becomes overlay, the dataplane but for azure to "
    "cilium, the policy but for azure or calico to cilium, the pod CIDR once set, service CIDR, DNS address, IP "
    "versions and the load balancer's SKU."
)
UNREADABLE = rule("S24-201", "A file can be read as what it is", _OURS, applies="files").of_files(
    "What stands behind a fault is not judged: a script, a template or a plan that its own tool would refuse."
)
UNKNOWN_OPTION = rule(
    "S24-202",
    "az has such an option",
    Source("azure-cli 2.91.0: the options of its commands", AZ_READ),
    applies="az scripts",
).of_files("az ends with exit code 2 and does nothing; an extension, such as aks-preview, may have the option.")
BAD_IGNORE = rule(
    "S24-203", "An ignore has a reason and something to ignore", _OURS, applies="comments", severity=Severity.WARNING
).of_files("The next reader must know what is left and why; a comment that ignores nothing hides the next fault.")
