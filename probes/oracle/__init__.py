"""What kube-proxy of this mode and version must do: environment + snapshot + cell -> expectation, one function per rule."""
