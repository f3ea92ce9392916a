"""The suite: one module a task, one function a promise of the contract, coarse to fine."""
