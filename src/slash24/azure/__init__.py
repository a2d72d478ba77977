"""The ARM face: Azure's resources, operations and errors, thin over the lab and the rulebook."""
