"""The stand-in in a user namespace: the same pods, without a right on the machine."""

from tests.lab.kubelet import test_pods, test_restart, test_streams
from tests.lab.kubelet.in_node import without_root

test_a_pod_runs = without_root(test_pods.test_a_pod_runs_on_debians_bridge_and_is_gone_after_its_deletion)
test_rights_are_the_same = without_root(test_pods.test_a_container_has_a_runtimes_default_rights_and_no_more)
test_files_are_the_same = without_root(test_pods.test_containers_see_themselves_and_not_the_node)
test_a_terminal_works = without_root(test_streams.test_exec_with_a_terminal_has_job_control_and_a_size)
test_a_restarted_kubelet_takes_over = without_root(test_restart.test_a_restarted_kubelet_takes_over_what_runs)
