ip route add unreachable 192.168.0.0/24
