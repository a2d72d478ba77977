"""Properties of a cluster's ARM document that findings point to."""

POD_CIDR = "networkProfile.podCIDR"
SERVICE_CIDR = "networkProfile.serviceCIDR"
DNS_SERVICE_IP = "networkProfile.dnsServiceIP"
SUBNET = "agentPoolProfile.vnetSubnetID"
POD_SUBNET = "agentPoolProfile.podSubnetID"
MAX_PODS = "agentPoolProfile.maxPods"
COUNT = "agentPoolProfile.count"
