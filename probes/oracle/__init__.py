"""What kube-proxy of this mode and version must do: environment, snapshot and cell -> expectation, by rules."""
