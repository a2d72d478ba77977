"""Tests that need a whole lab."""
