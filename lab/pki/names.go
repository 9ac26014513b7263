package pki

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const (
	// ldh are the characters of a host name's label (RFC 1123).
	ldh = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	// maxLabel and maxName are DNS's limits in bytes (RFC 1035, 2.3.4).
	maxLabel = 63
	maxName  = 253
)

// checkDNSName returns an error for a name that crypto/x509 would sign and no client
// would match. Underscores are allowed, because Docker and Compose use them in names.
func checkDNSName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("longer than %d characters", maxName)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("this is an IP address: put it among the IPs")
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label, ldh+"_"); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel returns an error unless the text is one label of a DNS name.
func checkLabel(label, allowed string) error {
	switch {
	case label == "":
		return errors.New("empty, or with an empty label")
	case len(label) > maxLabel:
		return fmt.Errorf("label longer than %d characters", maxLabel)
	case strings.Trim(label, allowed) != "":
		return fmt.Errorf("label %q: only letters, digits, hyphens and underscores make a label of a DNS name", label)
	case strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-"):
		return fmt.Errorf("label %q begins or ends with a hyphen", label)
	}
	return nil
}
