package process

// Explain gives an error of the disk its meaning.
func Explain(e *Engine, err error) error { return e.explain(err) }
