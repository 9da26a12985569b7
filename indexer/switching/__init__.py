"""From one run to another: what would change, and the one step that changes what search shows."""
