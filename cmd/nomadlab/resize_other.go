//go:build !unix

package main

// resizes never fires where there is no signal for it.
func resizes() (resized <-chan struct{}, stop func()) { return nil, func() {} }
