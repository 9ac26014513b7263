package posture_test

// weakenedTLS are the lines of the tls block.
func weakenedTLS() []weakening { return nil }
