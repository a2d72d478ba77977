ip link add s24vx address 02:24:0a:e0:00:04 mtu 1450 type vxlan id 7 local 10.224.0.4 dstport 4789 df set gbp nolearning
ip address add 192.168.0.0/32 dev s24vx
ip route add unreachable 192.168.0.0/16
ip route add unreachable 192.168.0.0/24
ip route add 192.168.1.0/24 via 192.168.1.0 dev s24vx onlink src 192.168.0.0
ip route add 192.168.2.0/24 via 192.168.2.0 dev s24vx onlink src 192.168.0.0
ip neighbour add 192.168.1.0 lladdr 02:24:0a:e0:00:05 dev s24vx
ip neighbour add 192.168.2.0 lladdr 02:24:0a:e0:00:06 dev s24vx
bridge fdb append 02:24:0a:e0:00:05 dst 10.224.0.5 dev s24vx
bridge fdb append 02:24:0a:e0:00:06 dst 10.224.0.6 dev s24vx
