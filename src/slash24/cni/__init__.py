"""The plugin, by the CNI specification."""
