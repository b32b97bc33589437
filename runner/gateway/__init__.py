"""The execution gate: decides on what agents propose, with a receipt for each decision."""
