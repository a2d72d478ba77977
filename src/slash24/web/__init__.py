"""Pictures and pages; SVG drawn in Python."""
