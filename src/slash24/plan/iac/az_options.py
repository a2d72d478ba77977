"""The options of az's commands that make or change clusters and networks, as of azure-cli 2.91.0.

A test compares them with the az of `make az`, and says which are missing.
"""

VERSION = "2.91.0"
#: Of every command.
COMMON = frozenset({
    "--debug", "--help", "-h", "--only-show-errors", "--output", "-o", "--query", "--subscription", "--verbose",
    "--acquire-policy-token", "--change-reference",
})  # fmt: skip
_OPTIONS = {
    "aks create": """
        --aad-admin-group-object-ids --aad-tenant-id --aci-subnet-name --acns-advanced-networkpolicies
        --acns-datapath-acceleration-mode --acns-transit-encryption-type --admin-username --aks-custom-headers
        --ampls-resource-id --api-server-authorized-ip-ranges --apiserver-subnet-id
        --app-routing-default-nginx-controller --appgw-id --appgw-name --appgw-subnet-cidr --appgw-subnet-id
        --appgw-watch-namespace --ardnc --assign-identity --assign-kubelet-identity --attach-acr
        --auto-upgrade-channel --azure-keyvault-kms-key-id --azure-keyvault-kms-key-vault-network-access
        --azure-keyvault-kms-key-vault-resource-id --azure-monitor-workspace-resource-id
        --bootstrap-artifact-source --bootstrap-container-registry-resource-id --ca-certs --ca-profile
        --client-secret --cluster-autoscaler-profile --cmd --container-storage-version --crg-id
        --custom-ca-trust-certificates --data-collection-settings --defender-config --disable-acns-observability
        --disable-acns-security --disable-disk-driver --disable-file-driver --disable-local-accounts
        --disable-opentelemetry-logs-traces --disable-opentelemetry-metrics
        --disable-prometheus-metrics-scraping --disable-public-fqdn --disable-rbac --disable-run-command
        --disable-snapshot-controller --dns-name-prefix --dns-service-ip --docker-bridge-address --edge-zone
        --enable-aad --enable-acns --enable-addons --enable-ahub --enable-ai-toolchain-operator
        --enable-apiserver-vnet-integration --enable-app-routing --enable-app-routing-istio --enable-ari
        --enable-asm --enable-azure-container-storage --enable-azure-keyvault-kms
        --enable-azure-monitor-app-monitoring --enable-azure-monitor-logs --enable-azure-monitor-metrics
        --enable-azure-rbac --enable-azure-service-mesh --enable-blob-driver --enable-cluster-autoscaler
        --enable-container-network-logs --enable-control-plane-metrics --enable-cost-analysis
        --enable-cp-metrics --enable-defender --enable-encryption-at-host --enable-fips-image
        --enable-gateway-api --enable-high-log-scale-mode --enable-hosted-system --enable-image-cleaner
        --enable-keda --enable-managed-identity --enable-msi-auth-for-monitoring --enable-node-public-ip
        --enable-oidc-issuer --enable-opentelemetry-logs-traces --enable-opentelemetry-metrics
        --enable-private-cluster --enable-prometheus-metrics-scraping --enable-secret-rotation
        --enable-secure-boot --enable-sgxquotehelper --enable-static-egress-gateway --enable-syslog
        --enable-ultra-ssd --enable-upstream-kubescheduler-user-configuration --enable-vpa --enable-vtpm
        --enable-windows-gmsa --enable-windows-recording-rules --enable-workload-identity
        --ephemeral-disk-nvme-perf-tier --ephemeral-disk-volume-type --fqdn-subdomain --generate-ssh-keys
        --gmsa-dns-server --gmsa-root-domain-name --gpu-instance-profile --grafana-resource-id --host-group-id
        --http-proxy-config --if-match --if-none-match --image-cleaner-interval-hours --ip-families
        --k8s-support-plan --ksm-metric-annotations-allow-list --ksm-metric-labels-allow-list --kubelet-config
        --kubernetes-version --linux-os-config --load-balancer-backend-pool-type --load-balancer-idle-timeout
        --load-balancer-managed-outbound-ip-count --load-balancer-managed-outbound-ipv6-count
        --load-balancer-outbound-ip-prefixes --load-balancer-outbound-ips --load-balancer-outbound-ports
        --load-balancer-sku --location --max-count --max-pods --message-of-the-day --min-count --name
        --nat-gateway-idle-timeout --nat-gateway-managed-outbound-ip-count
        --nat-gateway-managed-outbound-ipv6-count --nat-gateway-outbound-ip-prefixes --nat-gateway-outbound-ips
        --nat-gw-ips --nat-gw-ipv6-count --nat-gw-prefixes --network-dataplane --network-plugin
        --network-plugin-mode --network-policy --no-ssh-key --no-wait --node-count --node-os-upgrade-channel
        --node-osdisk-diskencryptionset-id --node-osdisk-size --node-osdisk-type
        --node-provisioning-default-pools --node-provisioning-mode --node-public-ip-prefix-id
        --node-public-ip-tags --node-resource-group --node-subnet-id --node-vm-size
        --nodepool-allowed-host-ports --nodepool-asg-ids --nodepool-labels --nodepool-name --nodepool-tags
        --nodepool-taints --nrg-lockdown-restriction-level --opentelemetry-logs-traces-port-grpc
        --opentelemetry-logs-traces-port-http --opentelemetry-metrics-port-grpc
        --opentelemetry-metrics-port-http --os-sku --outbound-type --outbound-type-sku --pod-cidr --pod-cidrs
        --pod-ip-allocation-mode --pod-subnet-id --ppg --private-dns-zone --resource-group --revision
        --rotation-poll-interval --service-cidr --service-cidrs --service-principal
        --skip-subnet-role-assignment --sku --snapshot-id --ssh-key-value --storage-pool-name
        --storage-pool-option --storage-pool-size --storage-pool-sku --syslog-port --system-node-subnet-id
        --tags --tier --vm-set-type --vm-sizes --vnet-subnet-id --windows-admin-password
        --windows-admin-username --workload-runtime --workspace-resource-id --yes --zones -a -c -d -g -k -l -m
        -n -p -s -u -x -y -z
    """,
    "aks nodepool add": """
        --aks-custom-headers --allowed-host-ports --asg-ids --cluster-name --cmd --crg-id
        --disable-windows-outbound-nat --drain-timeout --enable-artifact-streaming --enable-cluster-autoscaler
        --enable-encryption-at-host --enable-fips-image --enable-managed-dranet --enable-node-public-ip
        --enable-secure-boot --enable-ultra-ssd --enable-vtpm --eviction-policy --gateway-prefix-size
        --gpu-driver --gpu-instance-profile --host-group-id --if-match --if-none-match --kubelet-config
        --kubernetes-version --labels --linux-os-config --localdns-config --max-count --max-pods --max-surge
        --max-unavailable --message-of-the-day --min-count --mode --name --no-wait --node-count
        --node-osdisk-size --node-osdisk-type --node-public-ip-prefix-id --node-public-ip-tags
        --node-soak-duration --node-taints --node-vm-size --nodepool-name --os-sku --os-type
        --pod-ip-allocation-mode --pod-subnet-id --ppg --priority --resource-group --scale-down-mode
        --snapshot-id --spot-max-price --tags --undrainable-node-behavior --vm-set-type --vm-sizes
        --vnet-subnet-id --workload-runtime --zones -c -e -g -k -m -n -s -z
    """,
    "aks nodepool scale": """
        --cluster-name --cmd --name --no-wait --node-count --nodepool-name --resource-group -c -g -n
    """,
    "aks nodepool update": """
        --aks-custom-headers --allowed-host-ports --asg-ids --cluster-name --cmd --disable-artifact-streaming
        --disable-cluster-autoscaler --disable-fips-image --disable-secure-boot --disable-vtpm --drain-timeout
        --enable-artifact-streaming --enable-cluster-autoscaler --enable-fips-image --enable-managed-dranet
        --enable-secure-boot --enable-vtpm --gpu-driver --if-match --if-none-match --labels --localdns-config
        --max-count --max-surge --max-unavailable --min-count --mode --name --no-wait --node-soak-duration
        --node-taints --nodepool-name --os-sku --resource-group --scale-down-mode --tags
        --undrainable-node-behavior --update-cluster-autoscaler -d -e -g -n -u
    """,
    "aks nodepool upgrade": """
        --aks-custom-headers --cluster-name --cmd --drain-timeout --if-match --if-none-match
        --kubernetes-version --max-surge --max-unavailable --name --no-wait --node-image-only
        --node-soak-duration --nodepool-name --resource-group --snapshot-id --undrainable-node-behavior --yes -g
        -k -n -y
    """,
    "aks scale": """
        --cmd --name --no-wait --node-count --nodepool-name --resource-group -c -g -n
    """,
    "aks update": """
        --aad-admin-group-object-ids --aad-tenant-id --acns-advanced-networkpolicies
        --acns-datapath-acceleration-mode --acns-transit-encryption-type --aks-custom-headers
        --ampls-resource-id --api-server-authorized-ip-ranges --apiserver-subnet-id --assign-identity
        --assign-kubelet-identity --assignee-principal-type --attach-acr --auto-upgrade-channel
        --azure-container-storage-nodepools --azure-keyvault-kms-key-id
        --azure-keyvault-kms-key-vault-network-access --azure-keyvault-kms-key-vault-resource-id
        --azure-monitor-workspace-resource-id --bootstrap-artifact-source
        --bootstrap-container-registry-resource-id --ca-certs --ca-profile --cluster-autoscaler-profile --cmd
        --container-storage-version --custom-ca-trust-certificates --data-collection-settings --defender-config
        --detach-acr --disable-acns --disable-acns-observability --disable-acns-security --disable-ahub
        --disable-ai-toolchain-operator --disable-app-routing-istio --disable-ari
        --disable-azure-container-storage --disable-azure-keyvault-kms --disable-azure-monitor-app-monitoring
        --disable-azure-monitor-logs --disable-azure-monitor-metrics --disable-azure-rbac --disable-blob-driver
        --disable-cluster-autoscaler --disable-container-network-logs --disable-control-plane-metrics
        --disable-cost-analysis --disable-cp-metrics --disable-defender --disable-disk-driver
        --disable-file-driver --disable-force-upgrade --disable-gateway-api --disable-http-proxy
        --disable-image-cleaner --disable-keda --disable-local-accounts --disable-opentelemetry-logs-traces
        --disable-opentelemetry-metrics --disable-private-cluster --disable-prometheus-metrics-scraping
        --disable-public-fqdn --disable-run-command --disable-secret-rotation --disable-snapshot-controller
        --disable-static-egress-gateway --disable-upstream-kubescheduler-user-configuration --disable-vpa
        --disable-windows-gmsa --disable-workload-identity --enable-aad --enable-acns --enable-ahub
        --enable-ai-toolchain-operator --enable-apiserver-vnet-integration --enable-app-routing-istio
        --enable-ari --enable-azure-container-storage --enable-azure-keyvault-kms
        --enable-azure-monitor-app-monitoring --enable-azure-monitor-logs --enable-azure-monitor-metrics
        --enable-azure-rbac --enable-blob-driver --enable-cluster-autoscaler --enable-container-network-logs
        --enable-control-plane-metrics --enable-cost-analysis --enable-cp-metrics --enable-defender
        --enable-disk-driver --enable-file-driver --enable-force-upgrade --enable-gateway-api
        --enable-high-log-scale-mode --enable-http-proxy --enable-image-cleaner --enable-keda
        --enable-local-accounts --enable-managed-identity --enable-msi-auth-for-monitoring --enable-oidc-issuer
        --enable-opentelemetry-logs-traces --enable-opentelemetry-metrics --enable-private-cluster
        --enable-prometheus-metrics-scraping --enable-public-fqdn --enable-run-command --enable-secret-rotation
        --enable-snapshot-controller --enable-static-egress-gateway --enable-syslog
        --enable-upstream-kubescheduler-user-configuration --enable-vpa --enable-windows-gmsa
        --enable-windows-recording-rules --enable-workload-identity --ephemeral-disk-nvme-perf-tier
        --ephemeral-disk-volume-type --gmsa-dns-server --gmsa-root-domain-name --grafana-resource-id
        --http-proxy-config --if-match --if-none-match --image-cleaner-interval-hours --ip-families
        --k8s-support-plan --ksm-metric-annotations-allow-list --ksm-metric-labels-allow-list
        --load-balancer-backend-pool-type --load-balancer-idle-timeout --load-balancer-managed-outbound-ip-count
        --load-balancer-managed-outbound-ipv6-count --load-balancer-outbound-ip-prefixes
        --load-balancer-outbound-ips --load-balancer-outbound-ports --load-balancer-sku --max-count
        --migrate-vmas-to-vms --min-count --name --nat-gateway-idle-timeout
        --nat-gateway-managed-outbound-ip-count --nat-gateway-managed-outbound-ipv6-count
        --nat-gateway-outbound-ip-prefixes --nat-gateway-outbound-ips --nat-gw-ips --nat-gw-ipv6-count
        --nat-gw-prefixes --network-dataplane --network-plugin --network-plugin-mode --network-policy --no-wait
        --node-os-upgrade-channel --node-provisioning-default-pools --node-provisioning-mode --nodepool-labels
        --nodepool-taints --nrg-lockdown-restriction-level --opentelemetry-logs-traces-port-grpc
        --opentelemetry-logs-traces-port-http --opentelemetry-metrics-port-grpc
        --opentelemetry-metrics-port-http --outbound-type --outbound-type-sku --pod-cidr --private-dns-zone
        --resource-group --rotation-poll-interval --sku --storage-pool-name --storage-pool-option
        --storage-pool-size --storage-pool-sku --syslog-port --tags --tier --update-cluster-autoscaler
        --upgrade-override-until --windows-admin-password --workspace-resource-id --yes -d -e -g -n -t -u -y
    """,
    "aks upgrade": """
        --cmd --control-plane-only --disable-force-upgrade --enable-force-upgrade --if-match --if-none-match
        --k8s-support-plan --kubernetes-version --name --no-wait --node-image-only --resource-group --tier
        --upgrade-override-until --yes -g -k -n -y
    """,
    "group create": """
        --cmd --location --managed-by --name --resource-group --tags -g -l -n
    """,
    "identity create": """
        --isolation-scope --location --name --resource-group --resource-name --resource-restriction --tags -g -l
        -n
    """,
    "network route-table create": """
        --disable-bgp-route-propagation --disable-peering-route --location --name --no-wait --resource-group
        --tags -g -l -n
    """,
    "network route-table route create": """
        --address-prefix --name --next-hop --next-hop-ip-address --next-hop-type --no-wait --resource-group
        --route-table-name -g -n
    """,
    "network vnet create": """
        --address-prefixes --bgp-community --ddos-protection --ddos-protection-plan --dns-servers --edge-zone
        --enable-encryption --encryption-enforcement-policy --encryption-policy --flowtimeout --ipam-allocations
        --ipam-pool-prefix-allocations --location --name --network-security-group --no-wait --nsg
        --pe-vnet-policies --private-endpoint-vnet-policies --resource-group --sgp --subnet-name
        --subnet-prefixes --subnets --summarized-gateway-prefixes --tags --vm-protection -g -l -n
    """,
    "network vnet subnet create": """
        --address-prefixes --default-outbound --default-outbound-access --delegations
        --disable-private-endpoint-network-policies --disable-private-link-service-network-policies --endpoints
        --ipam-allocations --ipam-pool-prefix-allocations --name --nat-gateway --network-security-group
        --no-wait --nsg --ple-network-policies --pls-network-policies --private-endpoint-network-policies
        --private-link-service-network-policies --resource-group --route-table --service-endpoint-policy
        --service-endpoints --sharing-scope --vnet-name -g -n
    """,
    "network vnet subnet update": """
        --add --address-prefixes --default-outbound --default-outbound-access --delegations
        --disable-private-endpoint-network-policies --disable-private-link-service-network-policies --endpoints
        --force-string --ipam-allocations --ipam-pool-prefix-allocations --name --nat-gateway
        --network-security-group --no-wait --nsg --ple-network-policies --pls-network-policies
        --private-endpoint-network-policies --private-link-service-network-policies --remove --resource-group
        --route-table --service-endpoint-policy --service-endpoints --set --sharing-scope --vnet-name -g -n
    """,
    "network vnet update": """
        --add --address-prefixes --bgp-community --ddos-protection --ddos-protection-plan --dns-servers
        --enable-encryption --encryption-enforcement-policy --encryption-policy --flowtimeout --force-string
        --ipam-allocations --ipam-pool-prefix-allocations --name --no-wait --pe-vnet-policies
        --private-endpoint-vnet-policies --remove --resource-group --set --sgp --summarized-gateway-prefixes
        --vm-protection -g -n
    """,
}
OPTIONS = {command: frozenset(text.split()) for command, text in _OPTIONS.items()}
