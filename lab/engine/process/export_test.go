package process

import "nomadlab.internal/lab/engine"

// Explain wraps a full disk's error in engine.ErrNoSpace.
func Explain(e *Engine, err error) error { return e.explain(err) }

// WriteFiles writes files below a folder.
func WriteFiles(folder string, files []engine.File) error { return writeFiles(folder, files) }
