package process

// Explain wraps a full disk's error in engine.ErrNoSpace.
func Explain(e *Engine, err error) error { return e.explain(err) }
