//go:build !linux

package docker

import "errors"

// inNetworkNamespace returns an error: only Linux has network namespaces.
func inNetworkNamespace(string, func() error) error { return errors.ErrUnsupported }
